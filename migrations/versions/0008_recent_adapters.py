"""Indexes for the adapters of a state, and of a person, that changed last."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("ix_index_adapters_state_last", "index_adapters", ["state", "last_seq"])
    op.create_index("ix_index_adapters_actor_last", "index_adapters", ["actor", "state", "last_seq"])


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("ix_index_adapters_actor_last", "index_adapters")
    op.drop_index("ix_index_adapters_state_last", "index_adapters")
