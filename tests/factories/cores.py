"""A generation core over a tiny base behind a real socket, which tests stop and start again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from adapters_core.pipeline import GenerationCore
from adapters_core.service.app import create_app
from adapters_core.service.core_service import build_service
from adapters_core.service.server import bind
from tests.tiny_service import TOKEN, tiny_core, tiny_settings

STARTED_SECONDS = 30.0


class RunningCore:
    """One address; whether anybody listens there is for the test to say."""

    def __init__(self, store: Path, *, adapters: Path, core: GenerationCore | None = None) -> None:
        self.core = core or tiny_core()
        self.store = store
        self._settings = tiny_settings(store, adapter_roots=(adapters,), drain_seconds=1.0)
        listening = bind("127.0.0.1", 0)
        self.port: int = listening.getsockname()[1]
        listening.close()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = TOKEN
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen and answer."""
        service = build_service(self.core, self._settings, now=1_700_000_000)
        config = uvicorn.Config(create_app(service), log_config=None, lifespan="on", timeout_graceful_shutdown=2)
        listening = bind("127.0.0.1", self.port)
        server = uvicorn.Server(config)
        self._server = server
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(STARTED_SECONDS * 20)):
            if server.started:
                return
            waited.wait(0.05)
        raise TimeoutError("the core did not start")

    def stop(self) -> None:
        """Hang up: connections are refused from now on."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(timeout=STARTED_SECONDS)
        self._server = self._thread = None


@contextmanager
def running_core(store: Path, *, adapters: Path, core: GenerationCore | None = None) -> Iterator[RunningCore]:
    """A core that listens until the block ends."""
    running = RunningCore(store, adapters=adapters, core=core)
    running.start()
    try:
        yield running
    finally:
        running.stop()
