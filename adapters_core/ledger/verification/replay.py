"""The indexes as they follow from the entries alone, made in memory: to compare with, or to put in their place."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, delete, insert, select

from adapters_core.errors import IllegalTransitionError, InputError
from adapters_core.ledger import queries
from adapters_core.ledger.approval_tables import INDEXES
from adapters_core.ledger.index import entry_row, ref_rows
from adapters_core.ledger.index_tables import index_entries, index_refs
from adapters_core.ledger.projection.changes import Changes, Row
from adapters_core.ledger.projection.project import project
from adapters_core.ledger.records import Entry
from adapters_core.ledger.statements import Key
from adapters_core.ledger.transactions import Reader, Writer
from adapters_core.ledger.verification.findings import Finding

BATCH = 2_000


class Replay:
    """Applies entry after entry to tables in memory. One running computation, so not frozen."""

    def __init__(self) -> None:
        """Begin before the first entry."""
        self.tables: dict[str, dict[Key, Row]] = {table.name: {} for table in INDEXES}

    def take(self, entry: Entry) -> tuple[list[dict[str, Any]], Finding | None]:
        """Apply an entry; answers its reference rows, and a finding when it could not happen."""
        changes = Changes(load=lambda table, key: self.tables[table.name].get(key))
        try:
            found_by = project(changes, entry)
        except (InputError, KeyError, TypeError, AttributeError, ValueError) as error:
            return ref_rows(entry, entry.refs), _illegal(entry, error)
        for table, key, _, after in changes.made():
            if after is None:
                del self.tables[table.name][key]
            else:
                self.tables[table.name][key] = after
        return ref_rows(entry, found_by), None


class IndexCheck:
    """Compares the stored indexes with the replayed ones. One running computation, so not frozen."""

    def __init__(self, reader: Reader) -> None:
        """Begin before the first entry."""
        self.reader = reader
        self.replay = Replay()
        self.findings: list[Finding] = []

    def take(self, batch: Sequence[Entry]) -> None:
        """Apply the next entries, and compare the rows by which they themselves are found."""
        expected, refs = {}, set()
        for entry in batch:
            rows, finding = self.replay.take(entry)
            self.findings += [finding] if finding else []
            expected[(entry.seq,)] = entry_row(entry)
            refs |= {(row["kind"], row["ref"], row["seq"]) for row in rows}
        first, last = batch[0].seq, batch[-1].seq
        stored = self.reader.connection.execute(select(index_entries).where(index_entries.c.seq.between(first, last)))
        self._compare(index_entries, {(row.seq,): dict(row._mapping) for row in stored}, expected)  # noqa: SLF001
        found = self.reader.connection.execute(select(index_refs).where(index_refs.c.seq.between(first, last)))
        for key in sorted({tuple(row) for row in found} ^ refs):
            self._note(index_refs, key)

    def finish(self, size: int) -> list[Finding]:
        """Compare all other tables, and find rows about entries that there are not."""
        for table in INDEXES:
            if table in (index_entries, index_refs):
                continue
            rows = self.reader.connection.execute(select(table)).mappings()
            keys = [column.name for column in table.primary_key.columns]
            stored = {tuple(row[name] for name in keys): dict(row) for row in rows}
            self._compare(table, stored, self.replay.tables[table.name])
        for table in (index_entries, index_refs):
            beyond = select(table).where((table.c.seq >= size) | (table.c.seq < 0)).limit(100)
            for row in self.reader.connection.execute(beyond).mappings():
                self._note(table, tuple(row[column.name] for column in table.primary_key.columns))
        return self.findings

    def _compare(self, table: Table, stored: dict[Any, Any], expected: dict[Any, Any]) -> None:
        if stored == expected:
            return
        for key in sorted(stored.keys() | expected.keys()):
            if stored.get(key) != expected.get(key):
                self._note(table, key)

    def _note(self, table: Table, key: Key) -> None:
        what = f"{table.name} {'/'.join(str(part) for part in key)}"
        detail = "the search index is not what follows from the entries: rebuild it, and ask who changed it"
        self.findings.append(Finding(level="indexes", code="index_differs", what=what, detail=detail))


def rebuild_indexes(writer: Writer) -> int:
    """Put indexes made anew from the entries in the place of the stored ones; answers how many entries there were.

    Raises:
        IllegalTransitionError: an entry could not happen: verify the ledger.
    """
    for table in INDEXES:
        writer.connection.execute(delete(table))
    replay, count = Replay(), 0
    own: list[dict[str, Any]] = []
    refs: list[dict[str, Any]] = []
    for entry in queries.chain_entries(writer):
        rows, finding = replay.take(entry)
        if finding:
            raise IllegalTransitionError(f"{finding.what}: {finding.detail}")
        own.append(entry_row(entry))
        refs += rows
        count += 1
        if len(own) >= BATCH:
            _insert(writer, index_entries, own)
            _insert(writer, index_refs, refs)
            own, refs = [], []
    _insert(writer, index_entries, own)
    _insert(writer, index_refs, refs)
    for table in INDEXES:
        _insert(writer, table, [dict(row) for row in replay.tables[table.name].values()])
    return count


def _insert(writer: Writer, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        writer.connection.execute(insert(table), rows[start : start + BATCH])


def _illegal(entry: Entry, error: Exception) -> Finding:
    what, detail = f"entry {entry.seq}", f"{entry.event} could not happen there: {error}"
    return Finding(level="indexes", code="illegal_entry", what=what, detail=detail, seq=entry.seq)
