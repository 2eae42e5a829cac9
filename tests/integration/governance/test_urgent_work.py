"""What somebody waits for does not wait for what nobody waits for."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from adapters_core.ledger import outbox_queries
from adapters_core.service.client import CoreClient
from governance.engines.registry import Engines
from governance.services.create_slot import create_slot
from governance.services.deploy import deploy
from governance.services.generate import generate
from governance.services.roll_back import roll_back
from governance.services.submit_context import submit_context
from governance.worker import projection
from governance.worker.loops import Worker
from governance.worker.workplace import Workplace
from tests.cast import HANAKO, MISAKI
from tests.factories.cores import RunningCore
from tests.factories.installations import Place
from tests.factories.works import FERRY, SLOT, TEA, approved, carry_out, slot_row

LONG = 60.0
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


class Mute:
    """A server that takes connections and says nothing until it is let go."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.called = threading.Event()
        self.taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def _take(self) -> None:
        while True:
            try:
                taken, _address = self.listening.accept()
            except OSError:
                return
            self.taken.append(taken)
            self.called.set()

    def close(self) -> None:
        self.listening.close()
        for taken in self.taken:
            taken.close()


@contextmanager
def mute() -> Iterator[Mute]:
    server = Mute()
    yield server
    server.close()


def served(place: Place, at: Workplace) -> tuple[str, str]:
    first, second = approved(place, at), approved(place, at, TEA)
    for digest, seen in ((first, None), (second, first)):
        deploy(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=seen, reason="Go")
        carry_out(at)
    return first, second


def wait_until_served(place: Place, digest: str | None) -> None:
    for _ in range(int(LONG / 0.05)):
        if slot_row(place).adapter == digest:
            return
        time.sleep(0.05)
    pytest.fail("the rollback was not carried out")


def test_a_rollback_waits_neither_for_a_silent_mlflow_nor_for_a_silent_core(
    place: Place, at: Workplace, core: RunningCore
) -> None:
    first, second = served(place, at)
    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    generate(place.actor(HANAKO), context=context)
    with mute() as tracking, mute() as generating:
        hung = replace(at, mlflow_url=tracking.url, core=CoreClient(generating.url, token=core.token, timeout=LONG))
        worker = Worker(hung, reconcile_seconds=LONG)
        worker.start()
        try:
            assert tracking.called.wait(LONG)
            assert generating.called.wait(LONG)
            roll_back(place.actor(MISAKI), slot=SLOT, adapter=first, seen=second, reason="Back")
            wait_until_served(place, first)
            with place.ledger.read() as db:
                held = outbox_queries.find_messages(db, topics=projection.TOPICS, states=("leased",))
            assert held
        finally:
            tracking.close()
            generating.close()
            worker.stop()


def test_a_rollback_does_not_wait_for_the_silent_engine_of_another_slot(
    place: Place, at: Workplace, core: RunningCore
) -> None:
    first, second = served(place, at)
    with mute() as engine:
        engines = Engines({"core": f"vllm+{core.url}", "silent": f"vllm+{engine.url}"}, {"core": core.token})
        create_slot(
            place.actor(MISAKI), name="far", title="Far", base=core.core.base.digest, engine="silent", policy="lenient"
        )
        far = approved(place, at, slot="far")
        worker = Worker(replace(at, engines=engines), reconcile_seconds=LONG)
        worker.start()
        try:
            deploy(place.actor(MISAKI), slot="far", adapter=far, seen=None, reason="Go")
            assert engine.called.wait(LONG)
            roll_back(place.actor(MISAKI), slot=SLOT, adapter=first, seen=second, reason="Back")
            wait_until_served(place, first)
            assert slot_row(place, "far").pending, "the other deployment is still under way"
        finally:
            engine.close()
            worker.stop()
            engines.close()


def test_a_worker_makes_mlflow_ready_before_it_takes_anything(place: Place, at: Workplace) -> None:
    store = place.folder / "mlflow.sqlite3"
    assert not store.exists()
    worker = Worker(at, reconcile_seconds=LONG)

    worker.start()

    try:
        assert store.exists()
    finally:
        worker.stop()


def test_a_worker_starts_without_the_mlflow_server_that_it_will_need(at: Workplace) -> None:
    worker = Worker(replace(at, mlflow_url="http://127.0.0.1:9"), reconcile_seconds=LONG)

    worker.start()

    worker.stop()
