"""The database's errors in the project's own words."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

from adapters_core.errors import BusyError, LedgerError, StorageError

_UNMIGRATED = ("no such table", "no such column", "does not exist")
_BUSY = ("database is locked", "connection", "lock timeout", "server closed")
_DISK = ("disk is full", "disk I/O error", "readonly database", "unable to open", "No space left", "not a database")


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the database raised as an error of ours.

    Raises:
        LedgerError: not migrated, or a guard refused the statement.
        BusyError: locked or unreachable.
        StorageError: the disk is full or failing, or the file is no database.
    """
    try:
        yield
    except DBAPIError as error:
        raise _ours(error) from error


def _ours(error: DBAPIError) -> LedgerError | BusyError | StorageError:
    reason = str(error.orig).strip()
    if any(sign in reason for sign in _DISK):
        return StorageError(f"the ledger's database cannot be used: {reason}; nothing was written")
    if isinstance(error, OperationalError | InterfaceError) and any(sign in reason for sign in _BUSY):
        return BusyError(f"the ledger's database is locked or cannot be reached: {reason}; try again")
    if isinstance(error, OperationalError | ProgrammingError) and any(sign in reason for sign in _UNMIGRATED):
        return LedgerError(f"the ledger must be migrated before it is used: {reason}; run the migrations")
    return LedgerError(f"the ledger's database refused a statement: {reason}; nothing was written")
