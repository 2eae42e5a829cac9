"""Roll a slot back to an adapter that it served before."""

from adapters_core.errors import InputError
from adapters_core.ledger import slot_queries
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import placing, references
from governance.services.acting import Act, perform


def roll_back(actor: Actor, *, slot: str, adapter: str | None, seen: str | None, reason: str) -> Entry:
    """Ask for a rollback; ``adapter`` None is the bare base. Arguments and errors as of :func:`deploy.deploy`."""
    if not reason.strip():
        raise InputError("a rollback must say why, got no reason")

    def work(act: Act) -> Entry:
        row = slot_queries.slot(act.tx, slot)
        act.ask(placing.slot_facts(act.tx, row, adapter, seen))
        approval = placing.approval_for(act.tx, adapter, slot) if adapter else None
        return placing.start(
            act, row, "rollback", adapter, reason=reason, request=approval.request if approval else None
        )

    return perform(actor, Action.ROLL_BACK, references.slot(slot), work)
