"""The outbox: side effects that leave with the entry, and are delivered at least once.

A message is written in the transaction of the entry that causes it, so it exists exactly when the entry does. A worker
leases it, does it, and marks it; while the other side is down it is tried again and again, with growing pauses and
without end. Its key makes a second delivery harmless. Messages of one lane are delivered in their order.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.orm import aliased

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import LeaseLostError
from adapters_core.ledger.outbox_queries import Message, message_record
from adapters_core.ledger.records import time_text
from adapters_core.ledger.statements import insert_unless_there
from adapters_core.ledger.transactions import Writer
from adapters_core.ledger.work_tables import outbox, outbox_attempts

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0
_TABLE = outbox.c
_WAITING = ("pending", "leased")


def send(
    writer: Writer, *, topic: str, key: str, payload: Mapping[str, Any], lane: str | None = None, seq: int | None = None
) -> bool:
    """Put a message into the outbox, unless there is one of this topic and key.

    Args:
        writer: the open write transaction.
        topic: what kind of delivery it is.
        key: the same key is delivered as one message: hand it to the other side as its idempotency key.
        payload: plain JSON.
        lane: messages of one lane wait for each other, in order; None for no waiting.
        seq: the entry that causes it.

    Returns:
        Whether it is new.
    """
    now = time_text(writer.now)
    row = {
        "topic": topic,
        "key": key,
        "lane": lane,
        "payload": canonical_bytes(dict(payload)).decode(),
        "seq": seq,
        "state": "pending",
        "attempts": 0,
        "fence": 0,
        "due": now,
        "created": now,
    }
    return insert_unless_there(writer.connection, outbox, row)


def lease_messages(
    writer: Writer, *, worker: str, topics: tuple[str, ...], limit: int = 10, seconds: float = 60.0
) -> tuple[Message, ...]:
    """Take the messages that are due, oldest first, at most one of each lane."""
    earlier = aliased(outbox)
    behind = (
        select(earlier.c.message)
        .where(earlier.c.lane == _TABLE.lane, earlier.c.state.in_(_WAITING), earlier.c.message < _TABLE.message)
        .exists()
    )
    ready = and_(_TABLE.state.in_(_WAITING), _TABLE.due <= time_text(writer.now), _TABLE.topic.in_(topics))
    asked = select(outbox).where(ready, ~behind).order_by(_TABLE.message).limit(limit)
    taken = []
    for row in writer.connection.execute(asked).mappings().all():
        leased = {
            "state": "leased",
            "worker": worker,
            "attempts": row["attempts"] + 1,
            "fence": row["fence"] + 1,
            "due": time_text(writer.now + timedelta(seconds=seconds)),
        }
        writer.connection.execute(update(outbox).where(_TABLE.message == row["message"]).values(leased))
        taken.append(message_record({**row, **leased}))
    return tuple(taken)


def delivered(writer: Writer, leased: Message, *, detail: str | None = None) -> None:
    """Mark a message as delivered.

    Raises:
        LeaseLostError: the lease ran out and another worker has taken it.
    """
    _end(writer, leased, {"state": "delivered", "finished": time_text(writer.now), "error": None}, detail, done=True)


def failed(writer: Writer, leased: Message, *, error: str) -> None:
    """Give a message back after a failure: tried again after 1, 2, 4 ... at most 300 seconds.

    Raises:
        LeaseLostError: the lease ran out and another worker has taken it.
    """
    pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(leased.attempts - 1, 30), LONGEST_PAUSE_SECONDS)
    again = {"state": "pending", "due": time_text(writer.now + timedelta(seconds=pause)), "error": error[:10_000]}
    _end(writer, leased, again, error, done=False)


def given_up(writer: Writer, leased: Message, *, error: str) -> None:
    """Mark a message as refused for good by the other side: it is not tried again, and its lane goes on.

    Raises:
        LeaseLostError: the lease ran out and another worker has taken it.
    """
    ended = {"state": "refused", "finished": time_text(writer.now), "error": error[:10_000]}
    _end(writer, leased, ended, error, done=False)


def retry_now(writer: Writer, topics: tuple[str, ...]) -> int:
    """Make all waiting messages of some topics due at once: the other side is back. Answers how many."""
    waiting = and_(_TABLE.state == "pending", _TABLE.topic.in_(topics))
    count = writer.connection.execute(select(func.count()).select_from(outbox).where(waiting)).scalar_one()
    writer.connection.execute(update(outbox).where(waiting).values(due=time_text(writer.now)))
    return int(count)


def _end(writer: Writer, leased: Message, row: Mapping[str, Any], detail: str | None, *, done: bool) -> None:
    held = select(_TABLE.state, _TABLE.fence).where(_TABLE.message == leased.message)
    stored = writer.connection.execute(held).first()
    if stored is None or stored.state != "leased" or stored.fence != leased.fence:
        raise LeaseLostError(f"message {leased.message} is not leased to this worker any more")
    writer.connection.execute(update(outbox).where(_TABLE.message == leased.message).values(**row, worker=None))
    attempt = {
        "message": leased.message,
        "attempt": leased.attempts,
        "time": time_text(writer.now),
        "worker": leased.worker or "",
        "delivered": int(done),
        "detail": detail[:10_000] if detail else None,
    }
    writer.connection.execute(insert(outbox_attempts).values(attempt))
