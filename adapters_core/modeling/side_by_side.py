"""Sites folded side by side: threads that compute with one thread of torch each.

A state of 256 x 256 is small for threads that share it: they wait for each other at every step, and very long where
another process holds a core. One site a thread leaves nothing to wait for, and makes the pairs of a state the same for
any number of threads: each site is computed by one.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar, runtime_checkable

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_THREADS = 8
"""Threads at most: each holds the float64 factors of one site."""
_START_SECONDS = 60


@runtime_checkable
class Mapper(Protocol):
    """Applies a function to items and gives the results in their order, as ``map`` does."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]:
        """The results, in the order of the items."""
        ...


class SideBySide:
    """A :class:`Mapper` with threads of its own. They end with it."""

    def __init__(self, threads: int) -> None:
        """Start the threads.

        How many threads torch computes with is set for each thread, but setting it also becomes the default of threads
        that begin later. So all of them start here, before this returns, and the default is then what it was.

        Args:
            threads: how many, at least 1.
        """
        self.threads = threads
        started = threading.Barrier(threads)

        def begin() -> None:
            torch.get_num_threads()  # a thread's first call takes the default: later it would undo the next line
            torch.set_num_threads(1)
            started.wait(_START_SECONDS)

        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="fold", initializer=begin)
        own = torch.get_num_threads()
        try:
            for ready in [self._executor.submit(torch.get_num_threads) for _ in range(threads)]:
                ready.result()
        finally:
            torch.set_num_threads(own)

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]:
        """The results in the order of the items; of several errors the first in that order is raised.

        What has begun when an error or an interrupt comes is finished by its thread, the rest is not begun. A caller
        that computes with one thread does it all itself: the bytes are the same.
        """
        if torch.get_num_threads() == 1:
            return map(function, items)
        return self._executor.map(function, items)
