"""The state of adapters, contexts, deployments and requests is kept once, and less of a digest is searched.

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
    """Remove the second rows, and the ends of the digests."""
    op.execute(sa.text(f"UPDATE index_adapters SET search = substr(search, 1, length(search) - {LEFT_OUT})"))
    kinds = ", ".join(f"'{kind}'" for kind in KEYS)
    op.execute(sa.text(f"DELETE FROM index_subjects WHERE kind IN ({kinds})"))


def downgrade() -> None:
    """Write them again."""
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
