"""The search indexes in the database: read and written for each entry."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table

from adapters_core.ledger.index_tables import index_entries, index_refs
from adapters_core.ledger.projection.changes import Changes, Row
from adapters_core.ledger.projection.project import project
from adapters_core.ledger.records import Entry, Subject, time_text
from adapters_core.ledger.statements import Key, delete_row, insert_rows, row_at, update_row
from adapters_core.ledger.transactions import Writer


def index_entry(writer: Writer, entry: Entry) -> None:
    """Write the rows by which an entry, and what it changed, are found.

    Raises:
        IllegalTransitionError: the entry cannot happen now; nothing was written.
        EntryError: its data are not what the indexes need; nothing was written.
    """
    connection = writer.connection
    changes = Changes(load=lambda table, key: row_at(connection, table, key))
    found_by = project(changes, entry)
    for table, key, before, after in changes.made():
        _store(connection, table, key, before, after)
    insert_rows(connection, index_entries, [entry_row(entry)])
    if refs := ref_rows(entry, found_by):
        insert_rows(connection, index_refs, refs)


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


def _store(connection: Connection, table: Table, key: Key, before: Row | None, after: Row | None) -> None:
    if after is None:
        delete_row(connection, table, key)
    elif before is None:
        insert_rows(connection, table, [after])
    else:
        update_row(connection, table, key, {name: new for name, new in after.items() if before.get(name) != new})
