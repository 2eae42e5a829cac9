"""Send a request back to who made it."""

from adapters_core.errors import InputError
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services.deciding import Signature, decide


def send_back(actor: Actor, *, request: str, signature: Signature, comment: str, required: str = "") -> Entry:
    """Send back; ``required``: what must be done before it comes again. Raises as :func:`deciding.decide`."""
    if not comment.strip():
        raise InputError("a request is sent back with a comment, got none")
    statement = {"comment": comment.strip(), "required": required.strip() or None}
    return decide(actor, Action.SEND_BACK, request, signature, statement)
