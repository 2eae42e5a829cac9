"""What a person can do with something now, and why not where they cannot: the rules asked before anybody presses."""

from dataclasses import dataclass
from datetime import datetime

from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.rules import can
from governance.policy.subjects import Subject


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One action on a page."""

    action: str
    allowed: bool
    """Also where only a fresh proof of who one is is missing: the page asks for it."""
    suits: bool
    """Whether the person's roles are for such things at all; what is not for them is not shown."""
    why_not: str


_NOT_THEIRS = frozenset({"role_missing", "role_forbids"})


def offer(actor: Actor, action: Action, facts: Subject, *, at: datetime) -> Offer:
    """Ask the rules without acting."""
    decision = can(actor, action, facts, at=at)
    allowed = bool(decision) or decision.reason_code == "confirm_identity"
    return Offer(
        action=action.value,
        allowed=allowed,
        suits=decision.reason_code not in _NOT_THEIRS,
        why_not="" if allowed else decision.text,
    )


def offers(actor: Actor, actions: tuple[Action, ...], facts: Subject, *, at: datetime) -> dict[str, Offer]:
    """Name of the action -> whether it can be done."""
    return {action.value: offer(actor, action, facts, at=at) for action in actions}
