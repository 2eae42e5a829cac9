"""Inserting rows in as little time as the databases allow: it is spent under the one write lock of the ledger."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Executable, Table, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg

from adapters_core.ledger.transactions import Writer

_DIALECTS = {"sqlite": sqlite.dialect, "postgresql": psycopg.dialect}


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that name the same columns, in text, numbers and bytes: what either driver takes as it is.

    The statement goes to the driver as it was once written down. Doing so anew costs more than the database does.
    """
    text, names = _written(table, tuple(rows[0]), connection.dialect.name)
    values = [tuple(row[name] for name in names) if names else dict(row) for row in rows]
    connection.exec_driver_sql(text, values[0] if len(values) == 1 else values)


@cache
def _written(table: Table, columns: tuple[str, ...], dialect: str) -> tuple[str, tuple[str, ...]]:
    """An insertion in the words of a driver, and the columns in the order of its places; none where it names them."""
    compiled = insert(table).compile(dialect=_DIALECTS[dialect](), column_keys=list(columns))
    return str(compiled), tuple(compiled.positiontup or ())


def insert_unless_there(writer: Writer, column: Column[Any], row: Mapping[str, Any]) -> Any:  # noqa: ANN401  # of the column's type
    """Insert a row; answers its value in ``column``, None where a row with one of its keys is there and is kept."""
    return writer.connection.execute(_statement(column, writer.connection.dialect.name), dict(row)).scalar()


@cache
def _statement(column: Column[Any], dialect: str) -> Executable:
    table = column.table
    if not isinstance(table, Table):
        raise TypeError(f"a column of a table is wanted, got one of {table!r}")
    inserting = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return inserting(table).on_conflict_do_nothing().returning(column)
