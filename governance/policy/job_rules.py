"""Rules on jobs."""

from collections.abc import Mapping
from datetime import datetime

from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import JobFacts, Rule


def cancel(actor: Actor, action: Action, facts: JobFacts, at: datetime) -> str | None:
    """One's own, while it is not done."""
    return _other(actor, facts) or (None if facts.state in {"queued", "leased"} else "job_ended")


def retry(actor: Actor, action: Action, facts: JobFacts, at: datetime) -> str | None:
    """One's own, once it has failed or was cancelled."""
    return _other(actor, facts) or (None if facts.state in {"failed", "cancelled"} else "job_not_failed")


def _other(actor: Actor, facts: JobFacts) -> str | None:
    return None if actor.holds("admin") or facts.owner == actor.id else "not_owner"


RULES: Mapping[Action, tuple[type, Rule]] = {
    Action.CANCEL_JOB: (JobFacts, cancel),
    Action.RETRY_JOB: (JobFacts, retry),
}
