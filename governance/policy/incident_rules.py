"""Rules on incidents: what happened in an emergency is reviewed by somebody else, within days."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import IncidentFacts, Rule

REVIEW_WITHIN = timedelta(days=3)
"""From then on an open incident is overdue."""
REVIEWERS = ("reviewer", "manager")
"""One of them reviews an emergency; what a machine has raised an administrator may close too."""


def close(actor: Actor, action: Action, facts: IncidentFacts, at: datetime) -> str | None:
    """Whether this person may close this incident."""
    if not facts.open:
        return "incident_closed"
    if actor.id == facts.raised_by:
        return "own_incident"
    if not facts.emergency:
        return None
    if actor.id in facts.involved:
        return "own_adapter"
    held = [since for role in REVIEWERS if (since := actor.since(role))]
    if not held:
        return "incident_reviewer"
    return "cool_down" if at - min(held) < timedelta(hours=facts.cool_down_hours) else None


def is_overdue(raised: datetime, at: datetime) -> bool:
    """Whether an incident that is still open should have been reviewed."""
    return at - raised > REVIEW_WITHIN


RULES: Mapping[Action, tuple[type, Rule]] = {Action.CLOSE_INCIDENT: (IncidentFacts, close)}
