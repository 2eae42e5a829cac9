"""Retire an adapter: it is never deployed again."""

from adapters_core.errors import InputError
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import facts, references
from governance.services.acting import Act, perform


def retire(actor: Actor, *, adapter: str, reason: str) -> Entry:
    """Retire an adapter.

    Raises:
        DeniedError: the rules refuse; a slot serves it, for instance.
        InputError: there is no reason.
        UnknownSubjectError: there is no such adapter.
    """
    if not reason.strip():
        raise InputError("a retirement must say why, got no reason")

    def work(act: Act) -> Entry:
        act.ask(facts.adapter_facts(act.tx, adapter))
        return act.append("adapter:retired", {"reason": reason.strip()})

    return perform(actor, Action.RETIRE, references.adapter(adapter), work)
