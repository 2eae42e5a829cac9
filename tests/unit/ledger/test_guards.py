"""SQLite: every direct change of the evidence is refused by the database itself."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters_core.errors import LedgerError
from adapters_core.ledger.queries import find_entries
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.signing import SigningKey
from adapters_core.ledger.tables import entries
from adapters_core.ledger.verification.guards import SQLITE, guard_digests
from adapters_core.ledger.verification.verify import verify
from tests.ledger_story import approve, prepare

REFUSED = [
    "UPDATE entries SET body='{}' WHERE seq=1",
    "UPDATE OR REPLACE entries SET seq=0 WHERE seq=1",
    "DELETE FROM entries WHERE seq=5",
    "DELETE FROM entries",
    "INSERT OR REPLACE INTO entries SELECT * FROM entries WHERE seq=1",
    "REPLACE INTO entries SELECT * FROM entries WHERE seq=5",
    "INSERT OR IGNORE INTO entries SELECT * FROM entries WHERE seq=1",
    "INSERT INTO entries SELECT * FROM entries WHERE seq=1 ON CONFLICT(seq) DO UPDATE SET body='{}'",
    "INSERT INTO entries SELECT 99, leaf_hash, 'x', nodes, body FROM entries WHERE seq=5",
    "INSERT INTO entries SELECT -1, prev_hash, 'x', nodes, body FROM entries WHERE seq=0",
    "INSERT INTO entries SELECT 6, prev_hash, 'x', nodes, body FROM entries WHERE seq=5",
    "INSERT INTO entries SELECT 6, leaf_hash, 'x', nodes, body FROM entries WHERE seq=5",
    "INSERT INTO entries SELECT 6, leaf_hash, 'x', nodes, 'no json' FROM entries WHERE seq=5",
    "UPDATE checkpoints SET root_hash='0'",
    "DELETE FROM checkpoints",
    "INSERT OR REPLACE INTO checkpoints SELECT * FROM checkpoints",
    "INSERT INTO checkpoints SELECT 99, time, root_hash, key_id, envelope FROM checkpoints",
    "INSERT INTO checkpoints SELECT 3, time, root_hash, key_id, envelope FROM checkpoints",
]


@pytest.fixture
def file(ledger: Ledger, path: Path) -> Iterator[sqlite3.Connection]:
    prepare(ledger)
    approve(ledger, "a", request="r-1")
    with closing(sqlite3.connect(path)) as db:
        yield db


@pytest.mark.parametrize("statement", REFUSED)
@pytest.mark.parametrize("recursive", ["ON", "OFF"])
def test_a_direct_change_is_refused(file: sqlite3.Connection, statement: str, recursive: str) -> None:
    before = file.execute("SELECT * FROM entries").fetchall(), file.execute("SELECT * FROM checkpoints").fetchall()
    file.execute(f"PRAGMA recursive_triggers = {recursive}")

    with pytest.raises(sqlite3.Error, match=r"guard|malformed JSON"):
        file.execute(statement)

    file.commit()
    after = file.execute("SELECT * FROM entries").fetchall(), file.execute("SELECT * FROM checkpoints").fetchall()
    assert after == before


def test_a_refusal_reaches_the_caller_as_an_error_of_ours(ledger: Ledger) -> None:
    prepare(ledger)
    with pytest.raises(LedgerError, match="insert only"), ledger.write() as tx:
        tx.connection.execute(entries.delete())

    with ledger.read() as db:
        assert len(find_entries(db)) == 2


def test_the_digests_of_the_guards_are_those_that_verify_expects(ledger: Ledger) -> None:
    with ledger.read() as db:
        assert guard_digests(db) == SQLITE


def test_a_guard_without_teeth_is_named(file: sqlite3.Connection, ledger: Ledger, key: SigningKey) -> None:
    file.executescript(
        "DROP TRIGGER entries_guard_update;"
        "CREATE TRIGGER entries_guard_update BEFORE UPDATE ON entries BEGIN SELECT 1; END"
    )

    with ledger.read() as db:
        findings = verify(db, [key.public], indexes=False).findings
    assert [(finding.code, finding.what) for finding in findings] == [("missing_guard", "guard entries_guard_update")]
