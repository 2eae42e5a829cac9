"""Rules on roles and service tokens."""

from collections.abc import Mapping
from datetime import datetime

from governance.policy.actions import CONFLICTS, Action
from governance.policy.actors import ROLES, SCOPES, Actor
from governance.policy.subjects import PersonFacts, Rule, TokenFacts


def grant(actor: Actor, action: Action, facts: PersonFacts, at: datetime) -> str | None:
    """Nobody raises themselves, and no person holds roles that watch over each other."""
    if code := _person(actor, facts):
        return code
    if facts.role in facts.roles:
        return "role_held"
    conflicting = any({facts.role, held} == pair for pair in CONFLICTS for held in facts.roles)
    return "role_conflict" if conflicting else None


def revoke(actor: Actor, action: Action, facts: PersonFacts, at: datetime) -> str | None:
    """Somebody must be left who can grant roles."""
    if code := _person(actor, facts):
        return code
    if facts.role not in facts.roles:
        return "role_not_held"
    return "last_admin" if facts.role == "admin" and facts.admins <= 1 else None


def _person(actor: Actor, facts: PersonFacts) -> str | None:
    if not facts.known:
        return "unknown_person"
    if facts.role not in ROLES:
        return "unknown_role"
    return "own_role" if facts.id == actor.id else None


def issue(actor: Actor, action: Action, facts: TokenFacts, at: datetime) -> str | None:
    """A token is for known scopes, and for at least one, and somebody answers for it."""
    if not facts.holder_known:
        return "unknown_person"
    return None if facts.scopes and facts.scopes <= set(SCOPES) else "unknown_scope"


def revoke_token(actor: Actor, action: Action, facts: TokenFacts, at: datetime) -> str | None:
    """Once."""
    return "token_revoked" if facts.revoked else None


RULES: Mapping[Action, tuple[type, Rule]] = {
    Action.GRANT_ROLE: (PersonFacts, grant),
    Action.REVOKE_ROLE: (PersonFacts, revoke),
    Action.ISSUE_TOKEN: (TokenFacts, issue),
    Action.REVOKE_TOKEN: (TokenFacts, revoke_token),
}
