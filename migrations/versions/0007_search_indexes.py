"""Narrow indexes for the search by name and for the adapters of a context."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("ix_index_adapters_search", "index_adapters", ["seq", "search"])
    op.create_index("ix_index_adapter_contexts_seq", "index_adapter_contexts", ["context", "seq"])


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("ix_index_adapter_contexts_seq", "index_adapter_contexts")
    op.drop_index("ix_index_adapters_search", "index_adapters")
