"""The state of adapters, contexts, deployments and requests is kept once, and less of a digest is searched.

What one's own inbox asks is looked up: the requests of a person by state, the contexts whose day of keeping has come.

The second row of an adapter told its state after the last entry about itself, whatever requests and deployments had
made of it since. A step down writes its state of today there: the version before has to rebuild its indexes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

LEFT_OUT = 48
"""Characters at the end of a digest that are not searched with the name any more."""
KEYS = {"adapter": "digest", "context": "context", "deployment": "deployment", "request": "request"}


def upgrade() -> None:
    """Remove the second rows and the ends of the digests, and make the indexes of the inbox."""
    op.create_index("ix_index_requests_own", "index_requests", ["actor", "state", "seq"])
    op.create_index(
        "ix_index_contexts_due",
        "index_contexts",
        ["state", "retention_until"],
        sqlite_where=sa.text("retention_until IS NOT NULL"),
        postgresql_where=sa.text("retention_until IS NOT NULL"),
    )
    op.execute(sa.text(f"UPDATE index_adapters SET search = substr(search, 1, length(search) - {LEFT_OUT})"))
    kinds = ", ".join(f"'{kind}'" for kind in KEYS)
    op.execute(sa.text(f"DELETE FROM index_subjects WHERE kind IN ({kinds})"))


def downgrade() -> None:
    """Write them again, and drop the indexes."""
    op.drop_index("ix_index_contexts_due", "index_contexts")
    op.drop_index("ix_index_requests_own", "index_requests")
    op.execute(sa.text(f"UPDATE index_adapters SET search = search || substr(digest, 65 - {LEFT_OUT})"))
    for kind, key in KEYS.items():
        op.execute(
            sa.text(
                "INSERT INTO index_subjects (kind, subject, state, first_seq, last_seq)"
                f" SELECT '{kind}', own.{key}, own.state, min(entry.seq), max(entry.seq)"
                f" FROM index_{kind}s AS own JOIN index_entries AS entry"
                f" ON entry.kind = '{kind}' AND entry.subject = own.{key} AND entry.event <> 'denied'"
                f" GROUP BY own.{key}, own.state"
            )
        )
