"""One thread owns the model; everything that touches it waits its turn here.

Answers are decoded together (:mod:`adapters_core.service.decoding`). Other work (generating, evaluating) runs one piece
at a time and hands the model over between its chunks by calling ``turn.pause()``: answers go on streaming while a long
context is read. No adapter is ever applied while the model changes hands.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from adapters_core.errors import BusyError, EngineError, RingiError, UnavailableError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.service.decoding import DecodingBatch, Emit, Prompt, Row
from adapters_core.service.metrics import Metrics
from adapters_core.service.turns import Job, Turn

Result = TypeVar("Result")
STEPS_BETWEEN = 8
"""Decoding steps between two pieces of other work."""


@dataclass(frozen=True, kw_only=True)
class SchedulerLimits:
    """How much is done at once and how much may wait."""

    batch_rows: int = 16
    """Answers decoded together."""
    batch_slots: int = 65_536
    """Tokens that those answers may come to hold together, padding included."""
    prefill_tokens: int = 4_096
    """Tokens of prompts read in one padded pass; one longer prompt is read alone."""
    queue_length: int = 64
    """Answers and pieces of other work that wait; further ones are refused."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Task:
    """Work that waits for the model, or has it."""

    work: Callable[["Turn"], object]
    turn: Turn
    future: "Future[object]"

    def cancel(self) -> None:
        self.turn.cancel()
        self.future.cancel()


class Scheduler:
    """The thread that owns the model, and the queues before it."""

    def __init__(
        self, base: BaseModel, *, limits: SchedulerLimits | None = None, metrics: Metrics | None = None
    ) -> None:
        """Start the thread."""
        self._base = base
        self._limits = limits or SchedulerLimits()
        self._metrics = metrics or Metrics()
        self._batch = DecodingBatch(base)
        self._rows: deque[Row] = deque()
        self._tasks: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread takes work."""
        return self._thread.is_alive() and not self._closing

    @property
    def thread_alive(self) -> bool:
        """Whether the thread runs, taking work or finishing it."""
        return self._thread.is_alive()

    def answer(self, prompt: Prompt, emit: Emit) -> Row:
        """Queue a prompt; its pieces, or the error that ends it, go to ``emit`` from the model's thread.

        Raises:
            BusyError: the queue is full.
            UnavailableError: the service is closing.
        """
        row = Row(self._base, prompt, emit)
        with self._changed:
            self._require_room()
            self._rows.append(row)
            self._changed.notify()
        return row

    def submit(self, work: Callable[[Turn], Result]) -> Job[Result]:
        """Queue other work; it has the model to itself while it runs.

        Raises:
            BusyError, UnavailableError: as in :meth:`answer`.
        """
        future: Future[Result] = Future()
        task = _Task(work=work, turn=Turn(lambda: self._answer(paused=True)), future=future)  # type: ignore[arg-type]  # results are not looked at
        with self._changed:
            self._require_room()
            self._tasks.append(task)
            self._changed.notify()
        return Job(future=future, cancel=task.cancel)

    def close(self, *, timeout: float | None = None) -> bool:
        """Take nothing new, finish what was taken, end the thread; gives whether it ended in time (seconds)."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _require_room(self) -> None:
        if self._closing:
            raise UnavailableError("the service is closing: ask another replica, or later")
        waiting = len(self._rows) + len(self._tasks)
        if waiting >= self._limits.queue_length:
            raise BusyError(f"{waiting} requests wait already, the most that may: ask again later")
        self._metrics.queued.set(waiting + 1)

    def _run(self) -> None:
        while self._wait():
            self._run_task()
            self._answer(paused=False)

    def _wait(self) -> bool:
        """Sleep until there is work; gives whether to go on."""
        with self._changed:
            self._changed.wait_for(lambda: self._rows or self._tasks or len(self._batch) or self._closing)
            return bool(self._rows or self._tasks or len(self._batch))

    def _run_task(self) -> None:
        with self._changed:
            task = self._tasks.popleft() if self._tasks else None
        if task is None or not task.future.set_running_or_notify_cancel():
            return
        try:
            result = task.work(task.turn)
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to who waits, and the thread lives on
            task.future.set_exception(error)
        else:
            task.future.set_result(result)

    def _answer(self, *, paused: bool) -> None:
        """Let waiting rows join as far as there is room, and decode until there is other work to consider."""
        while rows := self._next_rows():
            self._admit(rows)
        limit = STEPS_BETWEEN if paused or self._tasks else None

        def interrupted() -> bool:
            return self._can_admit() or (limit is None and bool(self._tasks))

        taken = 0
        while len(self._batch) and (limit is None or taken < limit) and not interrupted():
            rows_now = len(self._batch)
            steps = self._decode(None if limit is None else limit - taken, interrupted)
            self._metrics.batch_rows.observe(rows_now)
            self._metrics.steps.inc(steps)
            taken += steps

    def _decode(self, limit: int | None, interrupted: Callable[[], bool]) -> int:
        try:
            return self._batch.steps(limit, interrupted=interrupted)
        except Exception as error:  # noqa: BLE001  # a failing batch must not end the thread
            self._batch.fail(_as_ringi(error))
            return 0

    def _admit(self, rows: list[Row]) -> None:
        try:
            self._batch.admit(rows)
        except Exception as error:  # noqa: BLE001  # as above; only the rows that were joining are lost
            for row in rows:
                if not row.finished:
                    row.fail(_as_ringi(error))

    def _can_admit(self) -> bool:
        return bool(self._rows) and (self._rows[0].cancelled or self._fits([self._rows[0]]))

    def _next_rows(self) -> list[Row]:
        """The rows that join next: in the order they came, as many as fit."""
        chosen: list[Row] = []
        with self._changed:
            while self._rows:
                row = self._rows[0]
                if row.cancelled:
                    self._rows.popleft()
                elif self._fits([*chosen, row]):
                    chosen.append(self._rows.popleft())
                else:
                    break
            self._metrics.queued.set(len(self._rows) + len(self._tasks))
        return chosen

    def _fits(self, rows: list[Row]) -> bool:
        limits, held = self._limits, len(self._batch)
        if held + len(rows) == 1:
            return True
        longest = max(len(row.prompt.token_ids) for row in rows)
        if len(rows) > 1 and longest * len(rows) > limits.prefill_tokens:
            return False
        most = max(self._batch.most_tokens, *(row.prompt.most_tokens for row in rows))
        return held + len(rows) <= limits.batch_rows and (held + len(rows)) * most <= limits.batch_slots


def _as_ringi(error: Exception) -> RingiError:
    if isinstance(error, RingiError):
        return error
    # the message of a foreign error may hold text of prompts; its class does not
    return EngineError(f"decoding failed with {type(error).__name__}: nothing was answered, ask again")
