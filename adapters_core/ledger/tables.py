"""The tables. Private to the ledger: everything else reads frozen records from queries.

``entries`` and ``checkpoints`` are evidence: insert only, guarded by triggers. ``index_*`` (index_tables) can be
rebuilt from the entries at any time; jobs, outbox and vault (work_tables) are mutable and prove nothing.
Times are text in UTC with microseconds, so that order as text is order in time on every database.
"""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Text

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
SCHEMA = "0011"
"""The newest migration: what these tables are."""
VERSION_TABLE = "alembic_version_ledger"
BIG = BigInteger().with_variant(Integer, "sqlite")
"""Whole numbers up to 2**63 - 1: SQLite makes only its own INTEGER the key of the row itself."""
HASH = String(64)
TIME = String(27)
NAME = String(255)

entries = Table(
    "entries",
    METADATA,
    Column("seq", BIG, primary_key=True, autoincrement=False),
    Column("prev_hash", HASH, nullable=False, unique=True),
    Column("leaf_hash", HASH, nullable=False),
    Column("nodes", LargeBinary, nullable=False),
    Column("body", Text, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    METADATA,
    Column("size", BIG, primary_key=True, autoincrement=False),
    Column("time", TIME, nullable=False),
    Column("root_hash", HASH, nullable=False),
    Column("key_id", HASH, nullable=False),
    Column("envelope", Text, nullable=False),
)
