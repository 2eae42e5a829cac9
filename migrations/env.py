"""Alembic's environment: one transaction for all migrations, the ledger's own version table, one migrator at a time.

``adapters_core.ledger.migrating`` hands over a connection; the ``alembic`` command reads LEDGER_URL.
"""

import os

from alembic import context
from sqlalchemy import Connection, text

from adapters_core.ledger import approval_tables, work_tables
from adapters_core.ledger.tables import METADATA
from adapters_core.ledger.transactions import LOCK, WRITES, engine_for

VERSION_TABLE = "alembic_version_ledger"
# Their tables belong to METADATA once the modules are loaded.
LOADED = (approval_tables.INDEXES, work_tables.jobs)


def migrate(connection: Connection) -> None:
    """Run what Alembic was asked to run."""
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        connection.execute(text("RESET ROLE"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS ledger"))
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
        transactional_ddl=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if (handed := context.config.attributes.get("connection")) is not None:
    migrate(handed)
else:
    engine = engine_for(os.environ.get("LEDGER_URL", "sqlite:///var/ledger.sqlite3"))
    with engine.connect().execution_options(**{WRITES: True}) as opened, opened.begin():
        migrate(opened)
