"""The search indexes in the database: read and written for each entry."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    select,
    update,
)

from adapters_core.ledger.index_tables import index_entries, index_refs
from adapters_core.ledger.inserting import insert_rows
from adapters_core.ledger.projection.changes import Changes, Key, Row
from adapters_core.ledger.projection.project import project
from adapters_core.ledger.records import Entry, Subject, time_text
from adapters_core.ledger.transactions import Writer

_KEY = "key_"
"""Before the names of key values, which an update may not confuse with the columns that it sets."""


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


def _load(connection: Connection, table: Table, key: Key) -> Row | None:
    row = connection.execute(_select(table), _named(table, key)).mappings().first()
    return dict(row) if row is not None else None


def _store(connection: Connection, table: Table, key: Key, before: Row | None, after: Row | None) -> None:
    if after is None:
        connection.execute(_delete(table), _named(table, key))
    elif before is None:
        insert_rows(connection, table, [after])
    else:
        connection.execute(_update(table), {**_changed(before, after), **_named(table, key)})


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if before.get(name) != value}


# Statements are built once: building them costs more than running them.
@cache
def _select(table: Table) -> Select[Any]:
    return select(table).where(_is(table))


@cache
def _delete(table: Table) -> Delete:
    return delete(table).where(_is(table))


@cache
def _update(table: Table) -> Update:
    return update(table).where(_is(table))


def _is(table: Table) -> ColumnElement[bool]:
    return and_(*(column == bindparam(f"{_KEY}{column.name}") for column in table.primary_key.columns))


def _named(table: Table, key: Key) -> dict[str, Any]:
    """The values that :func:`_is` asks for."""
    names = (f"{_KEY}{column.name}" for column in table.primary_key.columns)
    return dict(zip(names, key, strict=True))
