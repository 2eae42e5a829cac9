"""A real worker process that is killed in the middle of its work: another one does it, and it is recorded once."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters_core.ledger import job_queries, outbox_queries, queries
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.signing import load_public
from adapters_core.ledger.verification.verify import verify
from governance.services.deploy import deploy
from governance.services.generate import generate
from governance.services.submit_context import submit_context
from governance.worker.deploying import TOPIC
from governance.worker.working import work_once
from governance.worker.workplace import LEASE_SECONDS, Workplace
from tests.cast import HANAKO, MISAKI
from tests.factories.installations import Place
from tests.factories.works import FERRY, SLOT, approved, carry_out, slot_row
from tests.tiny_service import TOKEN

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 120.0
MESSAGE_LEASE_SECONDS = 60.0


@contextmanager
def silent_core() -> Iterator[tuple[str, Callable[[bytes], bool]]]:
    """A core that takes every request and answers none: its address, and whether something was asked of it."""
    heard: list[bytes] = []
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hear(connection: socket.socket) -> None:
            heard.append(connection.recv(65536))

        def listen() -> None:
            while True:
                try:
                    connection, _address = listening.accept()
                except OSError:  # closed: the test is over
                    return
                kept.append(connection)
                threading.Thread(target=hear, args=(connection,), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        try:
            yield (
                f"http://127.0.0.1:{listening.getsockname()[1]}",
                lambda wanted: any(one.startswith(wanted) for one in list(heard)),
            )
        finally:
            for connection in kept:
                connection.close()


@contextmanager
def worker_process(place: Place, core: str) -> Iterator[subprocess.Popen[bytes]]:
    """``manage.py worker`` over this installation."""
    given = {"RINGI_VAR": str(place.folder), "RINGI_CORE_URL": core, "RINGI_CORE_TOKEN": TOKEN, "RINGI_DEBUG": "1"}
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    with (place.folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", "--name", "to-be-killed"],
            cwd=ROOT,
            env={**environment, **given, "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    waited = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.1)):
        if condition():
            return
        assert process.poll() is None, log.read_text(encoding="utf-8")
        waited.wait(0.1)
    raise AssertionError(log.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_generation_whose_worker_is_killed_is_done_by_another_and_recorded_once(place: Place, at: Workplace) -> None:
    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    job = generate(place.actor(HANAKO), context=context).job
    with silent_core() as (url, asked), worker_process(place, url) as process:
        until(lambda: asked(b"POST /v1/generate "), process, place.folder / "worker.log")
        with place.ledger.read() as db:
            assert job_queries.job(db, job).worker == "to-be-killed"
        process.send_signal(signal.SIGKILL)
        process.wait()

    place.clock.now = datetime.now(UTC)
    assert not work_once(at)  # the dead worker's lease runs still
    place.clock.now = datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS + 1)
    assert work_once(at)

    with place.ledger.read() as db:
        done = job_queries.job(db, job)
        made = queries.find_entries(db, EntryFilter(events=("adapter:generated",)))
        assert verify(db, [load_public(place.folder / "keys" / "ledger.key.pub")]).findings == ()
    assert (done.state, done.attempts) == ("done", 2)
    assert [entry.subject.id for entry in made] == [(done.result or {})["adapter"]]


@pytest.mark.slow
def test_a_deployment_whose_worker_is_killed_is_done_by_another_and_recorded_once(place: Place, at: Workplace) -> None:
    digest = approved(place, at)
    place.clock.now = datetime.now(UTC)
    deploy(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=None, reason="Go")

    def leased() -> bool:
        with place.ledger.read() as db:
            return bool(outbox_queries.find_messages(db, states=("leased",), topics=(TOPIC,)))

    with silent_core() as (url, asked), worker_process(place, url) as process:
        until(lambda: leased() and asked(b"GET "), process, place.folder / "worker.log")
        assert slot_row(place).pending
        process.send_signal(signal.SIGKILL)
        process.wait()

    place.clock.now = datetime.now(UTC)
    carry_out(at)  # the dead worker's lease runs still
    assert slot_row(place).adapter is None
    place.clock.now = datetime.now(UTC) + timedelta(seconds=MESSAGE_LEASE_SECONDS + 1)
    carry_out(at)

    with place.ledger.read() as db:
        ended = queries.find_entries(db, EntryFilter(kind="deployment"))
        assert verify(db, [load_public(place.folder / "keys" / "ledger.key.pub")]).findings == ()
    assert [entry.event for entry in ended] == ["deployment:succeeded", "deployment:requested"]
    assert slot_row(place).adapter == digest
    assert slot_row(place).pending is None
