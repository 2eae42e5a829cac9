"""kill -9 at any step leaves all of a transaction or nothing of it, and what was acknowledged is there."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters_core.ledger import queries
from adapters_core.ledger.migrating import is_migrated, migrate
from adapters_core.ledger.outbox import send
from adapters_core.ledger.outbox_queries import find_messages
from adapters_core.ledger.session import Ledger, open_ledger
from adapters_core.ledger.signing import SigningKey, create_key
from adapters_core.ledger.vault import create_master_key, is_sealed, seal_context
from adapters_core.ledger.verification.verify import verify
from tests import ledger_cast as cast
from tests import ledger_postgres
from tests.ledger_story import evaluate, prepare, put
from tests.ledger_trace import traced

ROOT = Path(__file__).parents[2]
BEFORE, ADDED = 4, 3


def act(ledger: Ledger, keys: Path) -> None:
    """One transaction with everything in it: entries, indexes, message, sealed text, checkpoint."""
    master = create_master_key(keys / f"{os.getpid()}.key")
    with ledger.write() as tx:
        put(tx, "request:opened", "r-1", cast.opened("a"))
        put(tx, "request:approved", "r-1", cast.decision(), cast.REVIEWER)
        put(
            tx,
            "slot:created",
            "sales",
            cast.slot_data("Sales"),
            cast.ADMIN,
        )
        send(tx, topic="mail", key="r-1", payload={})
        seal_context(tx, master, "c-2", b"text", [])


def killed_at(path: Path, key: SigningKey, step: int) -> bool:
    """Run the transaction in a process that is killed before its n-th statement; answers whether it was."""
    child = os.fork()
    if child == 0:
        ledger = open_ledger(path, signer=key)
        left = step

        def count(*_: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with traced(ledger.engine, count):
                act(ledger, path.parent)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_killed_transaction_leaves_all_or_nothing_at_each_of_its_steps(tmp_path: Path) -> None:
    path, key = tmp_path / "ledger.sqlite3", create_key(tmp_path / "ledger.key")
    ledger = open_ledger(path, signer=key)
    migrate(ledger)
    prepare(ledger)
    evaluate(ledger, "a")
    ledger.close()
    step = 0
    while killed_at(path, key, step):
        with open_ledger(path).read() as db:
            assert queries.size(db) == BEFORE, f"killed before statement {step}"
            assert find_messages(db) == ()
            assert not is_sealed(db, "c-2")
            assert verify(db, [key.public]).ok
        step += 1

    assert step > 20
    with open_ledger(path).read() as db:
        assert queries.size(db) == BEFORE + ADDED
        assert len(find_messages(db)) == 1
        assert is_sealed(db, "c-2")
        report = verify(db, [key.public])
    assert report.ok
    assert report.checkpoint == BEFORE + ADDED


def test_a_killed_migration_leaves_all_or_nothing_at_each_of_its_steps(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    for step in (2, 5, 9, 20, 30, 40):
        child = os.fork()
        if child == 0:
            ledger = open_ledger(path)
            left = step

            def count(*_: Any) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            try:
                with traced(ledger.engine, count):
                    migrate(ledger)
            finally:
                os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        assert not is_migrated(open_ledger(path))

    ledger = open_ledger(path)
    migrate(ledger)
    assert is_migrated(ledger)
    prepare(ledger)
    ledger.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
        return
    with ledger_postgres.database(request.getfixturevalue("postgres")) as address:
        yield address


def test_what_a_killed_writer_was_told_is_there(url: str) -> None:
    ledger = open_ledger(url)
    migrate(ledger)
    told: list[int] = []
    for turn in range(3):
        command = [sys.executable, "-m", "tests.ledger_writer", url, f"w{turn}", "100000"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            if writer.stdout is None:
                pytest.fail("the writer has no output")
            told += [int(writer.stdout.readline()) for _ in range(5)]
            time.sleep(0.05 * turn)
            writer.kill()
            told += [int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        with ledger.read() as db:
            assert verify(db, []).ok
            assert set(told) <= {entry.seq for entry in queries.chain_entries(db)}
            assert queries.size(db) <= len(told) + turn + 1
    ledger.close()
