"""Reading jobs: one, by key, lists."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger.records import Actor, actor_from, parse_time, time_text
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.work_tables import jobs

PAGE = 50
_TABLE = jobs.c
_MOMENTS = ("due", "created", "started", "finished")
_DOCUMENTS = ("payload", "progress", "result")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job, as it was when it was read or leased."""

    job: str
    job_key: str
    kind: str
    payload: Mapping[str, Any]
    priority: int
    state: str
    """queued, leased, done, failed or cancelled."""
    attempts: int
    fence: int
    """Rises with each lease: tells whether a lease is still the newest one."""
    worker: str | None
    due: datetime
    """When it may be taken (queued), or when its lease runs out (leased)."""
    progress: Mapping[str, Any] | None
    created: datetime
    started: datetime | None
    finished: datetime | None
    result_digest: str | None
    result: Mapping[str, Any] | None
    error: str | None
    """Of the latest attempt that failed."""
    actor: Actor
    """Who submitted it."""


def job(reader: Reader, job_id: str) -> Job:
    """One job.

    Raises:
        UnknownSubjectError: there is none of this id.
    """
    row = reader.connection.execute(select(jobs).where(_TABLE.job == job_id)).mappings().first()
    if row is None:
        raise UnknownSubjectError(f"there is no job {job_id}")
    return job_record(row)


def job_by_key(reader: Reader, job_key: str) -> Job | None:
    """The job of a key, None if none was submitted."""
    row = reader.connection.execute(select(jobs).where(_TABLE.job_key == job_key)).mappings().first()
    return job_record(row) if row is not None else None


def find_jobs(
    reader: Reader,
    *,
    states: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    before: datetime | None = None,
    limit: int = PAGE,
) -> tuple[Job, ...]:
    """Jobs, newest first; ``before``: the ``created`` of the last one of the page before."""
    asked = select(jobs)
    if states:
        asked = asked.where(_TABLE.state.in_(states))
    if kinds:
        asked = asked.where(_TABLE.kind.in_(kinds))
    if before is not None:
        asked = asked.where(_TABLE.created < time_text(before))
    rows = reader.connection.execute(asked.order_by(_TABLE.created.desc(), _TABLE.job).limit(limit)).mappings()
    return tuple(job_record(row) for row in rows)


def job_counts(reader: Reader) -> dict[str, int]:
    """state -> number of jobs in it."""
    asked = select(_TABLE.state, func.count()).group_by(_TABLE.state)
    return {row[0]: row[1] for row in reader.connection.execute(asked)}


def job_record(row: Mapping[Any, Any]) -> Job:
    """The record of a row."""
    fields = {name: row[name] for name in Job.__dataclass_fields__}
    fields |= {name: parse_time(row[name]) for name in _MOMENTS if row[name]}
    fields |= {name: json.loads(row[name]) for name in _DOCUMENTS if row[name]}
    return Job(**{**fields, "actor": actor_from(json.loads(row["actor"]))})
