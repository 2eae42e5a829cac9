"""Put a context under legal hold, or end the hold."""

from adapters_core.errors import InputError
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import facts, references
from governance.services.acting import Act, perform


def hold_context(actor: Actor, *, context: str, reason: str) -> Entry:
    """Forbid erasing.

    Raises:
        DeniedError: the rules refuse.
        InputError: there is no reason.
        UnknownSubjectError: there is no such context.
    """
    return _change(actor, Action.HOLD_CONTEXT, "context:held", context, reason)


def release_context(actor: Actor, *, context: str, reason: str) -> Entry:
    """Allow erasing again. Raises as :func:`hold_context`."""
    return _change(actor, Action.RELEASE_CONTEXT, "context:released", context, reason)


def _change(actor: Actor, action: Action, event: str, context: str, reason: str) -> Entry:
    if not reason.strip():
        raise InputError("a legal hold is put and ended with a reason, got none")

    def work(act: Act) -> Entry:
        act.ask(facts.context_facts(act.tx, context))
        return act.append(event, {"reason": reason.strip()})

    return perform(actor, action, references.context(context), work)
