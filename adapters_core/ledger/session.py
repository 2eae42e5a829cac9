"""Opening a ledger: from a URL to readers and writers."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Connection, Engine, Select, column, select, table

from adapters_core.errors import LedgerError
from adapters_core.ledger.checkpoints import checkpoint_if_due
from adapters_core.ledger.database_errors import translated
from adapters_core.ledger.records import time_text
from adapters_core.ledger.signing import SigningKey
from adapters_core.ledger.statements import query
from adapters_core.ledger.tables import SCHEMA, VERSION_TABLE
from adapters_core.ledger.transactions import Reader, Tip, Writer, engine_for, transaction

_SCHEMA: Select[Any] = select(column("version_num")).select_from(table(VERSION_TABLE))
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """A database that holds a ledger. Made by ``open_ledger``; safe to share between threads, not across a fork."""

    engine: Engine
    clock: Clock
    signer: SigningKey | None
    checkpoint_every: int
    tips: deque[Tip] = field(default_factory=lambda: deque(maxlen=1), repr=False)
    """The end of the ledger as this process has last written it: read anew only where others have written since."""
    usable: Event = field(default_factory=Event, repr=False)
    """Whether the schema was found to be the one of this version."""

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """One snapshot to read from.

        Raises:
            LedgerError: the database is not migrated, or by another version.
            BusyError: the database could not be reached or stayed locked.
        """
        with translated(), transaction(self.engine, writes=False) as connection:
            self._check_schema(connection)
            yield Reader(connection=connection)

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """One write transaction: committed when the block ends well, undone when it raises.

        A checkpoint is signed in the same transaction when an entry asks for one (decisions, deployments) or enough
        entries have gathered, provided that this process holds the key.

        Raises:
            LedgerError: the database is not migrated, or by another version, or its guards refused.
            BusyError: another writer kept the lock too long.
            StorageError: the disk is full or failing; nothing was written.
        """
        with translated(), transaction(self.engine, writes=True) as connection:
            self._check_schema(connection)
            writer = Writer(connection=connection, now=self.clock(), known=self.tips[-1] if self.tips else None)
            yield writer
            covered = checkpoint_if_due(writer, self.signer, every=self.checkpoint_every) if self.signer else 0
        if writer.appended:  # and committed
            last = writer.appended[-1]
            self.tips.append(
                Tip(
                    leaf_hash=last.leaf_hash,
                    time=time_text(last.time),
                    frontier=writer.frontiers[-1],
                    covered=covered,
                )
            )

    def _check_schema(self, connection: Connection) -> None:
        """Once for each process: another version's would be written in a form that this one does not read."""
        if self.usable.is_set():
            return
        found = query(connection, _SCHEMA)
        if found != [(SCHEMA,)]:
            stated = ", ".join(row[0] for row in found) or "none"
            raise LedgerError(
                f"the ledger must be migrated before it is used: its schema is {stated}, this version's is {SCHEMA}; "
                "stop all processes, and run the migrations of the newer one"
            )
        self.usable.set()

    def close(self) -> None:
        """Close the idle connections."""
        self.engine.dispose()


def open_ledger(
    url: str | Path,
    *,
    signer: SigningKey | None = None,
    clock: Clock = utc_now,
    checkpoint_every: int = 256,
) -> Ledger:
    """The ledger at a URL or in a SQLite file. Nothing is read yet: ``migrate`` it first.

    Args:
        url: ``sqlite:///path``, ``postgresql://...``, or the path of a SQLite file.
        signer: signs checkpoints; without it this process makes none.
        clock: the time of day, with its zone.
        checkpoint_every: entries after which a checkpoint is signed in any case.

    Raises:
        LedgerError: the URL names a database that is not supported.
    """
    return Ledger(engine=engine_for(url), clock=clock, signer=signer, checkpoint_every=checkpoint_every)
