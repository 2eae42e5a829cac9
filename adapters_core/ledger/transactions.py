"""The two kinds of transactions on a ledger, on SQLite and on PostgreSQL.

A reader sees one state of the ledger however long it reads. A writer holds the only write lock from its first moment
(``BEGIN IMMEDIATE`` on SQLite, a transaction-wide advisory lock on PostgreSQL): what it reads is what it decides on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL

from adapters_core.errors import LedgerError
from adapters_core.ledger.chain import Frontier
from adapters_core.ledger.records import Entry
from adapters_core.ledger.statements import execute

WRITES = "ledger_writes"
LOCK = 0x72696E6769  # "ringi": the advisory lock of every writer
BUSY_MILLISECONDS = 30_000
CACHE_KIBIBYTES = 16 * 1024
"""A connection's own: the index that searches go through fits in."""
WRITER_ROLE = "ringi_ledger_writer"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A snapshot of the ledger: queries take it."""

    connection: Connection


@dataclass(frozen=True, kw_only=True)
class Tip:
    """The end of the ledger as a committed transaction of this process left it.

    The hash chain makes it safe to keep: a ledger whose newest leaf hash is this one has the same entries before it, so
    also the same tree, and at least these checkpoints.
    """

    leaf_hash: str
    """Of the last entry."""
    time: str
    """Of the last entry, as it states it."""
    frontier: Frontier
    covered: int
    """Entries that a checkpoint covers, at least."""


@dataclass(frozen=True, kw_only=True)
class Writer(Reader):
    """The one writer of the ledger while its block runs."""

    now: datetime
    """One time for everything that the transaction writes."""
    known: Tip | None = None
    """What this process remembers; others may have written since."""
    appended: list[Entry] = field(default_factory=list)
    """The entries of this transaction so far."""
    frontiers: list[Frontier] = field(default_factory=list)
    """The tree after each of them; the first one before them."""

    def confirmed(self) -> Tip | None:
        """What is remembered, once the first append has found that it still is the end of the ledger."""
        return self.known if self.known and self.frontiers and self.frontiers[0] is self.known.frontier else None


def engine_for(url: str | Path) -> Engine:
    """A SQLAlchemy engine with what the ledger's transactions need.

    Raises:
        LedgerError: the URL names a database that is not supported.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed)
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
    else:
        engine = create_engine(parsed, pool_pre_ping=True)
        event.listen(engine, "connect", _postgres_connect)
    return engine


def _parse(url: str | Path) -> URL:
    parsed = make_url(str(url)) if "://" in str(url) else URL.create("sqlite", database=str(url))
    backend = parsed.get_backend_name()
    if backend == "postgres":  # what many hosts hand out
        parsed = parsed.set(drivername="postgresql")
    elif backend not in {"sqlite", "postgresql"}:
        raise LedgerError(
            f"a ledger lies in SQLite or PostgreSQL, got {backend}: use sqlite:///... or postgresql://..."
        )
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


@contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """A transaction that reads one snapshot, or that holds the write lock from its first moment."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            level = "READ COMMITTED" if writes else "REPEATABLE READ"
            connection.execution_options(isolation_level=level, postgresql_readonly=not writes)
        connection.execution_options(**{WRITES: writes})
        with connection.begin():
            if writes and engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            yield connection


def _sqlite_connect(connection: Any, _: object) -> None:  # noqa: ANN401  # the driver's own
    connection.isolation_level = None  # transactions are ours: the driver would begin deferred ones
    for pragma in (
        f"busy_timeout = {BUSY_MILLISECONDS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        f"cache_size = -{CACHE_KIBIBYTES}",
        "recursive_triggers = ON",
        "secure_delete = ON",  # what the vault erases leaves no bytes behind in the file
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    if connection.info.get(WRITES) is not writes:  # kept by the driver's connection, as its setting is
        execute(connection, f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
        connection.info[WRITES] = writes
    execute(connection, "BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgres_connect(connection: Any, _: object) -> None:  # noqa: ANN401  # the driver's own
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET search_path TO ledger")
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s AND pg_has_role(rolname, 'MEMBER')", (WRITER_ROLE,))
        if cursor.fetchone():
            cursor.execute(f"SET ROLE {WRITER_ROLE}")
    connection.autocommit = False
