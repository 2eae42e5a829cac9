"""Reading the outbox: messages, and the log of their deliveries."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from adapters_core.ledger.records import parse_time
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.work_tables import outbox, outbox_attempts

PAGE = 50
_TABLE = outbox.c


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message, as it was when it was read or leased."""

    message: int
    topic: str
    key: str
    lane: str | None
    payload: Mapping[str, Any]
    seq: int | None
    """The entry that caused it."""
    state: str
    """pending, leased, delivered or refused."""
    attempts: int
    fence: int
    worker: str | None
    due: datetime
    created: datetime
    finished: datetime | None
    error: str | None
    """Of the latest attempt that failed."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt to deliver a message."""

    message: int
    attempt: int
    time: datetime
    worker: str
    delivered: bool
    detail: str | None


def find_messages(
    reader: Reader,
    *,
    states: tuple[str, ...] = (),
    topics: tuple[str, ...] = (),
    before: int | None = None,
    limit: int = PAGE,
) -> tuple[Message, ...]:
    """Messages, newest first; ``before``: the number of the last one of the page before."""
    asked = select(outbox)
    if states:
        asked = asked.where(_TABLE.state.in_(states))
    if topics:
        asked = asked.where(_TABLE.topic.in_(topics))
    if before is not None:
        asked = asked.where(_TABLE.message < before)
    rows = reader.connection.execute(asked.order_by(_TABLE.message.desc()).limit(limit)).mappings()
    return tuple(message_record(row) for row in rows)


def pending_counts(reader: Reader) -> dict[str, int]:
    """topic -> messages that were not delivered yet."""
    waiting = _TABLE.state.in_(("pending", "leased"))
    asked = select(_TABLE.topic, func.count()).where(waiting).group_by(_TABLE.topic)
    return {row[0]: row[1] for row in reader.connection.execute(asked)}


def attempts(reader: Reader, message: int) -> tuple[Attempt, ...]:
    """The log of a message's deliveries, oldest first."""
    table = outbox_attempts.c
    asked = select(outbox_attempts).where(table.message == message).order_by(table.attempt)
    return tuple(
        Attempt(
            message=row.message,
            attempt=row.attempt,
            time=parse_time(row.time),
            worker=row.worker,
            delivered=bool(row.delivered),
            detail=row.detail,
        )
        for row in reader.connection.execute(asked)
    )


def message_record(row: Mapping[Any, Any]) -> Message:
    """The record of a row."""
    fields = {name: row[name] for name in Message.__dataclass_fields__}
    fields |= {name: parse_time(row[name]) for name in ("due", "created", "finished") if row[name]}
    return Message(**{**fields, "payload": json.loads(row["payload"])})
