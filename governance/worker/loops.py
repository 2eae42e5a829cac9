"""The worker's threads: deployments, jobs, other messages, MLflow and the reconciler do not wait for each other."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from django.db import close_old_connections

from adapters_core.errors import RingiError
from adapters_core.ledger import outbox_queries
from governance.worker import delivering, projection
from governance.worker.core_state import note_generator
from governance.worker.reconciling import reconcile, reconcile_mlflow
from governance.worker.sweeping import sweep
from governance.worker.working import ON_THE_LEDGER, work_once
from governance.worker.workplace import Workplace

URGENT_SECONDS = 0.1
DEPLOYMENTS_AT_ONCE = 4
"""Of different slots: an engine that does not answer holds up those of its own slots only."""
PAUSE_SECONDS = 0.5
RECONCILE_SECONDS = 15.0
_TROUBLE_SECONDS = 2.0
_LOG = logging.getLogger("ringi.worker")
Turn = Callable[[], bool]
"""Does something if there is something; answers whether there was."""


class Worker:
    """One worker process's threads."""

    def __init__(self, at: Workplace, *, reconcile_seconds: float = RECONCILE_SECONDS) -> None:
        """Prepare; nothing runs yet."""
        self._at = at
        self._stop = threading.Event()
        self._reconcile_seconds = reconcile_seconds
        urgent = self._messages(delivering.URGENT, limit=1)
        loops: Sequence[tuple[str, Turn, float]] = (
            *((f"deployments {number}", urgent, URGENT_SECONDS) for number in range(1, DEPLOYMENTS_AT_ONCE + 1)),
            ("jobs", lambda: work_once(at), PAUSE_SECONDS),
            ("verifications", lambda: work_once(at, ON_THE_LEDGER), PAUSE_SECONDS),
            ("messages", self._messages(delivering.OTHERS), PAUSE_SECONDS),
            ("mlflow", self._messages(projection.TOPICS), PAUSE_SECONDS),
            ("reconciler", self._reconciled, reconcile_seconds),
            ("reconciler of mlflow", self._reconciled_mlflow, 4 * reconcile_seconds),
        )
        self._threads = [
            threading.Thread(target=self._run, args=loop, name=f"ringi {loop[0]}", daemon=True) for loop in loops
        ]

    def start(self) -> None:
        """Start all threads, once what takes the whole processor for seconds is done."""
        delivering.prepare(self._at)
        for thread in self._threads:
            thread.start()

    def stop(self, *, seconds: float = 10.0) -> None:
        """End all threads after what they do now; what takes longer is given up, and its lease runs out."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=seconds)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until somebody stops it; answers whether somebody did."""
        return self._stop.wait(seconds)

    def _run(self, name: str, turn: Turn, pause: float) -> None:
        while not self._stop.is_set():
            try:
                busy = turn()
            except RingiError as error:
                _LOG.warning("%s: %s", name, error)
                self._stop.wait(_TROUBLE_SECONDS)
                continue
            except Exception:  # noqa: BLE001  a fault of ours must not end the thread
                _LOG.exception("%s failed in a way that was not foreseen", name)
                self._stop.wait(_TROUBLE_SECONDS)
                continue
            finally:
                close_old_connections()
            if not busy:
                self._stop.wait(pause)

    def _messages(self, topics: tuple[str, ...], *, limit: int = delivering.AT_ONCE) -> Turn:
        """Looks without a lock first: nothing waits most of the time."""

        def turn() -> bool:
            with self._at.ledger.read() as db:
                waiting = outbox_queries.pending_counts(db)
            if not any(waiting.get(topic) for topic in topics):
                return False
            return delivering.deliver_some(self._at, topics, limit=limit) > 0

        return turn

    def _reconciled(self) -> bool:
        with suppress(RingiError):  # a core that is down says so elsewhere
            note_generator(self._at)
        reconcile(self._at)
        sweep(self._at)
        return False

    def _reconciled_mlflow(self) -> bool:
        with self._at.ledger.read() as db:
            if outbox_queries.find_messages(db, states=("delivered",), topics=(projection.ALIAS,), limit=1):
                reconcile_mlflow(self._at)
        return False
