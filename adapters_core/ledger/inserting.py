"""Inserting a row that may be there already: one statement on either database."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Column, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

from adapters_core.ledger.transactions import Writer


def insert_unless_there(writer: Writer, column: Column[Any], row: Mapping[str, Any]) -> Any:  # noqa: ANN401  # of the column's type
    """Insert a row; answers its value in ``column``, None where a row with one of its keys is there and is kept."""
    return writer.connection.execute(_statement(column, writer.connection.dialect.name), dict(row)).scalar()


@cache
def _statement(column: Column[Any], dialect: str) -> Executable:
    table = column.table
    if not isinstance(table, Table):
        raise TypeError(f"a column of a table is wanted, got one of {table!r}")
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(table).on_conflict_do_nothing().returning(column)
