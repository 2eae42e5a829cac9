"""Bringing a ledger's database to the schema of this version, or back."""

import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from adapters_core.errors import LedgerError, StorageError
from adapters_core.ledger.database_errors import translated
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.tables import SCHEMA, VERSION_TABLE
from adapters_core.ledger.transactions import transaction


def migrations_folder() -> Path:
    """Where the migrations lie: beside the package in a checkout, under share/ringi in an installation.

    Raises:
        LedgerError: they are in neither place.
    """
    beside = Path(__file__).parents[2] / "migrations"
    installed = Path(sysconfig.get_path("data")) / "share" / "ringi" / "migrations"
    for folder in (beside, installed):
        if (folder / "env.py").is_file():
            return folder
    raise LedgerError(f"the migrations must lie in {beside} or {installed}: install the package again")


def migrate(ledger: Ledger, revision: str = "head") -> None:
    """Bring the schema up to a revision, in one transaction; a second process waits for the first.

    Raises:
        LedgerError: the revision is unknown, or the database holds a newer schema.
        BusyError: another process kept the lock too long.
        StorageError: the folder of the database cannot be made, or the disk is full.
    """
    _make_folder(ledger)
    with _alembic(ledger) as config:
        command.upgrade(config, revision)


def migrate_down(ledger: Ledger, revision: str) -> None:
    """Take the schema back to a revision (``base``: nothing is left). What the later schema held is lost."""
    with _alembic(ledger) as config:
        command.downgrade(config, revision)


def check_schema(ledger: Ledger) -> None:
    """Raise when the migrated schema is not what the tables of this version declare.

    Raises:
        LedgerError: it differs (the message says in what), or is not at the newest revision.
    """
    with _alembic(ledger) as config:
        command.check(config)


def revision(ledger: Ledger) -> str | None:
    """The revision that the database has, None for an empty one."""
    with translated(), transaction(ledger.engine, writes=False) as connection:
        return _context(connection).get_current_revision()


def is_migrated(ledger: Ledger) -> bool:
    """Whether the database has the newest revision."""
    return revision(ledger) == SCHEMA


def _context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})


@contextmanager
def _alembic(ledger: Ledger) -> Iterator[Config]:
    from alembic.util.exc import CommandError

    config = Config(stdout=StringIO())
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        with translated(), transaction(ledger.engine, writes=True) as connection:
            config.attributes["connection"] = connection
            yield config
        ledger.usable.clear()
        ledger.engine.dispose()  # connections that were opened before know nothing of the writer's role
    except CommandError as error:
        raise LedgerError(f"the ledger could not be migrated: {error}") from error


def _make_folder(ledger: Ledger) -> None:
    database = ledger.engine.url.database
    if ledger.engine.dialect.name != "sqlite" or not database or database == ":memory:":
        return
    try:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"the folder of {database} must be writable: {error.strerror}") from error
