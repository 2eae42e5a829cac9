"""Mutable operational tables: jobs, outbox, vault, token digests, marks. None of them is evidence."""

from sqlalchemy import Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Table, Text, UniqueConstraint

from adapters_core.ledger.tables import BIG, HASH, METADATA, NAME, TIME

jobs = Table(
    "jobs",
    METADATA,
    Column("job", NAME, primary_key=True),
    Column("job_key", NAME, nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("payload", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("worker", NAME),
    Column("due", TIME, nullable=False),
    Column("progress", Text),
    Column("created", TIME, nullable=False),
    Column("started", TIME),
    Column("finished", TIME),
    Column("result_digest", NAME),
    Column("result", Text),
    Column("error", Text),
    Column("actor", Text, nullable=False),
    Index("ix_jobs_next", "state", "due"),
    Index("ix_jobs_created", "created"),
)

outbox = Table(
    "outbox",
    METADATA,
    Column("message", BIG, primary_key=True, autoincrement=True),
    Column("topic", String(64), nullable=False),
    Column("key", NAME, nullable=False),
    Column("lane", NAME),
    Column("payload", Text, nullable=False),
    Column("seq", BIG),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("worker", NAME),
    Column("due", TIME, nullable=False),
    Column("created", TIME, nullable=False),
    Column("finished", TIME),
    Column("error", Text),
    UniqueConstraint("topic", "key"),
    Index("ix_outbox_next", "state", "due"),
    Index("ix_outbox_lane", "lane", "state", "message"),
)

outbox_attempts = Table(
    "outbox_attempts",
    METADATA,
    Column("message", BIG, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("time", TIME, nullable=False),
    Column("worker", NAME, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("detail", Text),
    PrimaryKeyConstraint("message", "attempt"),
)

vault_keys = Table(
    "vault_keys",
    METADATA,
    Column("context", NAME, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created", TIME, nullable=False),
)

vault_texts = Table(
    "vault_texts",
    METADATA,
    Column("context", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created", TIME, nullable=False),
    PrimaryKeyConstraint("context", "name"),
)

vault_tokens = Table(
    "vault_tokens",
    METADATA,
    Column("token", NAME, primary_key=True),
    Column("secret_digest", HASH, nullable=False, unique=True),
    Column("created", TIME, nullable=False),
    Column("last_used", TIME),
)

marks = Table(
    "marks",
    METADATA,
    Column("name", NAME, primary_key=True),
    Column("size", BIG, nullable=False),
    Column("time", TIME, nullable=False),
    Column("detail", Text),
)
