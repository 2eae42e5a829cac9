"""Reading rows as they lie there, batch by batch, believed in nothing: any column may hold anything."""

import json
from collections.abc import Iterator

from sqlalchemy import Column, ColumnElement, LargeBinary, cast, select

from adapters_core.ledger.tables import checkpoints, entries
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.verification.signed import StoredCheckpoint
from adapters_core.ledger.verification.walk import StoredEntry

BATCH = 2_000
NO_PLACE = -1
"""Of a row whose place is no number."""


def stored_entries(reader: Reader, *, since: int | None = None) -> Iterator[list[StoredEntry]]:
    """All rows of the chain by place, from ``since`` on; None for really all, negative places too."""
    table = entries.c
    texts = (_raw(reader, column) for column in (table.prev_hash, table.leaf_hash, table.body))
    asked = select(table.seq, *texts, cast(table.nodes, LargeBinary).label("nodes")).order_by(table.seq)
    if since is not None:
        asked = asked.where(table.seq >= since)
    rows = reader.connection.execute(asked, execution_options={"yield_per": BATCH})
    for batch in rows.partitions():
        yield [
            StoredEntry(
                seq=row.seq if isinstance(row.seq, int) else NO_PLACE,
                prev_hash=_text(row.prev_hash),
                leaf_hash=_text(row.leaf_hash),
                nodes=bytes(row.nodes or b""),
                body=_text(row.body),
            )
            for row in batch
        ]


def stored_checkpoints(reader: Reader, *, since: int = 0) -> Iterator[StoredCheckpoint]:
    """All checkpoints by size, from ``since`` on."""
    table = checkpoints.c
    texts = (_raw(reader, column) for column in (table.time, table.root_hash, table.key_id, table.envelope))
    asked = select(table.size, *texts).where(table.size >= since).order_by(table.size)
    for row in reader.connection.execute(asked):
        yield StoredCheckpoint(
            size=row.size,
            time=_text(row.time),
            root_hash=_text(row.root_hash),
            key_id=_text(row.key_id),
            envelope=_json(_text(row.envelope)),
        )


def _raw(reader: Reader, column: Column[str]) -> ColumnElement[str] | ColumnElement[bytes]:
    """A column of text; on SQLite, which lets a text hold any bytes, as these bytes."""
    if reader.connection.dialect.name == "sqlite":
        return cast(column, LargeBinary).label(column.name)
    return column


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _json(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
