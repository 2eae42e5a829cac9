"""What work that holds the model is given, and what is given back to who asked for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from adapters_core.errors import UnavailableError

Result = TypeVar("Result")


class Turn:
    """Given to work that holds the model."""

    def __init__(self, pause: Callable[[], None]) -> None:
        """Made by the scheduler."""
        self._pause = pause
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Ask the work to end at its next pause; safe from any thread."""
        self._cancelled.set()

    def pause(self) -> None:
        """Let answers go on for a few steps. Call it where no adapter is applied.

        Raises:
            UnavailableError: the caller has gone; the work ends here.
        """
        if self._cancelled.is_set():
            raise UnavailableError("the caller has gone: the work was given up and nothing was stored")
        self._pause()


@dataclass(frozen=True, kw_only=True, eq=False)
class Job(Generic[Result]):
    """Work that was begun."""

    future: "Future[Result]"
    """Its result."""
    cancel: Callable[[], object]
    """Gives it up: at once where it waits, at its next pause where it runs. Safe from any thread."""
