"""Rules on requests, decisions and delegations: who decides is never who made or asked."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from governance.policy.actions import DECISIONS, MAY, Action
from governance.policy.actors import Actor
from governance.policy.meanings import APPROVALS
from governance.policy.subjects import DelegationFacts, Deputy, RequestFacts, Rule

OPEN = frozenset({"requested", "in_review"})
LONGEST_DELEGATION = timedelta(days=90)


def comment(actor: Actor, action: Action, facts: RequestFacts, at: datetime) -> str | None:
    """A comment is made while the request is open."""
    return None if facts.state in OPEN else "not_open"


def withdraw(actor: Actor, action: Action, facts: RequestFacts, at: datetime) -> str | None:
    """Who asked may take it back."""
    if facts.state not in OPEN:
        return "not_open"
    return None if facts.requested_by == actor.id else "not_requester"


def decide(actor: Actor, action: Action, facts: RequestFacts, at: datetime) -> str | None:
    """Whether this person may end this stage with this decision."""
    if facts.state not in OPEN:
        return "not_open"
    if at >= facts.expires:
        return "request_expired"
    if not facts.unchanged:
        return "changed_since"
    if code := _independent(actor.id, facts):
        return code
    code = _deputy(actor, facts.deputy, facts, at) if facts.deputy else _standing(actor, facts, at)
    if code:
        return code
    return _gates(action, facts)


def _gates(action: Action, facts: RequestFacts) -> str | None:
    if action in APPROVALS and facts.binding_gates:
        return "gate_binding"
    return "gate_failed" if action is Action.APPROVE and facts.failed_gates else None


def _independent(person: str, facts: RequestFacts) -> str | None:
    if person == facts.requested_by:
        return "own_request"
    if person in facts.involved:
        return "own_adapter"
    return "already_decided" if person in facts.decided_by else None


def _standing(actor: Actor, facts: RequestFacts, at: datetime) -> str | None:
    since = actor.since(facts.stage_role)
    if since is None:
        return "wrong_stage"
    return "cool_down" if at - since < timedelta(hours=facts.cool_down_hours) else None


def _deputy(actor: Actor, deputy: Deputy, facts: RequestFacts, at: datetime) -> str | None:
    """The one who is represented must be as independent as the one who decides, whose own role must count too."""
    if deputy.ended or at >= deputy.until:
        return "delegation_over"
    if _independent(deputy.principal, facts):
        return "principal_involved"
    if facts.stage_role not in deputy.roles:
        return "principal_role"
    held = [since for role in MAY[Action.APPROVE] if (since := actor.since(role))]
    return None if held and at - min(held) >= timedelta(hours=facts.cool_down_hours) else "cool_down"


def delegate(actor: Actor, action: Action, facts: DelegationFacts, at: datetime) -> str | None:
    """A right is lent to another person, for a time."""
    if not facts.deputy_known:
        return "unknown_person"
    if facts.deputy == actor.id:
        return "self_delegation"
    return None if at < facts.until <= at + LONGEST_DELEGATION else "delegation_time"


def end_delegation(actor: Actor, action: Action, facts: DelegationFacts, at: datetime) -> str | None:
    """Who lent it takes it back."""
    if facts.ended:
        return "delegation_over"
    return None if facts.principal == actor.id or actor.holds("admin") else "not_delegator"


RULES: Mapping[Action, tuple[type, Rule]] = {
    Action.COMMENT: (RequestFacts, comment),
    Action.WITHDRAW: (RequestFacts, withdraw),
    **dict.fromkeys(sorted(DECISIONS), (RequestFacts, decide)),
    Action.DELEGATE: (DelegationFacts, delegate),
    Action.END_DELEGATION: (DelegationFacts, end_delegation),
}
