"""Jobs: what was asked for and is being done, with its progress."""

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router, Status

from adapters_core.ledger import job_queries
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.records import time_text
from adapters_core.ledger.transactions import Reader
from governance.api.fields import Json, Limit, Moment, Name, Record, Time
from governance.api.reading import actor_of, look_up, page, read
from governance.services import retry_job as services

router = Router(tags=["jobs"])
State = Literal["queued", "leased", "done", "failed", "cancelled"]
Kind = Literal["generate", "extend", "erase", "evaluate", "verify"]


class Actor(Record):
    """Who acted, as it was then."""

    id: str
    name: str
    kind: Literal["person", "service", "system"]
    roles: list[str]


class JobOut(Record):
    """Work that a worker does. The same request is the same job."""

    job: str
    job_key: str
    """The digest of what was asked for."""
    kind: str
    """generate, extend, erase, evaluate or verify."""
    state: State
    """`leased`: a worker has it."""
    payload: Json
    """What was asked for."""
    progress: Json | None
    """`done` of `total`, where the worker says so."""
    attempts: int
    created: Moment
    started: Moment | None
    finished: Moment | None
    result: Json | None
    """What came of it; `adapter` is the digest of a generated one."""
    error: str | None
    """Of the latest attempt that failed."""
    actor: Actor
    """Who asked for it first."""


class Jobs(Record):
    """A page of jobs, newest first."""

    rows: list[JobOut]
    next: Moment | None
    """Hand it in as `before`; null on the last page."""


@router.get("", response=Jobs)
def list_jobs(
    request: HttpRequest,
    state: Annotated[State | None, Query()] = None,
    kind: Annotated[Kind | None, Query()] = None,
    before: Time = None,
    limit: Limit = 50,
) -> object:
    """Jobs of everybody, newest first."""
    states, kinds = (state,) if state else (), (kind,) if kind else ()

    def look(db: Reader) -> tuple[Job, ...]:
        return job_queries.find_jobs(db, states=states, kinds=kinds, before=before, limit=limit + 1)

    return page(read(request, look), limit, lambda job: time_text(job.created))


@router.get("/{identifier}", response=JobOut)
def read_job(request: HttpRequest, identifier: Name) -> object:
    """One job with its progress."""
    return read(request, lambda db: job_queries.job(db, identifier))


@router.post("/{identifier}/retry", response={202: JobOut})
def retry_job(request: HttpRequest, identifier: Name) -> Status[object]:
    """Queue a job again that failed or was cancelled: the token's own only."""
    return Status(202, services.retry_job(actor_of(request), job=identifier))


@router.post("/{identifier}/cancel", response=JobOut)
def cancel_job(request: HttpRequest, identifier: Name) -> object:
    """End a job that has no result yet: the token's own only."""
    services.cancel_job(actor_of(request), job=identifier)
    return look_up(lambda db: job_queries.job(db, identifier))
