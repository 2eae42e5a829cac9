"""Jobs and the messages that wait to leave."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters_core.ledger import job_queries, outbox_queries
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.outbox_queries import Attempt, Message
from adapters_core.ledger.transactions import Reader
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.rules import Decision, can
from governance.services.retry_job import job_facts

STATES = ("queued", "leased", "done", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job, and what the person may do with it."""

    job: Job
    cancel: Decision
    retry: Decision

    @property
    def state(self) -> str:
        """As pages name it."""
        return "finished" if self.job.state == "done" else self.job.state

    @property
    def running(self) -> bool:
        """Whether it may still change by itself."""
        return self.job.state in {"queued", "leased"}

    @property
    def share(self) -> float | None:
        """How much of it is done, 0 to 1; None where it does not say."""
        progress: Any = self.job.progress or {}
        done, total = progress.get("done"), progress.get("total")
        known = isinstance(done, int | float) and isinstance(total, int | float) and total > 0
        return min(max(done / total, 0.0), 1.0) if known else None


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A message that was not delivered, with what was tried."""

    message: Message
    log: tuple[Attempt, ...]


def views(
    reader: Reader, actor: Actor, at: datetime, *, states: tuple[str, ...], before: datetime | None
) -> tuple[JobView, ...]:
    """Jobs, newest first."""
    return tuple(_view(job, actor, at) for job in job_queries.find_jobs(reader, states=states, before=before))


def view(reader: Reader, actor: Actor, at: datetime, identifier: str) -> JobView:
    """One job.

    Raises:
        UnknownSubjectError: there is none.
    """
    return _view(job_queries.job(reader, identifier), actor, at)


def waiting(reader: Reader) -> tuple[Waiting, ...]:
    """Messages that wait or were refused, newest first."""
    found = outbox_queries.find_messages(reader, states=("pending", "leased", "refused"))
    return tuple(Waiting(message=one, log=outbox_queries.attempts(reader, one.message)) for one in found)


def _view(job: Job, actor: Actor, at: datetime) -> JobView:
    facts = job_facts(job)
    return JobView(
        job=job,
        cancel=can(actor, Action.CANCEL_JOB, facts, at=at),
        retry=can(actor, Action.RETRY_JOB, facts, at=at),
    )
