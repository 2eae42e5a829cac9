"""The migrations: one line of them, reversible, and they make what the tables declare."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from adapters_core.errors import LedgerError
from adapters_core.ledger.adapter_queries import adapter
from adapters_core.ledger.append import append
from adapters_core.ledger.migrating import check_schema, is_migrated, migrate, migrate_down, migrations_folder, revision
from adapters_core.ledger.records import Subject
from adapters_core.ledger.session import open_ledger
from adapters_core.ledger.signing import SigningKey
from adapters_core.ledger.tables import SCHEMA
from adapters_core.ledger.verification.verify import verify
from tests import ledger_cast as cast
from tests.ledger_story import approve, deploy, prepare, put, step

SCRIPTS = ScriptDirectory(str(migrations_folder()))


def schema(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        return sorted(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())


def test_there_is_one_head() -> None:
    assert SCRIPTS.get_heads() == [SCHEMA]


@pytest.mark.parametrize("script", list(SCRIPTS.walk_revisions()), ids=lambda script: script.revision)
def test_each_migration_goes_both_ways_and_imports_none_of_our_code(script: object) -> None:
    source = Path(script.path).read_text(encoding="utf-8")  # type: ignore[attr-defined]

    assert "def upgrade" in source
    assert "def downgrade" in source
    assert "adapters_core" not in source
    assert '"""Go back to the revision before."""\n    pass' not in source


def test_up_down_up_leaves_the_same_schema(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    ledger = open_ledger(path)
    assert revision(ledger) is None
    migrate(ledger)
    first = schema(path)
    prepare(ledger)

    migrate_down(ledger, "base")
    assert [name for name, _ in schema(path)] == ["alembic_version_ledger"]
    assert revision(ledger) is None
    migrate(ledger)

    assert schema(path) == first
    assert is_migrated(ledger)
    ledger.close()


def test_each_step_down_and_up_again_leaves_the_same_schema(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    ledger = open_ledger(path)
    migrate(ledger)
    first = schema(path)
    for script in SCRIPTS.walk_revisions():
        migrate_down(ledger, str(script.down_revision or "base"))
        migrate(ledger)
        assert schema(path) == first
    ledger.close()


def test_the_states_that_were_kept_twice_are_there_again_after_a_step_down(path: Path, key: SigningKey) -> None:
    ledger = open_ledger(path, signer=key)
    prepare(ledger)
    approve(ledger, "a", request="r-1")
    deploy(ledger, "a", as_id="d-1")
    with ledger.write() as tx:
        act = {"action": "hold_context", "reason_code": "role", "detail": ""}
        append(tx, "denied", subject=Subject(kind="context", id="c-1"), actor=cast.ENGINEER, data=act)

    migrate_down(ledger, "0009")
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT kind, subject, state, first_seq, last_seq FROM index_subjects ORDER BY 4").fetchall()
    migrate(ledger)

    assert found == [
        ("context", "c-1", "active", 0, 0),
        ("slot", "support", "active", 1, 1),
        ("adapter", cast.digest("a"), "deployed", 2, 3),
        ("request", "r-1", "approved", 4, 5),
        ("deployment", "d-1", "succeeded", 6, 7),
    ]
    with ledger.read() as db:
        assert verify(db, [key.public]).ok
    ledger.close()


def test_approvals_are_counted_on_the_way_up_and_one_is_named_on_the_way_down(path: Path, key: SigningKey) -> None:
    ledger = open_ledger(path, signer=key)
    prepare(ledger, slots=("support", "sales"))
    approve(ledger, "a", request="r-1")
    with ledger.write() as tx:
        put(tx, "request:opened", "r-2", cast.opened("a", slot="sales"))
        put(tx, "request:approved", "r-2", cast.decision(), cast.REVIEWER)
    approve(ledger, "b", request="r-3")
    step(ledger, "request:voided", "r-3", {"cause": "changed"})
    approve(ledger, "c", request="r-4")
    step(ledger, "adapter:retired", "c", {"reason": "old"})

    migrate_down(ledger, "0010")
    with closing(sqlite3.connect(path)) as db:
        named = dict(db.execute("SELECT name, approved FROM index_adapters").fetchall())
    migrate(ledger)

    assert named == {"a": "r-2", "b": None, "c": None}
    with ledger.read() as db:
        assert [adapter(db, cast.digest(name)).approvals for name in "abc"] == [2, 0, 0]
        assert verify(db, [key.public]).ok
    ledger.close()


def test_a_schema_of_another_version_is_not_written_to(path: Path) -> None:
    ledger = open_ledger(path)
    migrate_down(ledger, "0009")

    with pytest.raises(LedgerError, match="its schema is 0009, this version's is"), ledger.write():
        pass
    migrate(ledger)
    prepare(ledger)
    ledger.close()


def test_the_migrated_schema_is_what_the_tables_declare(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.sqlite3")
    migrate(ledger)

    check_schema(ledger)
    ledger.close()


def test_a_schema_that_differs_is_named(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.sqlite3")
    migrate(ledger)
    with ledger.write() as tx:
        tx.connection.exec_driver_sql("CREATE TABLE stray (x INTEGER)")

    with pytest.raises(LedgerError, match="could not be migrated"):
        check_schema(ledger)
    ledger.close()


def test_an_unknown_revision_is_named(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.sqlite3")
    with pytest.raises(LedgerError, match="could not be migrated"):
        migrate(ledger, "9999")
    ledger.close()


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "ledger.sqlite3"
    ledger = open_ledger(path)
    migrate(ledger)
    first = schema(path)
    migrate(ledger)

    assert schema(path) == first
    ledger.close()
