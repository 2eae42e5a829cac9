"""Jobs and the messages that wait to leave."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger import adapter_queries, context_queries, job_queries, outbox_queries
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.outbox_queries import Attempt, Message
from adapters_core.ledger.transactions import Reader
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.rules import Decision, can
from governance.services.retry_job import job_facts

MESSAGE_STATES = ("pending", "leased", "delivered", "refused")
STATES = ("queued", "leased", "done", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job, and what the person may do with it."""

    job: Job
    name: str
    """What it is about, as people call it; empty where nothing says so any more."""
    cancel: Decision
    retry: Decision

    @property
    def state(self) -> str:
        """As pages name it."""
        return "finished" if self.job.state == "done" else self.job.state

    @property
    def adapter(self) -> str | None:
        """The adapter that it made or is about."""
        found = (self.job.result or {}).get("adapter") or self.job.payload.get("adapter")
        return str(found) if found else None

    @property
    def context(self) -> str | None:
        """The context that it reads or takes out."""
        found = self.job.payload.get("context")
        return str(found) if found else None

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
class Sent:
    """A message with what was tried to deliver it."""

    message: Message
    log: tuple[Attempt, ...]

    @property
    def waits(self) -> bool:
        """Whether it is tried again."""
        return self.message.state in {"pending", "leased"}


def views(
    reader: Reader, actor: Actor, at: datetime, *, states: tuple[str, ...], before: datetime | None
) -> tuple[JobView, ...]:
    """Jobs, newest first."""
    return tuple(_view(reader, job, actor, at) for job in job_queries.find_jobs(reader, states=states, before=before))


def view(reader: Reader, actor: Actor, at: datetime, identifier: str) -> JobView:
    """One job.

    Raises:
        UnknownSubjectError: there is none.
    """
    return _view(reader, job_queries.job(reader, identifier), actor, at)


def waiting(reader: Reader) -> tuple[Sent, ...]:
    """Messages that wait or were refused, newest first."""
    return messages(reader, states=("pending", "leased", "refused"))


def messages(
    reader: Reader, *, states: tuple[str, ...] = (), topics: tuple[str, ...] = (), before: int | None = None
) -> tuple[Sent, ...]:
    """Messages with the log of their deliveries, newest first; a page of them."""
    found = outbox_queries.find_messages(reader, states=states, topics=topics, before=before)
    return tuple(Sent(message=one, log=outbox_queries.attempts(reader, one.message)) for one in found)


def name_of(reader: Reader, job: Job) -> str:
    """The name that was given for the adapter, else that of the adapter or the context that it is about."""
    asked = job.payload
    try:
        if asked.get("name"):
            return str(asked["name"])
        if asked.get("adapter"):
            return adapter_queries.adapter(reader, str(asked["adapter"])).name
        return context_queries.context(reader, str(asked.get("context"))).title
    except UnknownSubjectError:
        return ""


def _view(reader: Reader, job: Job, actor: Actor, at: datetime) -> JobView:
    facts = job_facts(job)
    return JobView(
        job=job,
        name=name_of(reader, job),
        cancel=can(actor, Action.CANCEL_JOB, facts, at=at),
        retry=can(actor, Action.RETRY_JOB, facts, at=at),
    )
