"""Search indexes over the entries: written in the entry's transaction, rebuilt from entries, compared by verify."""

from sqlalchemy import Column, Float, Index, Integer, PrimaryKeyConstraint, String, Table, Text, text

from adapters_core.ledger.tables import BIG, METADATA, NAME, TIME

index_entries = Table(
    "index_entries",
    METADATA,
    Column("seq", BIG, primary_key=True, autoincrement=False),
    Column("time", TIME, nullable=False),
    Column("event", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", NAME, nullable=False),
    Column("actor", NAME, nullable=False),
    Index("ix_index_entries_subject", "kind", "subject", "seq"),
    Index("ix_index_entries_event", "event", "seq"),
    Index("ix_index_entries_actor", "actor", "seq"),
    Index("ix_index_entries_time", "time", "seq"),
)

index_refs = Table(
    "index_refs",
    METADATA,
    Column("kind", String(16), nullable=False),
    Column("ref", NAME, nullable=False),
    Column("seq", BIG, nullable=False),
    PrimaryKeyConstraint("kind", "ref", "seq"),
)

index_subjects = Table(
    "index_subjects",
    METADATA,
    Column("kind", String(16), nullable=False),
    Column("subject", NAME, nullable=False),
    Column("state", String(32), nullable=False),
    Column("first_seq", BIG, nullable=False),
    Column("last_seq", BIG, nullable=False),
    PrimaryKeyConstraint("kind", "subject"),
    Index("ix_index_subjects_state", "kind", "state", "last_seq"),
    Index("ix_index_subjects_last", "kind", "last_seq"),
)

index_contexts = Table(
    "index_contexts",
    METADATA,
    Column("context", NAME, primary_key=True),
    Column("seq", BIG, nullable=False, unique=True),
    Column("time", TIME, nullable=False),
    Column("title", Text, nullable=False),
    Column("search", Text, nullable=False),
    Column("state", String(32), nullable=False),
    Column("characters", BIG, nullable=False),
    Column("bytes", BIG, nullable=False),
    Column("language", NAME),
    Column("retention_until", NAME),
    Column("actor", NAME, nullable=False),
    Column("actor_name", Text, nullable=False),
    Index("ix_index_contexts_state", "state", "seq"),
    Index(
        "ix_index_contexts_due",
        "state",
        "retention_until",
        sqlite_where=text("retention_until IS NOT NULL"),
        postgresql_where=text("retention_until IS NOT NULL"),
    ),
)

index_adapters = Table(
    "index_adapters",
    METADATA,
    Column("digest", NAME, primary_key=True),
    Column("seq", BIG, nullable=False, unique=True),
    Column("time", TIME, nullable=False),
    Column("name", Text, nullable=False),
    Column("search", Text, nullable=False),
    Column("base", NAME, nullable=False),
    Column("base_name", Text, nullable=False),
    Column("generator", NAME, nullable=False),
    Column("parent", NAME),
    Column("actor", NAME, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("tokens", BIG, nullable=False),
    Column("chunks", BIG, nullable=False),
    Column("bytes", BIG, nullable=False),
    Column("norm_total", Float, nullable=False),
    Column("state", String(32), nullable=False),
    Column("phase", String(32), nullable=False),
    Column("serving", Integer, nullable=False),
    Column("evaluations", Integer, nullable=False),
    Column("recovery", Float),
    Column("retention", Float),
    Column("request", NAME),
    Column("approvals", Integer, nullable=False, server_default="0"),
    Column("last_seq", BIG, nullable=False),
    Column("last_time", TIME, nullable=False),
    Index("ix_index_adapters_search", "seq", "search"),
    Index("ix_index_adapters_state", "state", "seq"),
    Index("ix_index_adapters_base", "base", "seq"),
    Index("ix_index_adapters_actor", "actor", "seq"),
    Index("ix_index_adapters_name", "name", "digest"),
    Index("ix_index_adapters_last", "last_seq"),
    Index("ix_index_adapters_state_last", "state", "last_seq"),
    Index("ix_index_adapters_actor_last", "actor", "state", "last_seq"),
    Index("ix_index_adapters_parent", "parent"),
    Index("ix_index_adapters_recovery", "recovery", "digest"),
    Index("ix_index_adapters_norm", "norm_total", "digest"),
)

index_adapter_contexts = Table(
    "index_adapter_contexts",
    METADATA,
    Column("context", NAME, nullable=False),
    Column("adapter", NAME, nullable=False),
    Column("seq", BIG, nullable=False),
    PrimaryKeyConstraint("context", "adapter"),
    Index("ix_index_adapter_contexts_adapter", "adapter"),
    Index("ix_index_adapter_contexts_seq", "context", "seq"),
)
