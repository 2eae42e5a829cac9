"""Deploy an approved adapter to a slot."""

from adapters_core.errors import InputError
from adapters_core.ledger import slot_queries
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import placing, references
from governance.services.acting import Act, perform


def deploy(actor: Actor, *, slot: str, adapter: str, seen: str | None, reason: str) -> Entry:
    """Ask for a deployment.

    Args:
        actor: who deploys.
        slot: where.
        adapter: what.
        seen: what the slot served when the person decided; another page may have changed it since.
        reason: why.

    Raises:
        DeniedError: the rules refuse.
        InputError: there is no reason.
        UnknownSubjectError: there is no such slot or adapter.
    """
    if not reason.strip():
        raise InputError("a deployment must say why, got no reason")

    def work(act: Act) -> Entry:
        row = slot_queries.slot(act.tx, slot)
        act.ask(placing.slot_facts(act.tx, row, adapter, seen))
        approval = placing.approval_for(act.tx, adapter, slot)
        return placing.start(act, row, "deploy", adapter, reason=reason, request=approval.request if approval else None)

    return perform(actor, Action.DEPLOY, references.slot(slot), work)
