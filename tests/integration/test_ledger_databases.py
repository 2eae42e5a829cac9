"""The ledger on SQLite and on PostgreSQL: writers at the same time, guards, migrations, the whole way of an adapter."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapters_core.errors import BusyError, LedgerError
from adapters_core.ledger import adapter_queries, queries, request_queries, slot_queries
from adapters_core.ledger.adapter_queries import AdapterFilter
from adapters_core.ledger.jobs import Result, finish_job, lease_job, submit_job
from adapters_core.ledger.migrating import check_schema, is_migrated, migrate, migrate_down, revision
from adapters_core.ledger.outbox import delivered, lease_messages, send
from adapters_core.ledger.session import Ledger, open_ledger
from adapters_core.ledger.signing import SigningKey, create_key
from adapters_core.ledger.transactions import WRITER_ROLE
from adapters_core.ledger.vault import create_master_key, erase, open_text, seal_context
from adapters_core.ledger.verification.guards import POSTGRES, guard_digests
from adapters_core.ledger.verification.replay import rebuild_indexes
from adapters_core.ledger.verification.verify import verify
from tests import ledger_cast as cast
from tests import ledger_postgres
from tests.ledger_attacker import owner
from tests.ledger_story import approve, deploy, prepare, put, step

ROOT = Path(__file__).parents[2]
WRITERS, EACH = 4, 15


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
        return
    with ledger_postgres.database(request.getfixturevalue("postgres")) as address:
        yield address


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return create_key(tmp_path / "ledger.key")


@pytest.fixture
def ledger(url: str, key: SigningKey) -> Iterator[Ledger]:
    opened = open_ledger(url, signer=key)
    migrate(opened)
    yield opened
    opened.close()


@pytest.mark.postgres
def test_a_connection_that_is_lost_is_told_by_its_reason_and_replaced(postgres: str, key: SigningKey) -> None:
    with ledger_postgres.database(postgres) as url, closing(open_ledger(url, signer=key)) as ledger:
        migrate(ledger)
        with pytest.raises(BusyError, match="terminating connection due to administrator command"):
            lose(ledger, url)

        with ledger.read() as db:
            assert queries.size(db) == 0
        step(ledger, "context:submitted", "c-1", cast.submitted())
        with ledger.read() as db:
            assert queries.size(db) == 1


def lose(ledger: Ledger, url: str) -> None:
    """A transaction whose connection the server ends in the middle."""
    with psycopg.connect(url, autocommit=True) as admin, ledger.write() as tx:
        put(tx, "context:submitted", "c-1", cast.submitted())
        process = tx.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        admin.execute("SELECT pg_terminate_backend(%s, 10000)", (process,))
        put(tx, "context:submitted", "c-2", cast.submitted())


def test_writers_at_the_same_time_lose_nothing_and_fork_nothing(ledger: Ledger, url: str, key: SigningKey) -> None:
    command = [sys.executable, "-m", "tests.ledger_writer", url]
    writers = [
        subprocess.Popen([*command, f"w{i}", str(EACH)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for i in range(WRITERS)
    ]
    printed = [writer.communicate(timeout=120)[0] for writer in writers]

    assert [writer.returncode for writer in writers] == [0] * WRITERS
    seqs = sorted(int(line) for output in printed for line in output.split())
    assert seqs == list(range(WRITERS * EACH))
    with ledger.read() as db:
        report = verify(db, [key.public])
        subjects = {entry.subject.id for entry in queries.chain_entries(db)}
    assert report.ok
    assert subjects == {f"w{i}-{j}" for i in range(WRITERS) for j in range(EACH)}


def test_an_adapter_travels_the_whole_way_and_all_is_verified(ledger: Ledger, key: SigningKey) -> None:
    prepare(ledger)
    approve(ledger, "有給休暇", request="r-1")
    deploy(ledger, "有給休暇", as_id="d-1")
    approve(ledger, "b", request="r-2")
    deploy(ledger, "b", as_id="d-2", previous="有給休暇", request="r-2")
    deploy(ledger, "有給休暇", as_id="d-3", previous="b", kind="rollback")

    with ledger.read() as db:
        assert verify(db, [key.public]).ok
        assert adapter_queries.adapter(db, cast.digest("b")).state == "rolled_back"
        found = adapter_queries.find_adapters(db, AdapterFilter(text="休暇", states=("deployed",)), sort="name")
        assert [row.name for row in found.rows] == ["有給休暇"]
        assert request_queries.request(db, "r-1").state == "approved"
        targets = slot_queries.rollback_targets(db, "support")
        assert [row.adapter for row in targets] == [cast.digest("b")]
        moments = [slot_queries.deployment(db, f"d-{i}").finished_time for i in (1, 2, 3)]
        served = [slot_queries.served_at(db, "support", moment) for moment in moments if moment]
        assert [row.deployment for row in served if row] == ["d-1", "d-2", "d-3"]


def test_jobs_outbox_and_vault_work(ledger: Ledger, tmp_path: Path) -> None:
    master = create_master_key(tmp_path / "master.key")
    with ledger.write() as tx:
        seal_context(tx, master, "c-1", b"text", [b"te", b"xt"])
        submit_job(tx, kind="generate", job_key="k", payload={"a": 1}, actor=cast.ENGINEER)
        for name in ("one", "two"):
            send(tx, topic="mail", key=name, payload={}, lane="l")
    with ledger.write() as tx:
        job = lease_job(tx, worker="w", kinds=("generate",), seconds=30)
        (message,) = lease_messages(tx, worker="w", topics=("mail",))
    assert job is not None
    with ledger.write() as tx:
        assert finish_job(tx, job, Result(digest="d", data={}), actor=cast.WORKER) == "recorded"
        assert finish_job(tx, job, Result(digest="e", data={}), actor=cast.WORKER) == "conflict"
        delivered(tx, message)
        assert open_text(tx, master, "c-1") == b"text"
        assert erase(tx, "c-1")
    with ledger.write() as tx:
        (second,) = lease_messages(tx, worker="w", topics=("mail",))
        assert second.key == "two"
        assert [entry.event for entry in queries.find_entries(tx)] == ["incident:raised"]


def test_up_down_up_and_the_schema_is_what_the_tables_declare(ledger: Ledger) -> None:
    prepare(ledger)
    check_schema(ledger)
    migrate_down(ledger, "base")
    assert revision(ledger) is None
    migrate(ledger)

    check_schema(ledger)
    assert is_migrated(ledger)
    prepare(ledger)


def test_a_ledger_with_approvals_takes_the_step_to_the_approvals_of_slots(ledger: Ledger, key: SigningKey) -> None:
    prepare(ledger)
    approve(ledger, "a", request="r-1")
    approve(ledger, "b", request="r-2")
    deploy(ledger, "a", as_id="d-1")

    migrate_down(ledger, "0010")
    migrate(ledger)

    with ledger.read() as db:
        assert verify(db, [key.public]).ok
        assert adapter_queries.approved_norms(db, cast.BASE, besides="") == (1.5, 1.5)
        assert [row.request for row in request_queries.undeployed_requests(db)] == ["r-2"]


def test_indexes_are_rebuilt(ledger: Ledger, key: SigningKey) -> None:
    prepare(ledger)
    approve(ledger, "a", request="r-1")
    with ledger.write() as tx:
        tx.connection.execute(text("UPDATE index_adapters SET state = 'deployed'"))
    with ledger.read() as db:
        assert [finding.code for finding in verify(db, [key.public]).findings] == ["index_differs"]

    with ledger.write() as tx:
        rebuild_indexes(tx)
    with ledger.read() as db:
        assert verify(db, [key.public]).ok


POSTGRES_REFUSED = [
    "UPDATE entries SET body = '{}'",
    "DELETE FROM entries",
    "TRUNCATE entries",
    "TRUNCATE entries CASCADE",
    "INSERT INTO entries SELECT * FROM entries WHERE seq = 1 ON CONFLICT (seq) DO UPDATE SET body = '{}'",
    "INSERT INTO entries SELECT seq + 9, leaf_hash, leaf_hash, nodes, body FROM entries WHERE seq = 1",
    "INSERT INTO entries SELECT seq + 1, leaf_hash, leaf_hash, nodes, body FROM entries WHERE seq = 1",
    "UPDATE checkpoints SET root_hash = ''",
    "DELETE FROM checkpoints",
    "TRUNCATE checkpoints",
    "INSERT INTO checkpoints VALUES (99, '', '', '', '')",
]


UPDATE_GUARD = "entries_guard_update"
ANEW = f"DROP TRIGGER {UPDATE_GUARD} ON entries; CREATE TRIGGER {UPDATE_GUARD}"
REFUSING = "EXECUTE FUNCTION guard_refuse()"
DISABLE_FOR_ALL_SESSIONS = """
DO $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica', current_database());
END $$"""
POSTGRES_WEAKENED = [
    (f"ALTER TABLE entries DISABLE TRIGGER {UPDATE_GUARD}", {UPDATE_GUARD}),
    (f"ALTER TABLE entries ENABLE REPLICA TRIGGER {UPDATE_GUARD}", {UPDATE_GUARD}),
    ("ALTER TABLE entries DISABLE TRIGGER ALL", {name for name in POSTGRES if name.startswith("entries_")}),
    (DISABLE_FOR_ALL_SESSIONS, set(POSTGRES)),
    (
        "CREATE OR REPLACE FUNCTION guard_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        {name for name in POSTGRES if not name.endswith("_insert")},
    ),
    ("ALTER FUNCTION guard_entry() SET search_path = elsewhere", {"entries_guard_insert"}),
    (f"{ANEW} BEFORE UPDATE ON entries FOR EACH STATEMENT WHEN (false) {REFUSING}", {UPDATE_GUARD}),
    (f"{ANEW} BEFORE UPDATE OF seq ON entries FOR EACH STATEMENT {REFUSING}", {UPDATE_GUARD}),
    (f"{ANEW} BEFORE UPDATE ON marks FOR EACH STATEMENT {REFUSING}", {UPDATE_GUARD}),
]


def directly(ledger: Ledger, statement: str, *, as_owner: bool) -> None:
    """Run a statement past our code."""
    with ledger.write() as tx:
        if as_owner:
            tx.connection.execute(text("RESET ROLE"))
        tx.connection.execute(text(statement))


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
class TestOnPostgreSQL:
    """What PostgreSQL has beyond SQLite."""

    @pytest.mark.parametrize("role", ["writer", "owner"])
    def test_direct_changes_are_refused(self, ledger: Ledger, role: str) -> None:
        prepare(ledger)
        step(ledger, "policy:set", "p", cast.policy())
        for statement in POSTGRES_REFUSED:
            with pytest.raises(LedgerError, match="guard" if role == "owner" else "permission denied|guard"):
                directly(ledger, statement, as_owner=role == "owner")
        with ledger.read() as db:
            assert queries.size(db) == 3

    def test_the_ledger_writes_as_a_role_that_cannot_change_evidence(self, ledger: Ledger) -> None:
        with ledger.read() as db:
            assert db.connection.execute(text("SELECT current_user")).scalar() == WRITER_ROLE
            may = text("SELECT has_table_privilege('entries', :what)")
            granted = {what: db.connection.execute(may, {"what": what}).scalar() for what in RIGHTS}
        assert granted == {"SELECT": True, "INSERT": True, "UPDATE": False, "DELETE": False, "TRUNCATE": False}

    def test_the_digests_of_the_guards_are_those_that_verify_expects(self, ledger: Ledger) -> None:
        with ledger.read() as db:
            assert guard_digests(db) == POSTGRES

    @pytest.mark.parametrize(("statements", "guards"), POSTGRES_WEAKENED)
    def test_a_guard_that_is_out_of_force_is_named(
        self, ledger: Ledger, url: str, key: SigningKey, statements: str, guards: set[str]
    ) -> None:
        with owner(url) as db:
            db.execute(text(statements))
        ledger.engine.dispose()  # what is set for the whole database holds for connections that are opened later
        with ledger.read() as db:
            report = verify(db, [key.public])
        assert {(item.code, item.what) for item in report.findings} == {
            ("missing_guard", f"guard {name}") for name in guards
        }

    def test_a_reader_cannot_write(self, ledger: Ledger) -> None:
        with pytest.raises((LedgerError, DBAPIError), match="read-only"), ledger.read() as db:
            db.connection.execute(text("DELETE FROM jobs"))


RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
