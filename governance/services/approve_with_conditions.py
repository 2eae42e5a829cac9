"""Approve a stage of a request under conditions."""

from adapters_core.errors import InputError
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services.deciding import Signature, decide


def approve_with_conditions(
    actor: Actor, *, request: str, signature: Signature, conditions: str, comment: str = ""
) -> Entry:
    """Sign a conditional approval. Raises as :func:`deciding.decide`, and InputError without conditions."""
    if not conditions.strip():
        raise InputError("a conditional approval must state its conditions, got none")
    statement = {"conditions": conditions.strip(), "comment": comment.strip() or None}
    return decide(actor, Action.APPROVE_WITH_CONDITIONS, request, signature, statement)
