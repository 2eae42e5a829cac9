"""Guards of the evidence: entries and checkpoints are insert only, and an entry only goes to the end of the chain.

SQLite: BEFORE UPDATE and DELETE triggers alone are bypassed by INSERT OR REPLACE, whose implicit delete fires none of
them; so the BEFORE INSERT trigger demands the next place and the head's hash, which a row that replaces never has.
PostgreSQL: the same, and TRUNCATE has a trigger of its own; privileges follow in a later revision.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ZEROS = "0" * 64
TABLES = ("entries", "checkpoints")

SQLITE_INSERT = (
    f"""
CREATE TRIGGER entries_guard_insert BEFORE INSERT ON entries BEGIN
  SELECT RAISE(ABORT, 'guard: an entry goes to the end of the chain only')
  WHERE NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM entries)
     OR NEW.prev_hash IS NOT coalesce((SELECT leaf_hash FROM entries ORDER BY seq DESC LIMIT 1), '{ZEROS}')
     OR json_extract(NEW.body, '$.seq') IS NOT NEW.seq
     OR json_extract(NEW.body, '$.prev_hash') IS NOT NEW.prev_hash;
END""",
    """
CREATE TRIGGER checkpoints_guard_insert BEFORE INSERT ON checkpoints BEGIN
  SELECT RAISE(ABORT, 'guard: a checkpoint covers more entries than the one before, and no more than there are')
  WHERE NEW.size <= (SELECT coalesce(max(size), 0) FROM checkpoints)
     OR NEW.size > (SELECT coalesce(max(seq) + 1, 0) FROM entries);
END""",
)

POSTGRES_FUNCTIONS = (
    """
CREATE FUNCTION guard_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'guard: % is insert only, % is refused', TG_TABLE_NAME, TG_OP;
END $$""",
    f"""
CREATE FUNCTION guard_entry() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq) + 1, 0) FROM entries)
     OR NEW.prev_hash IS DISTINCT FROM coalesce((SELECT leaf_hash FROM entries ORDER BY seq DESC LIMIT 1), '{ZEROS}')
     OR (NEW.body::json ->> 'seq') IS DISTINCT FROM NEW.seq::text
     OR (NEW.body::json ->> 'prev_hash') IS DISTINCT FROM NEW.prev_hash THEN
    RAISE EXCEPTION 'guard: an entry goes to the end of the chain only';
  END IF;
  RETURN NEW;
END $$""",
    """
CREATE FUNCTION guard_checkpoint() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.size <= (SELECT coalesce(max(size), 0) FROM checkpoints)
     OR NEW.size > (SELECT coalesce(max(seq) + 1, 0) FROM entries) THEN
    RAISE EXCEPTION 'guard: a checkpoint covers more entries than the one before, and no more than there are';
  END IF;
  RETURN NEW;
END $$""",
)


def upgrade() -> None:
    """Set the guards."""
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgres()
    else:
        _guard_sqlite()


def downgrade() -> None:
    """Take the guards away."""
    postgres = op.get_bind().dialect.name == "postgresql"
    kinds = ("insert", "update", "delete", "truncate") if postgres else ("insert", "update", "delete")
    for table in TABLES:
        for kind in kinds:
            op.execute(f"DROP TRIGGER {table}_guard_{kind}{f' ON {table}' if postgres else ''}")
    if postgres:
        for function in ("guard_refuse", "guard_entry", "guard_checkpoint"):
            op.execute(f"DROP FUNCTION {function}()")


def _guard_sqlite() -> None:
    for statement in SQLITE_INSERT:
        op.execute(statement)
    for table in TABLES:
        for kind in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_guard_{kind} BEFORE {kind.upper()} ON {table} BEGIN"
                f" SELECT RAISE(ABORT, 'guard: {table} is insert only, {kind.upper()} is refused'); END"
            )


def _guard_postgres() -> None:
    for statement in POSTGRES_FUNCTIONS:
        op.execute(statement)
    for table, function in (("entries", "guard_entry"), ("checkpoints", "guard_checkpoint")):
        op.execute(
            f"CREATE TRIGGER {table}_guard_insert BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
        for kind in ("update", "delete", "truncate"):
            op.execute(
                f"CREATE TRIGGER {table}_guard_{kind} BEFORE {kind.upper()} ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION guard_refuse()"
            )
