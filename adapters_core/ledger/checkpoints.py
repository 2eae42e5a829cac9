"""Signed checkpoints: tree size, root, head and time, each naming the checkpoint before it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from adapters_core.canonical import canonical_bytes, sha256_hex
from adapters_core.errors import InputError, IntegrityError
from adapters_core.ledger.chain import Frontier, Place
from adapters_core.ledger.events import EVENTS
from adapters_core.ledger.records import parse_time, time_text
from adapters_core.ledger.signing import CHECKPOINT_TYPE, SigningKey
from adapters_core.ledger.tables import checkpoints, entries
from adapters_core.ledger.transactions import Reader, Writer
from adapters_core.ledger.tree import frontier_at

_NEWEST_SIZE = select(func.max(checkpoints.c.size))
_NODES = select(entries.c.seq, entries.c.leaf_hash, entries.c.nodes).where(
    entries.c.seq.in_(bindparam("seqs", expanding=True))
)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a signed checkpoint says."""

    size: int
    """Entries that it covers: seq 0 to size - 1."""
    root_hash: str
    time: datetime
    key_id: str
    envelope: Mapping[str, Any]
    """DSSE, as JSON: what leaves the machine and is verified."""


def stored_nodes(reader: Reader, wanted: Iterable[Place]) -> dict[Place, bytes]:
    """Roots of complete subtrees, read from the rows that hold them.

    Raises:
        IntegrityError: a row is missing or does not hold its subtrees.
    """
    asked = tuple(wanted)
    rows = reader.connection.execute(_NODES, {"seqs": sorted({place.seq for place in asked})})
    found = {row.seq: (bytes.fromhex(row.leaf_hash), bytes(row.nodes)) for row in rows}
    if missing := sorted({place.seq for place in asked} - set(found)):
        raise IntegrityError(f"the ledger must have the entries {missing}")
    return {place: place.pick(*found[place.seq]) for place in asked}


def stored_frontier(reader: Reader, size: int) -> Frontier:
    """The frontier of the first ``size`` entries: at most log2(size) rows are read.

    Raises:
        IntegrityError: a row is missing.
    """
    return frontier_at(lambda wanted: stored_nodes(reader, wanted), size)


def latest_checkpoint(reader: Reader) -> Checkpoint | None:
    """The newest checkpoint, None where none was signed yet. Read as stored, not verified."""
    row = reader.connection.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).first()
    return _checkpoint(row) if row else None


def checkpoint_at(reader: Reader, *, covering: int) -> Checkpoint | None:
    """The oldest checkpoint that covers an entry, None where none does yet."""
    asked = select(checkpoints).where(checkpoints.c.size > covering).order_by(checkpoints.c.size).limit(1)
    row = reader.connection.execute(asked).first()
    return _checkpoint(row) if row else None


def sign_checkpoint(writer: Writer, key: SigningKey) -> Checkpoint:
    """Sign the tree as it is now, this transaction's entries included. Signing the same size again returns the old one.

    Raises:
        InputError: the ledger is empty.
    """
    head = writer.connection.execute(
        select(entries.c.seq, entries.c.leaf_hash).order_by(entries.c.seq.desc()).limit(1)
    ).first()
    if head is None:
        raise InputError("a checkpoint covers at least one entry: append one first")
    size = head.seq + 1
    before = latest_checkpoint(writer)
    if before and before.size == size:
        return before
    frontier = writer.frontiers[-1] if writer.frontiers else stored_frontier(writer, size)
    root = frontier.root().hex()
    moment = max(writer.now, before.time) if before else writer.now
    statement = {
        "v": 1,
        "ledger": _origin(writer),
        "size": size,
        "root_hash": root,
        "head": head.leaf_hash,
        "time": time_text(moment),
        "previous": envelope_digest(before.envelope) if before else None,
    }
    envelope = key.sign(statement, CHECKPOINT_TYPE)
    row = {
        "size": size,
        "time": time_text(moment),
        "root_hash": root,
        "key_id": key.public.key_id,
        "envelope": canonical_bytes(envelope).decode(),
    }
    writer.connection.execute(insert(checkpoints).values(row))
    return Checkpoint(size=size, root_hash=root, time=moment, key_id=key.public.key_id, envelope=envelope)


def checkpoint_if_due(writer: Writer, key: SigningKey, *, every: int) -> int:
    """Sign when an entry of this transaction asks for it, or when ``every`` entries have gathered.

    Returns:
        The number of entries that a checkpoint covers at least; 0 where nothing was appended.
    """
    if not writer.appended:
        return 0
    size = writer.appended[-1].seq + 1
    if any(EVENTS[entry.event].sealed for entry in writer.appended):
        return sign_checkpoint(writer, key).size
    known = writer.confirmed()
    if known and size - known.covered < every:  # others may have signed since: then it is due even later
        return known.covered
    covered: int = writer.connection.execute(_NEWEST_SIZE).scalar() or 0
    return covered if size - covered < every else sign_checkpoint(writer, key).size


def envelope_digest(envelope: Mapping[str, Any]) -> str:
    """SHA-256 of an envelope's canonical JSON: how the next checkpoint names it."""
    return sha256_hex(canonical_bytes(envelope))


def _origin(reader: Reader) -> str:
    """The ledger's own name: the leaf hash of its first entry."""
    return str(reader.connection.execute(select(entries.c.leaf_hash).where(entries.c.seq == 0)).scalar_one())


def _checkpoint(row: Any) -> Checkpoint:  # noqa: ANN401  # a database row
    return Checkpoint(
        size=row.size,
        root_hash=row.root_hash,
        time=parse_time(row.time),
        key_id=row.key_id,
        envelope=json.loads(row.envelope),
    )
