"""The kill switch: a slot serves the bare base, whatever it served and whatever is under way."""

from adapters_core.errors import InputError
from adapters_core.ledger import slot_queries
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.system_words import written
from governance.services import placing, references
from governance.services.acting import Act, perform


def kill_switch(actor: Actor, *, slot: str, seen: str | None, reason: str) -> Entry:
    """Ask for the bare base. Arguments and errors as of :func:`deploy.deploy`."""
    if not reason.strip():
        raise InputError("the kill switch must say why, got no reason")

    def work(act: Act) -> Entry:
        row = slot_queries.slot(act.tx, slot)
        act.ask(placing.slot_facts(act.tx, row, None, seen))
        placing.stop_pending(act, row, written("kill_switch"))
        return placing.start(act, row, "kill", None, reason=reason)

    return perform(actor, Action.KILL_SWITCH, references.slot(slot), work)
