"""The search indexes in the database: read and written for each entry."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, insert, select, update

from adapters_core.ledger.index_tables import index_entries, index_refs
from adapters_core.ledger.projection.changes import Changes, Key, Row
from adapters_core.ledger.projection.project import project
from adapters_core.ledger.records import Entry, Subject, time_text
from adapters_core.ledger.transactions import Writer


def index_entry(writer: Writer, entry: Entry) -> None:
    """Write the rows by which an entry, and what it changed, are found.

    Raises:
        IllegalTransitionError: the entry cannot happen now; nothing was written.
        EntryError: its data are not what the indexes need; nothing was written.
    """
    connection = writer.connection
    changes = Changes(load=lambda table, key: _load(connection, table, key))
    found_by = project(changes, entry)
    for table, key, before, after in changes.made():
        _store(connection, table, key, before, after)
    connection.execute(insert(index_entries).values(entry_row(entry)))
    if refs := ref_rows(entry, found_by):
        connection.execute(insert(index_refs), refs)


def entry_row(entry: Entry) -> dict[str, Any]:
    """The row of ``index_entries``."""
    return {
        "seq": entry.seq,
        "time": time_text(entry.time),
        "event": entry.event,
        "kind": entry.subject.kind,
        "subject": entry.subject.id,
        "actor": entry.actor.id,
    }


def ref_rows(entry: Entry, found_by: Iterable[Subject]) -> list[dict[str, Any]]:
    """The rows of ``index_refs``."""
    return [{"kind": ref.kind, "ref": ref.id, "seq": entry.seq} for ref in found_by]


def _load(connection: Connection, table: Table, key: Key) -> Row | None:
    row = connection.execute(select(table).where(_is(table, key))).mappings().first()
    return dict(row) if row is not None else None


def _store(connection: Connection, table: Table, key: Key, before: Row | None, after: Row | None) -> None:
    if after is None:
        connection.execute(delete(table).where(_is(table, key)))
    elif before is None:
        connection.execute(insert(table).values(dict(after)))
    else:
        connection.execute(update(table).where(_is(table, key)).values(_changed(before, after)))


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if before.get(name) != value}


def _is(table: Table, key: Key) -> Any:  # noqa: ANN401  # an SQL condition
    return and_(*(column == value for column, value in zip(table.primary_key.columns, key, strict=True)))
