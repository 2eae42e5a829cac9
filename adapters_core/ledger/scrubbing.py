"""Scrubbing: what erasing has deleted from the vault leaves the database's own files as well.

A database deletes a row without touching its bytes everywhere. SQLite overwrites them in its file (``secure_delete``)
and keeps the old pages in its write-ahead log until that is truncated. PostgreSQL only marks a deleted row, and a
plain ``VACUUM`` leaves its bytes in the free space of the page: the tables are written anew. Neither can be done while
somebody still reads the state of before, so a scrub may have to be tried again.
"""

from sqlalchemy import Connection, text

from adapters_core.errors import BusyError, StorageError
from adapters_core.ledger.database_errors import translated
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.statements import answer, execute
from adapters_core.ledger.work_tables import vault_keys, vault_texts

WAIT_MILLISECONDS = 500
"""For readers and locks: who waits here keeps writers waiting."""
_TABLES = (vault_keys.name, vault_texts.name)
_FOREIGN = text("SELECT relname FROM pg_class WHERE oid = to_regclass(:name) AND NOT pg_has_role(relowner, 'USAGE')")
_UNCLEAN = text(
    "SELECT relname FROM pg_class AS one WHERE relallvisible < relpages AND oid IN "
    "(SELECT unnest(ARRAY[oid, reltoastrelid]) FROM pg_class WHERE oid = to_regclass(:name))"
)
"""Pages that are not visible to all hold rows that somebody may still see; vacuum has just counted them."""


def scrub(ledger: Ledger) -> None:
    """Remove from the database's files what erasing has removed from its tables; may be repeated.

    Raises:
        BusyError: somebody still reads a state of before the erasure, or holds a lock: nothing is lost, try again.
        StorageError: on PostgreSQL, the tables belong to somebody else; or the disk is full or failing.
    """
    with translated():
        if ledger.engine.dialect.name == "sqlite":
            _truncate_log(ledger)
        else:
            _write_anew(ledger)


def _truncate_log(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        connection.detach()  # its waiting time is another one than that of the pool's connections
        execute(connection, f"PRAGMA busy_timeout = {WAIT_MILLISECONDS}")
        busy, pages, _moved = answer(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
    if busy:
        raise BusyError(
            f"the write-ahead log must be truncated after an erasure, somebody still reads or writes: {pages} pages "
            "are left in it; try again"
        )


def _write_anew(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")  # no vacuum in a transaction
        alone.detach()  # it is not the writer's role any more
        alone.execute(text("RESET ROLE"))
        alone.execute(text(f"SET lock_timeout = {WAIT_MILLISECONDS}"))
        for name in _TABLES:
            _check_owner(alone, name)
            alone.execute(text(f"VACUUM (INDEX_CLEANUP ON) {name}"))
            if unclean := alone.execute(_UNCLEAN, {"name": name}).scalars().all():
                raise BusyError(
                    f"{name} must hold no row that was erased, somebody still reads a state of before: "
                    f"{', '.join(unclean)} could not be cleaned; try again"
                )
            alone.execute(text(f"VACUUM (FULL) {name}"))


def _check_owner(connection: Connection, name: str) -> None:
    """PostgreSQL warns of what it may not vacuum, and says that it has done it."""
    if connection.execute(_FOREIGN, {"name": name}).first():
        user = connection.execute(text("SELECT current_user")).scalar_one()
        raise StorageError(
            f"{name} must be vacuumed by its owner after an erasure, the ledger is opened as {user}: what was erased "
            "stays in the data files; open it as the role that migrated it, or run VACUUM FULL by hand"
        )
