"""Search indexes over the entries."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "index_entries",
        sa.Column("seq", BIG, autoincrement=False, nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_index_entries"),
    )
    op.create_index("ix_index_entries_actor", "index_entries", ["actor", "seq"])
    op.create_index("ix_index_entries_event", "index_entries", ["event", "seq"])
    op.create_index("ix_index_entries_subject", "index_entries", ["kind", "subject", "seq"])
    op.create_index("ix_index_entries_time", "index_entries", ["time", "seq"])
    op.create_table(
        "index_refs",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ref", sa.String(length=255), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.PrimaryKeyConstraint("kind", "ref", "seq", name="pk_index_refs"),
    )
    op.create_table(
        "index_subjects",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("first_seq", BIG, nullable=False),
        sa.Column("last_seq", BIG, nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", name="pk_index_subjects"),
    )
    op.create_index("ix_index_subjects_last", "index_subjects", ["kind", "last_seq"])
    op.create_index("ix_index_subjects_state", "index_subjects", ["kind", "state", "last_seq"])
    op.create_table(
        "index_contexts",
        sa.Column("context", sa.String(length=255), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("characters", BIG, nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.Column("language", sa.String(length=255), nullable=True),
        sa.Column("retention_until", sa.String(length=255), nullable=True),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("context", name="pk_index_contexts"),
        sa.UniqueConstraint("seq", name="uq_index_contexts_seq"),
    )
    op.create_index("ix_index_contexts_state", "index_contexts", ["state", "seq"])
    op.create_table(
        "index_adapters",
        sa.Column("digest", sa.String(length=255), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("base", sa.String(length=255), nullable=False),
        sa.Column("base_name", sa.Text(), nullable=False),
        sa.Column("generator", sa.String(length=255), nullable=False),
        sa.Column("parent", sa.String(length=255), nullable=True),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("tokens", BIG, nullable=False),
        sa.Column("chunks", BIG, nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.Column("norm_total", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("serving", sa.Integer(), nullable=False),
        sa.Column("evaluations", sa.Integer(), nullable=False),
        sa.Column("recovery", sa.Float(), nullable=True),
        sa.Column("retention", sa.Float(), nullable=True),
        sa.Column("request", sa.String(length=255), nullable=True),
        sa.Column("approved", sa.String(length=255), nullable=True),
        sa.Column("last_seq", BIG, nullable=False),
        sa.Column("last_time", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_index_adapters"),
        sa.UniqueConstraint("seq", name="uq_index_adapters_seq"),
    )
    op.create_index("ix_index_adapters_actor", "index_adapters", ["actor", "seq"])
    op.create_index("ix_index_adapters_base", "index_adapters", ["base", "seq"])
    op.create_index("ix_index_adapters_last", "index_adapters", ["last_seq"])
    op.create_index("ix_index_adapters_name", "index_adapters", ["name", "digest"])
    op.create_index("ix_index_adapters_norm", "index_adapters", ["norm_total", "digest"])
    op.create_index("ix_index_adapters_parent", "index_adapters", ["parent"])
    op.create_index("ix_index_adapters_recovery", "index_adapters", ["recovery", "digest"])
    op.create_index("ix_index_adapters_state", "index_adapters", ["state", "seq"])
    op.create_table(
        "index_adapter_contexts",
        sa.Column("context", sa.String(length=255), nullable=False),
        sa.Column("adapter", sa.String(length=255), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.PrimaryKeyConstraint("context", "adapter", name="pk_index_adapter_contexts"),
    )
    op.create_index("ix_index_adapter_contexts_adapter", "index_adapter_contexts", ["adapter"])
    op.create_table(
        "index_requests",
        sa.Column("request", sa.String(length=255), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("adapter", sa.String(length=255), nullable=False),
        sa.Column("adapter_name", sa.Text(), nullable=False),
        sa.Column("slot", sa.String(length=255), nullable=False),
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("stage_role", sa.String(length=255), nullable=True),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("last_seq", BIG, nullable=False),
        sa.Column("last_time", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("request", name="pk_index_requests"),
        sa.UniqueConstraint("seq", name="uq_index_requests_seq"),
    )
    op.create_index("ix_index_requests_actor", "index_requests", ["actor", "seq"])
    op.create_index("ix_index_requests_adapter", "index_requests", ["adapter", "seq"])
    op.create_index("ix_index_requests_slot", "index_requests", ["slot", "seq"])
    op.create_index("ix_index_requests_state", "index_requests", ["state", "seq"])
    op.create_table(
        "index_slots",
        sa.Column("slot", sa.String(length=255), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("base", sa.String(length=255), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("adapter", sa.String(length=255), nullable=True),
        sa.Column("current", sa.String(length=255), nullable=True),
        sa.Column("pending", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("slot", name="pk_index_slots"),
    )
    op.create_table(
        "index_deployments",
        sa.Column("deployment", sa.String(length=255), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.Column("slot", sa.String(length=255), nullable=False),
        sa.Column("adapter", sa.String(length=255), nullable=True),
        sa.Column("previous", sa.String(length=255), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("request", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("loaded_name", sa.Text(), nullable=True),
        sa.Column("finished_seq", BIG, nullable=True),
        sa.Column("finished_time", sa.String(length=27), nullable=True),
        sa.Column("until_seq", BIG, nullable=True),
        sa.Column("until_time", sa.String(length=27), nullable=True),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("deployment", name="pk_index_deployments"),
        sa.UniqueConstraint("seq", name="uq_index_deployments_seq"),
    )
    op.create_index("ix_index_deployments_adapter", "index_deployments", ["adapter", "seq"])
    op.create_index("ix_index_deployments_served", "index_deployments", ["slot", "state", "finished_time"])
    op.create_index("ix_index_deployments_slot", "index_deployments", ["slot", "seq"])
    op.create_index("ix_index_deployments_state", "index_deployments", ["state", "seq"])
    op.create_table(
        "index_roles",
        sa.Column("person", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("time", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("person", "role", name="pk_index_roles"),
    )
    op.create_index("ix_index_roles_role", "index_roles", ["role", "person"])
    op.create_table(
        "index_policies",
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.PrimaryKeyConstraint("policy", "version", name="pk_index_policies"),
    )


def downgrade() -> None:
    """Drop the tables with what they hold."""
    op.drop_table("index_policies")
    op.drop_table("index_roles")
    op.drop_table("index_deployments")
    op.drop_table("index_slots")
    op.drop_table("index_requests")
    op.drop_table("index_adapter_contexts")
    op.drop_table("index_adapters")
    op.drop_table("index_contexts")
    op.drop_table("index_subjects")
    op.drop_table("index_refs")
    op.drop_table("index_entries")
