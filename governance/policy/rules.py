"""The rules: whether somebody may do something to something, and if not, why.

Pure functions of their arguments. They hold for everybody: there is no superuser, no setting and no token that passes
by. The first rule that refuses gives the reason; the order goes from who one is to what the thing is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters_core.errors import ConfigError
from governance.policy import adapter_rules, incident_rules, job_rules, people_rules, request_rules, slot_rules
from governance.policy.actions import MAY, NEVER, SCOPES_FOR, SIGNED, Action
from governance.policy.actors import Actor
from governance.policy.reasons import REASONS
from governance.policy.subjects import Anything, Rule, Subject

CONFIRMED_FOR = timedelta(minutes=5)
"""How long a fresh proof of who one is can be used, once."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer of the rules."""

    allowed: bool
    reason_code: str
    """``ok``, or a key of REASONS."""

    @property
    def text(self) -> str:
        """The reason in the language that is active."""
        return "" if self.allowed else str(REASONS[self.reason_code])

    def __bool__(self) -> bool:
        """Whether it is allowed."""
        return self.allowed


OK = Decision(allowed=True, reason_code="ok")


def can(actor: Actor, action: Action, subject: Subject, *, at: datetime) -> Decision:
    """Whether the actor may do this now.

    Args:
        actor: who, with the roles that the ledger records.
        action: what.
        subject: facts of what is acted on; their type must be the one the action is about.
        at: the time of the transaction.

    Raises:
        ConfigError: the subject is of another type than the action is about.
    """
    kind, rule = RULES.get(action, (Anything, None))
    if not isinstance(subject, kind):
        raise ConfigError(f"{action} is decided on {kind.__name__}, got {type(subject).__name__}")
    code = who(actor, action) or (rule(actor, action, subject, at) if rule else None)
    # Last, so that nobody is asked for their password only to hear that they may not.
    code = code or (unconfirmed(actor, at) if action in SIGNED else None)
    return Decision(allowed=False, reason_code=code) if code else OK


def who(actor: Actor, action: Action) -> str | None:
    """Whether such an actor may ever do such a thing; the reason when not."""
    if actor.kind == "system":
        return "system_never"
    if actor.kind == "service":
        if action not in SCOPES_FOR:
            return "token_never"
        return None if SCOPES_FOR[action] & actor.scopes else "scope_missing"
    if actor.first_password:
        return "first_password"
    if any(actor.holds(role) and action in forbidden for role, forbidden in NEVER.items()):
        return "role_forbids"
    return None if any(actor.holds(role) for role in MAY[action]) else "role_missing"


def unconfirmed(actor: Actor, at: datetime) -> str | None:
    """Whether a fresh proof of who one is is missing."""
    fresh = actor.confirmed is not None and timedelta(0) <= at - actor.confirmed <= CONFIRMED_FOR
    return None if fresh else "confirm_identity"


RULES: Mapping[Action, tuple[type, Rule]] = {
    **adapter_rules.RULES,
    **request_rules.RULES,
    **slot_rules.RULES,
    **incident_rules.RULES,
    **people_rules.RULES,
    **job_rules.RULES,
}
