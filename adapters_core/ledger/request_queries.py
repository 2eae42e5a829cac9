"""Reading requests: one, those that wait for somebody, lists."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger.approval_tables import index_deployments, index_requests
from adapters_core.ledger.flow.requests import APPROVED, OPEN, Stage
from adapters_core.ledger.index_tables import index_adapters
from adapters_core.ledger.records import parse_time
from adapters_core.ledger.transactions import Reader

PAGE = 50
LOOKED_THROUGH = 500
_TABLE = index_requests.c


@dataclass(frozen=True, kw_only=True)
class RequestRow:
    """A request as lists show it; its decisions are ``queries.history`` of it."""

    request: str
    seq: int
    time: datetime
    """When it was opened."""
    adapter: str
    adapter_name: str
    slot: str
    policy: str
    policy_version: int
    state: str
    stages: tuple[Stage, ...]
    stage: int
    """The stage that waits, from 0; the number of stages once all are complete."""
    stage_role: str | None
    """Whose decision is waited for."""
    approvers: tuple[str, ...]
    """In whose name the waiting stage was approved so far."""
    bound_digest: str
    actor: str
    actor_name: str
    last_seq: int
    last_time: datetime


@dataclass(frozen=True, kw_only=True)
class RequestFilter:
    """Which requests are wanted: every condition that is given must hold."""

    states: tuple[str, ...] = ()
    adapter: str | None = None
    slot: str | None = None
    actor: str | None = None


ALL_REQUESTS = RequestFilter()


def request(reader: Reader, request_id: str) -> RequestRow:
    """One request.

    Raises:
        UnknownSubjectError: the ledger has none of this id.
    """
    row = reader.connection.execute(select(index_requests).where(_TABLE.request == request_id)).mappings().first()
    if row is None:
        raise UnknownSubjectError(f"the ledger has no request {request_id}")
    return _row(row)


def waiting_requests(
    reader: Reader, roles: tuple[str, ...] | None = None, *, limit: int = PAGE
) -> tuple[RequestRow, ...]:
    """Requests that wait for a decision, oldest first; where roles are given, those that one of them can decide."""
    asked = select(index_requests).where(_TABLE.state.in_(sorted(OPEN)))
    if roles is not None:
        asked = asked.where(or_(_TABLE.stage_role.in_(roles), _TABLE.stage_role.is_(None)))
    return _rows(reader, asked.order_by(_TABLE.seq).limit(limit))


def undeployed_requests(reader: Reader, *, actor: str | None = None, limit: int = PAGE) -> tuple[RequestRow, ...]:
    """Approved requests on which nothing was done yet, newest first; of one requester where one is named.

    Their slot has not served the adapter since the approval, and no deployment of it to the slot is under way. Only
    the newest ``LOOKED_THROUGH`` approvals of either kind are looked through.
    """
    own, done = index_adapters.c, index_deployments.c
    living = exists().where(own.digest == _TABLE.adapter, own.state != "retired")
    since = and_(done.state == "succeeded", or_(done.until_seq.is_(None), done.until_seq > _TABLE.last_seq))
    # By the adapter, which few deployments have; the slot as a mere text, that it is not looked up by its thousands.
    placed = exists().where(
        done.adapter == _TABLE.adapter, done.slot + "" == _TABLE.slot, or_(done.state == "requested", since)
    )
    # Each state is read in the order of its own index, and no further than people look: most were deployed long ago.
    recent = [
        _where(select(_TABLE.seq), RequestFilter(states=(state,), actor=actor))
        .order_by(_TABLE.seq.desc())
        .limit(LOOKED_THROUGH)
        .subquery()
        for state in sorted(APPROVED)
    ]
    asked = select(index_requests).where(or_(*(_TABLE.seq.in_(select(part.c.seq)) for part in recent)), living, ~placed)
    return _rows(reader, asked.order_by(_TABLE.seq.desc()).limit(limit))


def find_requests(
    reader: Reader, wanted: RequestFilter = ALL_REQUESTS, *, before: int | None = None, limit: int = PAGE
) -> tuple[RequestRow, ...]:
    """Requests that meet a filter, newest first; ``before``: the last seq of the page before."""
    asked = _where(select(index_requests), wanted)
    if before is not None:
        asked = asked.where(_TABLE.seq < before)
    # A person's requests in some states are few, and sorted: along all of theirs in order, the open ones come last.
    newest = _TABLE.seq + 0 if wanted.actor and wanted.states else _TABLE.seq
    return _rows(reader, asked.order_by(newest.desc()).limit(limit))


def count_requests(reader: Reader, wanted: RequestFilter = ALL_REQUESTS, *, limit: int = 10_000) -> int:
    """How many requests meet a filter; counting stops at ``limit``."""
    some = _where(select(_TABLE.request), wanted).limit(limit).subquery()
    return int(reader.connection.execute(select(func.count()).select_from(some)).scalar_one())


def _where(asked: Select[Any], wanted: RequestFilter) -> Select[Any]:
    if wanted.states:
        asked = asked.where(_TABLE.state.in_(wanted.states))
    if wanted.adapter:
        asked = asked.where(_TABLE.adapter == wanted.adapter)
    if wanted.slot:
        asked = asked.where(_TABLE.slot == wanted.slot)
    if wanted.actor:
        asked = asked.where(_TABLE.actor == wanted.actor)
    return asked


def _rows(reader: Reader, asked: Select[Any]) -> tuple[RequestRow, ...]:
    return tuple(_row(row) for row in reader.connection.execute(asked).mappings())


def _row(row: Mapping[Any, Any]) -> RequestRow:
    progress = json.loads(row["progress"])
    fields = {name: row[name] for name in RequestRow.__dataclass_fields__ if name in row}
    fields["time"], fields["last_time"] = parse_time(row["time"]), parse_time(row["last_time"])
    return RequestRow(
        **fields,
        stages=tuple(Stage(**stage) for stage in progress["stages"]),
        approvers=tuple(progress["approvers"]),
        bound_digest=progress["bound_digest"],
    )
