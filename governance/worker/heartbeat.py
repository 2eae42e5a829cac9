"""Keeping a job's lease while it is worked on, and telling how far it has come."""

import threading
from types import TracebackType
from typing import Any, Self

from adapters_core.errors import BusyError, LeaseLostError
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.jobs import renew_job
from adapters_core.ledger.session import Ledger

_BEATS_PER_LEASE = 6


class Heartbeat:
    """Renews a lease from a thread of its own until the block ends."""

    def __init__(self, ledger: Ledger, job: Job, *, seconds: float) -> None:
        """Prepare; nothing is renewed yet."""
        self._ledger, self._job, self._seconds = ledger, job, seconds
        self._progress: dict[str, Any] | None = dict(job.progress) if job.progress else None
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease {job.job}", daemon=True)
        self._stage = ""
        self.adapter: str | None = (self._progress or {}).get("adapter")
        """What the core has made for the job, in this try or an earlier one that was cut off."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def stage(self, name: str) -> None:
        """Say what is done now.

        Raises:
            LeaseLostError: another worker has the job.
        """
        self._stage = name
        self.progress(0, 0)

    def progress(self, done: int, total: int) -> None:
        """Say how far it has come. Raises as :meth:`stage`."""
        made = {"adapter": self.adapter} if self.adapter else {}
        self._progress = {"stage": self._stage, "done": done, "total": total, **made}
        if self._lost.is_set():
            raise LeaseLostError(f"job {self._job.job} is not leased to this worker any more")

    def made(self, adapter: str) -> None:
        """Say what the core has made, at once and for good: should it never be recorded, it is known what to remove.

        Raises:
            LeaseLostError: another worker has the job, or it ended.
            BusyError: it could not be written.
        """
        self.adapter = adapter
        self.progress(0, 0)
        with self._ledger.write() as tx:
            renew_job(tx, self._job, seconds=self._seconds, progress=self._progress)

    def _beat(self) -> None:
        while not self._ended.wait(self._pause()):
            try:
                with self._ledger.write() as tx:
                    renew_job(tx, self._job, seconds=self._seconds, progress=self._progress)
            except LeaseLostError:
                self._lost.set()
                return
            except BusyError:  # the next beat is soon enough
                continue

    def _pause(self) -> float:
        """Seconds between two beats: short enough to watch."""
        return min(1.0, self._seconds / _BEATS_PER_LEASE)
