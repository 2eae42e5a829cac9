"""Every statement that SQLite runs on the connections of a ledger, sent by SQLAlchemy or past it."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from sqlite3 import Connection, connect
from typing import Any

from sqlalchemy import Engine, event

_VALUES = re.compile(r"[xX]?'(?:[^']|'')*'|\bNULL\b|(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_INSERT = re.compile(r"INSERT INTO (\w+)")
_INSERTED = "CREATE TRIGGER % BEFORE INSERT ON %"
_TRIGGERS = "SELECT tbl_name, count(*) FROM sqlite_master WHERE sql LIKE ? GROUP BY 1"


@contextmanager
def traced(engine: Engine, hear: Callable[[Connection, str], None]) -> Iterator[None]:
    """Call ``hear`` with the driver's connection and the text of each statement before it runs.

    ``COMMIT`` and ``ROLLBACK`` are among them. Values are written as ``?``. What ``hear`` raises is raised at the end.
    """
    with closing(connect(str(engine.url.database))) as db:
        triggers: dict[str, int] = dict(db.execute(_TRIGGERS, (_INSERTED,)))
    repeats: dict[Connection, int] = {}
    raised: list[Exception] = []

    def statement(connection: Connection, text: str) -> None:
        if repeats.get(connection, 0):  # SQLite tells of it anew for each of its triggers, and for what these select
            repeats[connection] -= 1
            return
        inserting = _INSERT.match(text)
        repeats[connection] = 2 * triggers.get(inserting.group(1), 0) if inserting else 0
        try:
            hear(connection, _VALUES.sub("?", text))
        except Exception as error:  # noqa: BLE001  # the driver would swallow it
            raised.append(error)

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
    if raised:
        raise raised[0]
