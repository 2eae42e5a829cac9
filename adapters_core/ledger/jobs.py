"""Jobs: leased with an expiry, fenced against the worker that comes back too late, recorded exactly once by their key.

Every queue delivers at least once: a worker that lost its lease may still finish. So a job's result is recorded by
whoever holds the newest fence; the same result again is nothing new; another result for the same key is an incident.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import and_, insert, select, update

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import InputError, LeaseLostError
from adapters_core.ledger.append import append
from adapters_core.ledger.job_queries import Job, job, job_by_key, job_record
from adapters_core.ledger.records import Actor, Subject, time_text
from adapters_core.ledger.transactions import Reader, Writer
from adapters_core.ledger.work_tables import jobs

Outcome = Literal["recorded", "repeated", "conflict"]
_TABLE = jobs.c


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a worker made of a job."""

    digest: str
    """Digest of what was made: the same job must always make the same."""
    data: Mapping[str, Any]
    """Plain JSON for whoever waits for the job."""


def submit_job(
    writer: Writer, *, kind: str, job_key: str, payload: Mapping[str, Any], actor: Actor, priority: int = 0
) -> Job:
    """Queue a job; the job that there is, when one of the same key was submitted before.

    A job that failed or was cancelled is queued again.
    """
    if known := job_by_key(writer, job_key):
        if known.state in {"failed", "cancelled"}:
            again = {"state": "queued", "due": time_text(writer.now), "error": None, "finished": None, "progress": None}
            writer.connection.execute(update(jobs).where(_TABLE.job == known.job).values(again))
            return job(writer, known.job)
        return known
    now = time_text(writer.now)
    row = {
        "job": str(uuid4()),
        "job_key": job_key,
        "kind": kind,
        "payload": canonical_bytes(dict(payload)).decode(),
        "priority": priority,
        "state": "queued",
        "attempts": 0,
        "fence": 0,
        "due": now,
        "created": now,
        "actor": canonical_bytes(actor.to_json()).decode(),
    }
    writer.connection.execute(insert(jobs).values(row))
    return job(writer, str(row["job"]))


def lease_job(writer: Writer, *, worker: str, kinds: tuple[str, ...], seconds: float) -> Job | None:
    """Take the job that is next: queued and due, or leased by a worker that let its lease run out.

    Args:
        writer: the open write transaction.
        worker: who takes it.
        kinds: the kinds of jobs that this worker can do.
        seconds: until when it must be finished or renewed.
    """
    now = time_text(writer.now)
    ready = and_(_TABLE.state.in_(("queued", "leased")), _TABLE.due <= now, _TABLE.kind.in_(kinds))
    asked = select(jobs).where(ready).order_by(_TABLE.priority.desc(), _TABLE.created, _TABLE.job).limit(1)
    row = writer.connection.execute(asked).mappings().first()
    if row is None:
        return None
    leased = {
        "state": "leased",
        "worker": worker,
        "attempts": row["attempts"] + 1,
        "fence": row["fence"] + 1,
        "due": time_text(writer.now + timedelta(seconds=seconds)),
        "started": row["started"] or now,
    }
    writer.connection.execute(update(jobs).where(_TABLE.job == row["job"]).values(leased))
    return job_record({**row, **leased})


def renew_job(writer: Writer, leased: Job, *, seconds: float, progress: Mapping[str, Any] | None = None) -> Job:
    """Keep a lease, and say how far the work has come.

    Raises:
        LeaseLostError: another worker has the job, or it ended.
    """
    _check_lease(writer, leased)
    row: dict[str, Any] = {"due": time_text(writer.now + timedelta(seconds=seconds))}
    if progress is not None:
        row["progress"] = canonical_bytes(dict(progress)).decode()
    writer.connection.execute(update(jobs).where(_TABLE.job == leased.job).values(row))
    return job(writer, leased.job)


def finish_job(writer: Writer, leased: Job, result: Result, *, actor: Actor) -> Outcome:
    """Record a result, in the transaction of the entries that state it.

    ``recorded``: append the entries now. ``repeated``: the same result was recorded before, append nothing.
    ``conflict``: another result was recorded for this key; an incident has been appended.

    Raises:
        LeaseLostError: the job is not done, and another worker has it.
    """
    stored = job(writer, leased.job)
    if stored.state == "done":
        if stored.result_digest == result.digest:
            return "repeated"
        _raise_incident(writer, stored, result, actor)
        return "conflict"
    _check_lease(writer, leased)
    done = {
        "state": "done",
        "finished": time_text(writer.now),
        "result_digest": result.digest,
        "result": canonical_bytes(dict(result.data)).decode(),
        "error": None,
    }
    writer.connection.execute(update(jobs).where(_TABLE.job == leased.job).values(done))
    return "recorded"


def fail_job(writer: Writer, leased: Job, *, error: str, retry_in: float | None = None) -> None:
    """Give a job back: to be tried again after some seconds, or failed for good.

    Raises:
        LeaseLostError: another worker has the job, or it ended.
    """
    _check_lease(writer, leased)
    row: dict[str, Any] = {"error": error[:10_000], "worker": None}
    if retry_in is None:
        row |= {"state": "failed", "finished": time_text(writer.now)}
    else:
        row |= {"state": "queued", "due": time_text(writer.now + timedelta(seconds=retry_in))}
    writer.connection.execute(update(jobs).where(_TABLE.job == leased.job).values(row))


def cancel_job(writer: Writer, job_id: str) -> None:
    """End a job that has no result yet; a worker that has it loses its lease.

    Raises:
        UnknownSubjectError: there is none of this id.
        InputError: it has ended.
    """
    stored = job(writer, job_id)
    if stored.state not in {"queued", "leased"}:
        raise InputError(f"a job can be cancelled until it ends, this one is {stored.state}")
    row = {"state": "cancelled", "finished": time_text(writer.now), "fence": stored.fence + 1, "worker": None}
    writer.connection.execute(update(jobs).where(_TABLE.job == job_id).values(row))


def _check_lease(reader: Reader, leased: Job) -> None:
    asked = select(_TABLE.state, _TABLE.fence).where(_TABLE.job == leased.job)
    row = reader.connection.execute(asked).first()
    if row is None or row.state != "leased" or row.fence != leased.fence:
        raise LeaseLostError(f"job {leased.job} is not leased to this worker any more: drop what was done for it")


def _raise_incident(writer: Writer, stored: Job, result: Result, actor: Actor) -> None:
    detail = {"job": stored.job, "job_key": stored.job_key, "recorded": stored.result_digest, "second": result.digest}
    append(
        writer,
        "incident:raised",
        subject=Subject(kind="incident", id=str(uuid4())),
        actor=actor,
        data={"what": "job_result_differs", "detail": detail},
        refs=[Subject(kind="job", id=stored.job)],
    )
