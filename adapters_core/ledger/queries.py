"""Reading entries: by place, subject, reference, event, actor and time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger.index_tables import index_entries, index_refs
from adapters_core.ledger.records import Entry, Subject, entry_from, time_text
from adapters_core.ledger.tables import entries
from adapters_core.ledger.transactions import Reader

PAGE = 50
BATCH = 1_000
BEYOND = 2**62
"""More than any ledger has entries."""


@dataclass(frozen=True, kw_only=True)
class EntryFilter:
    """Which entries are wanted: every condition that is given must hold."""

    subject: Subject | None = None
    """About this subject."""
    about: Subject | None = None
    """About this subject, or referring to it."""
    kind: str | None = None
    events: tuple[str, ...] = ()
    actor: str | None = None
    since: datetime | None = None
    """At this time or later."""
    until: datetime | None = None
    """Before this time."""


ALL_ENTRIES = EntryFilter()


def size(reader: Reader) -> int:
    """How many entries the ledger holds."""
    last = reader.connection.execute(select(func.max(entries.c.seq))).scalar()
    return 0 if last is None else int(last) + 1


def entry(reader: Reader, seq: int) -> Entry:
    """One entry by its place.

    Raises:
        UnknownSubjectError: there is none.
    """
    if 0 <= seq < BEYOND and (found := entries_at(reader, [seq])):
        return found[0]
    raise UnknownSubjectError(f"the ledger has no entry {seq}")


def entries_at(reader: Reader, seqs: Sequence[int]) -> tuple[Entry, ...]:
    """The entries with these numbers, in the order as given; a number without an entry is left out."""
    found: dict[int, Entry] = {}
    for start in range(0, len(seqs), 500):
        part = seqs[start : start + 500]
        rows = reader.connection.execute(select(entries).where(entries.c.seq.in_(part)))
        found |= {row.seq: entry_from(row.body, row.leaf_hash) for row in rows}
    return tuple(found[seq] for seq in seqs if seq in found)


def chain_entries(reader: Reader, *, since: int = 0) -> Iterator[Entry]:
    """All entries from a place on, oldest first, read from the chain itself and not through an index."""
    while True:
        asked = select(entries).where(entries.c.seq >= since).order_by(entries.c.seq).limit(BATCH)
        rows = reader.connection.execute(asked).all()
        if not rows:
            return
        yield from (entry_from(row.body, row.leaf_hash) for row in rows)
        since = rows[-1].seq + 1


def history(reader: Reader, subject: Subject) -> tuple[Entry, ...]:
    """All entries about a subject, oldest first."""
    wanted = select(index_entries.c.seq).where(
        index_entries.c.kind == subject.kind, index_entries.c.subject == subject.id
    )
    return entries_at(reader, reader.connection.execute(wanted.order_by(index_entries.c.seq)).scalars().all())


def history_about(reader: Reader, subject: Subject) -> tuple[Entry, ...]:
    """All entries about a subject or referring to it, oldest first."""
    return find_entries(reader, EntryFilter(about=subject), limit=None)[::-1]


def find_entries(
    reader: Reader, wanted: EntryFilter = ALL_ENTRIES, *, before: int | None = None, limit: int | None = PAGE
) -> tuple[Entry, ...]:
    """Entries that meet a filter, newest first.

    Args:
        reader: the snapshot.
        wanted: the filter.
        before: only entries with a smaller seq: the last seq of the page before.
        limit: how many at most; None for all.
    """
    asked = _where(select(index_entries.c.seq), wanted)
    if before is not None:
        asked = asked.where(index_entries.c.seq < before)
    asked = asked.order_by(index_entries.c.seq.desc())
    return entries_at(reader, reader.connection.execute(asked.limit(limit) if limit else asked).scalars().all())


def _where(asked: Select[Any], wanted: EntryFilter) -> Select[Any]:
    table = index_entries.c
    if wanted.subject:
        asked = asked.where(table.kind == wanted.subject.kind, table.subject == wanted.subject.id)
    if wanted.about:
        own = select(table.seq).where(table.kind == wanted.about.kind, table.subject == wanted.about.id)
        refs = select(index_refs.c.seq).where(
            index_refs.c.kind == wanted.about.kind, index_refs.c.ref == wanted.about.id
        )
        asked = asked.where(table.seq.in_(own.union(refs)))
    if wanted.kind:
        asked = asked.where(table.kind == wanted.kind)
    if wanted.events:
        asked = asked.where(table.event.in_(wanted.events))
    if wanted.actor:
        asked = asked.where(table.actor == wanted.actor)
    # Time never goes back along the chain: bounds in time are bounds in seq, and the page is read in its own order.
    if wanted.since:
        asked = asked.where(table.seq >= _first_at(wanted.since))
    if wanted.until:
        asked = asked.where(table.seq < _first_at(wanted.until))
    return asked


def _first_at(moment: datetime) -> Any:  # noqa: ANN401  # an SQL expression
    """The first entry at a moment or later; beyond the last one where there is none."""
    table = index_entries.alias("bound").c
    first = select(table.seq).where(table.time >= time_text(moment)).order_by(table.time, table.seq).limit(1)
    return func.coalesce(first.scalar_subquery(), BEYOND)
