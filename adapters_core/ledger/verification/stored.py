"""Reading rows as they lie there, batch by batch, believed in nothing."""

import json
from collections.abc import Iterator

from sqlalchemy import select

from adapters_core.ledger.tables import checkpoints, entries
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.verification.signed import StoredCheckpoint
from adapters_core.ledger.verification.walk import StoredEntry

BATCH = 2_000


def stored_entries(reader: Reader, *, since: int | None = None) -> Iterator[list[StoredEntry]]:
    """All rows of the chain by place, from ``since`` on; None for really all, negative places too."""
    table = entries.c
    last = None if since is None else since - 1
    while True:
        asked = select(table.seq, table.prev_hash, table.leaf_hash, table.nodes, table.body).order_by(table.seq)
        if last is not None:
            asked = asked.where(table.seq > last)
        rows = reader.connection.execute(asked.limit(BATCH)).all()
        if not rows:
            return
        yield [
            StoredEntry(
                seq=row.seq,
                prev_hash=str(row.prev_hash),
                leaf_hash=str(row.leaf_hash),
                nodes=bytes(row.nodes),
                body=row.body if isinstance(row.body, str) else bytes(row.body).decode("utf-8", "replace"),
            )
            for row in rows
        ]
        last = rows[-1].seq


def stored_checkpoints(reader: Reader, *, since: int = 0) -> Iterator[StoredCheckpoint]:
    """All checkpoints by size, from ``since`` on."""
    asked = select(checkpoints).where(checkpoints.c.size >= since).order_by(checkpoints.c.size)
    for row in reader.connection.execute(asked):
        yield StoredCheckpoint(
            size=row.size, time=row.time, root_hash=row.root_hash, key_id=row.key_id, envelope=_json(row.envelope)
        )


def _json(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
