"""The statements that every entry needs, in as little time as the databases allow: it is spent under the write lock.

SQLAlchemy writes each of them down once, in the words of the driver. From then on the driver gets the words as they
are, with text, numbers and bytes, which either driver takes and gives as they are: to have SQLAlchemy go through it
each time costs several times what the database does. Events of SQLAlchemy do not see these statements.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, Select, Table, and_, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement, ColumnElement

Values = Mapping[str, Any]
"""Name -> value; the names of columns, unless a statement names its places otherwise."""
Key = tuple[Any, ...]
"""The primary key of a row."""

_KEY = "key_"
"""Before the names of key values, which an update may not confuse with the columns that it sets."""
_DIALECTS: Mapping[str, Dialect] = {
    "sqlite": sqlite.dialect(),
    "postgresql": psycopg.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]  # places in order, as SQLite has them
}


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A statement in the words of a driver."""

    text: str
    places: tuple[str, ...]
    """The names of its values in the order of its places."""
    asked: frozenset[str]
    """The names of the values that whoever runs it must give."""
    given: Values
    """Values that the statement itself holds, such as a limit."""

    def ordered(self, values: Values) -> tuple[Any, ...]:
        """Values by name, in the order of the places."""
        return tuple([values[name] for name in self.places])


def execute(connection: Connection, text: str) -> None:
    """Have the driver run a statement without values."""
    _execute(connection, text, ())


def answer(connection: Connection, text: str) -> tuple[Any, ...]:
    """The one row that the driver answers a statement without values with, outside any transaction of SQLAlchemy's."""
    found: tuple[Any, ...] = _execute(connection, text, ()).fetchone()
    return found


def query(connection: Connection, statement: Select[Any], **values: Any) -> list[Any]:  # noqa: ANN401  # any column's
    """The rows of a statement that is kept, as one of a module: as tuples, in the order of its columns.

    Raises:
        TypeError: the statement asks for other values than these.
    """
    written = _query(statement, connection.dialect.name)
    if written.asked != values.keys():
        raise TypeError(f"the values {sorted(written.asked)} are asked for, got {sorted(values)}")
    found: list[Any] = _run(connection, written, {**written.given, **values}).fetchall()
    return found


def row_at(connection: Connection, table: Table, key: Key) -> dict[str, Any] | None:
    """The row with a primary key, by the names of its columns; None where there is none."""
    written = _row(table, connection.dialect.name)
    row = _run(connection, written, _named(table, key)).fetchone()
    return None if row is None else dict(zip(table.columns.keys(), row, strict=True))


def insert_rows(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows that name the same columns."""
    written = _insertion(table, tuple(rows[0]), connection.dialect.name)
    if len(rows) == 1:
        _run(connection, written, rows[0])
    else:
        _execute(connection, written.text, [written.ordered(row) for row in rows], many=True)


def insert_unless_there(connection: Connection, table: Table, row: Values) -> bool:
    """Insert a row; answers whether it is new: a row with one of its keys that is there is kept."""
    made: int = _run(connection, _insertion_unless_there(table, tuple(row), connection.dialect.name), row).rowcount
    return made == 1


def update_row(connection: Connection, table: Table, key: Key, changed: Values) -> None:
    """Change some columns of the row with a primary key."""
    _run(connection, _change(table, tuple(changed), connection.dialect.name), {**changed, **_named(table, key)})


def delete_row(connection: Connection, table: Table, key: Key) -> None:
    """Remove the row with a primary key."""
    _run(connection, _removal(table, connection.dialect.name), _named(table, key))


def _run(connection: Connection, written: _Written, values: Values) -> Any:  # noqa: ANN401  # the driver's cursor
    return _execute(connection, written.text, written.ordered(values))


def _execute(connection: Connection, text: str, given: Sequence[Any], *, many: bool = False) -> Any:  # noqa: ANN401  # the driver's cursor
    base = connection.dialect.loaded_dbapi.Error
    driver, cursor = connection.connection, None
    try:
        cursor = driver.cursor()
        if many:
            cursor.executemany(text, given)
        else:
            cursor.execute(text, given)
    except base as error:
        lost = connection.dialect.is_disconnect(error, driver, cursor)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            text, given, error, base, connection_invalidated=lost, dialect=connection.dialect
        ) from error
    return cursor


@cache
def _query(statement: Select[Any], dialect: str) -> _Written:
    return _written(statement, dialect)


@cache
def _row(table: Table, dialect: str) -> _Written:
    return _written(select(table).where(_is(table)), dialect)


@cache
def _insertion(table: Table, columns: tuple[str, ...], dialect: str) -> _Written:
    return _written(insert(table).inline(), dialect, columns)


@cache
def _insertion_unless_there(table: Table, columns: tuple[str, ...], dialect: str) -> _Written:
    inserting = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return _written(inserting(table).on_conflict_do_nothing().inline(), dialect, columns)


@cache
def _change(table: Table, columns: tuple[str, ...], dialect: str) -> _Written:
    return _written(update(table).where(_is(table)), dialect, columns)


@cache
def _removal(table: Table, dialect: str) -> _Written:
    return _written(delete(table).where(_is(table)), dialect)


def _written(statement: ClauseElement, dialect: str, columns: Sequence[str] | None = None) -> _Written:
    compiled = statement.compile(dialect=_DIALECTS[dialect], column_keys=columns)
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"a statement with places for values is wanted, got {statement!r}")
    asked = frozenset(name for name, bound in compiled.binds.items() if bound.required)
    given = {name: value for name, value in compiled.params.items() if name not in asked}
    return _Written(text=str(compiled), places=tuple(compiled.positiontup or ()), asked=asked, given=given)


def _is(table: Table) -> ColumnElement[bool]:
    return and_(*(column == bindparam(f"{_KEY}{column.name}") for column in table.primary_key.columns))


def _named(table: Table, key: Key) -> dict[str, Any]:
    """The values that :func:`_is` asks for."""
    return dict(zip(_key_names(table), key, strict=True))


@cache
def _key_names(table: Table) -> tuple[str, ...]:
    return tuple(f"{_KEY}{column.name}" for column in table.primary_key.columns)
