"""Privileges on PostgreSQL: the ledger writes as a role that may insert evidence and never change it.

The role belongs to the whole server and may serve several databases, so going back takes its privileges here and leaves
the role. Where the migrating user may make no roles, nothing is done: the triggers hold without it.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROLE = "ringi_ledger_writer"
EVIDENCE = ("entries", "checkpoints")
READABLE = ("alembic_version_ledger",)
WORK = (
    "index_entries",
    "index_refs",
    "index_subjects",
    "index_contexts",
    "index_adapters",
    "index_adapter_contexts",
    "index_requests",
    "index_slots",
    "index_deployments",
    "index_roles",
    "index_policies",
    "jobs",
    "outbox",
    "outbox_attempts",
    "marks",
    "vault_keys",
    "vault_texts",
    "vault_tokens",
)


def upgrade() -> None:
    """Make the role and give it what writing needs."""
    if op.get_bind().dialect.name != "postgresql" or not _may_make_roles():
        return
    op.execute(f"""
        DO $$ BEGIN
          IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}') THEN CREATE ROLE {ROLE} NOLOGIN; END IF;
          EXECUTE format('GRANT {ROLE} TO %I', current_user);
        END $$""")
    for table in (*EVIDENCE, *WORK):
        op.execute(f"REVOKE ALL ON {table} FROM PUBLIC")
    op.execute(f"GRANT USAGE ON SCHEMA ledger TO {ROLE}")
    for table in EVIDENCE:
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {ROLE}")
    for table in READABLE:
        op.execute(f"GRANT SELECT ON {table} TO {ROLE}")
    for table in WORK:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE}")
    op.execute(f"GRANT USAGE ON SEQUENCE outbox_message_seq TO {ROLE}")


def downgrade() -> None:
    """Take the privileges back."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(f"""
        DO $$ BEGIN
          IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}') THEN
            REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM {ROLE};
            REVOKE ALL ON ALL SEQUENCES IN SCHEMA ledger FROM {ROLE};
            REVOKE ALL ON SCHEMA ledger FROM {ROLE};
          END IF;
        END $$""")


def _may_make_roles() -> bool:
    asked = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    return bool(op.get_bind().exec_driver_sql(asked).scalar())
