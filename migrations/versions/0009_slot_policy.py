"""A slot names the policy under which adapters are approved for it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("index_slots", sa.Column("policy", sa.String(255)))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("index_slots", "policy")
