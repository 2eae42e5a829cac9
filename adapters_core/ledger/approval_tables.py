"""Search indexes of approval and deployment: requests, slots, deployments, roles, policies."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from adapters_core.ledger.index_tables import (
    index_adapter_contexts,
    index_adapters,
    index_contexts,
    index_entries,
    index_refs,
    index_subjects,
)
from adapters_core.ledger.tables import BIG, METADATA, NAME, TIME

index_requests = Table(
    "index_requests",
    METADATA,
    Column("request", NAME, primary_key=True),
    Column("seq", BIG, nullable=False, unique=True),
    Column("time", TIME, nullable=False),
    Column("adapter", NAME, nullable=False),
    Column("adapter_name", Text, nullable=False),
    Column("slot", NAME, nullable=False),
    Column("policy", NAME, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("state", String(32), nullable=False),
    Column("stage", Integer, nullable=False),
    Column("stage_role", NAME),
    Column("progress", Text, nullable=False),
    Column("actor", NAME, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("last_seq", BIG, nullable=False),
    Column("last_time", TIME, nullable=False),
    Index("ix_index_requests_state", "state", "seq"),
    Index("ix_index_requests_adapter", "adapter", "seq"),
    Index("ix_index_requests_actor", "actor", "seq"),
    Index("ix_index_requests_own", "actor", "state", "seq"),
    Index("ix_index_requests_slot", "slot", "seq"),
)

index_slots = Table(
    "index_slots",
    METADATA,
    Column("slot", NAME, primary_key=True),
    Column("seq", BIG, nullable=False),
    Column("time", TIME, nullable=False),
    Column("title", Text, nullable=False),
    Column("base", NAME, nullable=False),
    Column("engine", Text, nullable=False),
    Column("policy", NAME),
    Column("adapter", NAME),
    Column("current", NAME),
    Column("pending", NAME),
)

index_deployments = Table(
    "index_deployments",
    METADATA,
    Column("deployment", NAME, primary_key=True),
    Column("seq", BIG, nullable=False, unique=True),
    Column("time", TIME, nullable=False),
    Column("slot", NAME, nullable=False),
    Column("adapter", NAME),
    Column("previous", NAME),
    Column("kind", String(16), nullable=False),
    Column("request", NAME),
    Column("reason", Text, nullable=False),
    Column("state", String(32), nullable=False),
    Column("loaded_name", Text),
    Column("finished_seq", BIG),
    Column("finished_time", TIME),
    Column("until_seq", BIG),
    Column("until_time", TIME),
    Column("actor", NAME, nullable=False),
    Column("actor_name", Text, nullable=False),
    Index("ix_index_deployments_slot", "slot", "seq"),
    Index("ix_index_deployments_served", "slot", "state", "finished_time"),
    Index("ix_index_deployments_adapter", "adapter", "seq"),
    Index("ix_index_deployments_state", "state", "seq"),
)

index_roles = Table(
    "index_roles",
    METADATA,
    Column("person", NAME, nullable=False),
    Column("role", String(32), nullable=False),
    Column("seq", BIG, nullable=False),
    Column("time", TIME, nullable=False),
    PrimaryKeyConstraint("person", "role"),
    Index("ix_index_roles_role", "role", "person"),
)

index_policies = Table(
    "index_policies",
    METADATA,
    Column("policy", NAME, nullable=False),
    Column("version", Integer, nullable=False),
    Column("seq", BIG, nullable=False),
    PrimaryKeyConstraint("policy", "version"),
)

STATE_TABLES = {
    "adapter": index_adapters,
    "context": index_contexts,
    "deployment": index_deployments,
    "request": index_requests,
}
"""Kinds whose subjects have a row with their state in a table of their own; the others' lie in ``index_subjects``."""

INDEXES = (
    index_entries,
    index_refs,
    index_subjects,
    index_contexts,
    index_adapters,
    index_adapter_contexts,
    index_requests,
    index_slots,
    index_deployments,
    index_roles,
    index_policies,
)
"""All of them, in the order in which they are rebuilt."""
