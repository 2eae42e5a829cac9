"""Reject a request."""

from adapters_core.errors import InputError
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services.deciding import Signature, decide


def reject(actor: Actor, *, request: str, signature: Signature, comment: str) -> Entry:
    """Reject. Raises as :func:`deciding.decide`, and InputError without a comment."""
    if not comment.strip():
        raise InputError("a request is rejected with a comment, got none")
    return decide(actor, Action.REJECT, request, signature, {"comment": comment.strip()})
