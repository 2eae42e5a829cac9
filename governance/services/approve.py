"""Approve a stage of a request."""

from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services.deciding import Signature, decide


def approve(actor: Actor, *, request: str, signature: Signature, comment: str = "") -> Entry:
    """Sign an approval. Raises as :func:`deciding.decide`."""
    return decide(actor, Action.APPROVE, request, signature, {"comment": comment.strip() or None})
