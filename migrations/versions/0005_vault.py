"""The vault: wrapped keys, sealed texts, digests of tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "vault_keys",
        sa.Column("context", sa.String(length=255), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("context", name="pk_vault_keys"),
    )
    op.create_table(
        "vault_texts",
        sa.Column("context", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("context", "name", name="pk_vault_texts"),
    )
    op.create_table(
        "vault_tokens",
        sa.Column("token", sa.String(length=255), nullable=False),
        sa.Column("secret_digest", sa.String(length=64), nullable=False),
        sa.Column("created", sa.String(length=27), nullable=False),
        sa.Column("last_used", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("token", name="pk_vault_tokens"),
        sa.UniqueConstraint("secret_digest", name="uq_vault_tokens_secret_digest"),
    )


def downgrade() -> None:
    """Drop the tables with what they hold."""
    op.drop_table("vault_tokens")
    op.drop_table("vault_texts")
    op.drop_table("vault_keys")
