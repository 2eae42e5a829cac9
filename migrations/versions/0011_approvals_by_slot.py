"""An approval holds for its slot: an adapter's row counts its approvals, and names no single one any more.

A step down names the approval that was granted last: the version before has to rebuild its indexes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

GRANTED = "asked.adapter = index_adapters.digest AND asked.state IN ('approved', 'conditionally_approved')"


def upgrade() -> None:
    """Count."""
    op.add_column("index_adapters", sa.Column("approvals", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        sa.text(
            f"UPDATE index_adapters SET approvals = (SELECT count(*) FROM index_requests AS asked WHERE {GRANTED})"
            " WHERE state <> 'retired'"
        )
    )
    op.drop_column("index_adapters", "approved")


def downgrade() -> None:
    """Name one."""
    op.add_column("index_adapters", sa.Column("approved", sa.String(255)))
    op.execute(
        sa.text(
            "UPDATE index_adapters SET approved = (SELECT asked.request FROM index_requests AS asked"
            f" WHERE {GRANTED} ORDER BY asked.last_seq DESC LIMIT 1) WHERE state <> 'retired'"
        )
    )
    op.drop_column("index_adapters", "approvals")
