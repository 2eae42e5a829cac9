"""Every statement that SQLite runs on the connections of a ledger, sent by SQLAlchemy or past it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from sqlite3 import Connection
from typing import Any

from sqlalchemy import Engine, event

_VALUES = re.compile(r"[xX]?'(?:[^']|'')*'|(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")


_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


@contextmanager
def traced(engine: Engine, hear: Callable[[Connection, str], None]) -> Iterator[None]:
    """Call ``hear`` with the driver's connection and the text of each statement before it runs.

    ``COMMIT`` and ``ROLLBACK`` are among them. Values are written as ``?``.
    """
    writing: dict[Connection, str] = {}

    def statement(connection: Connection, text: str) -> None:
        if writing.get(connection) == text:  # a trigger of it
            return
        writing[connection] = text if text.startswith(_WRITES) else ""
        hear(connection, _VALUES.sub("?", text))

    def taken(connection: Any, *_: object) -> None:
        connection.set_trace_callback(partial(statement, connection))

    def given_back(connection: Any, *_: object) -> None:
        connection.set_trace_callback(None)

    event.listen(engine, "checkout", taken)
    event.listen(engine, "checkin", given_back)
    try:
        yield
    finally:
        event.remove(engine, "checkout", taken)
        event.remove(engine, "checkin", given_back)
