"""From the model's thread to the event loop, and from there to the caller as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse

EVENT_STREAM = "text/event-stream"
KEEP_ALIVE_SECONDS = 15.0
KEEP_ALIVE = ": still at work\n\n"
T = TypeVar("T")


class Channel(Generic[T]):
    """A queue that any thread writes and the event loop that made it reads."""

    def __init__(self) -> None:
        """Belong to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[T] = asyncio.Queue()

    def put(self, item: T) -> None:
        """Write; safe from any thread, returns at once."""
        with suppress(RuntimeError):  # the loop has ended, and its readers with it
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    async def get(self) -> T:
        """Read the next item."""
        return await self._queue.get()

    async def get_within(self, seconds: float) -> T | None:
        """Read the next item; None where none comes in time."""
        try:
            return await asyncio.wait_for(self._queue.get(), seconds)
        except TimeoutError:
            return None


class CallerGoneError(Exception):
    """The caller closed the connection before the answer was ready: nobody is left to be told."""


async def unless_gone(request: Request, work: Awaitable[T], *, give_up: Callable[[], object]) -> T:
    """The result of work, which is given up when the caller goes away.

    Raises:
        CallerGoneError: the caller went away.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_leaves(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerGoneError
        return working.result()
    finally:
        leaving.cancel()
        if not working.done():
            give_up()
            working.cancel()


def event(data: object, *, name: str | None = None) -> str:
    """One server-sent event with JSON data."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False, allow_nan=False)}\n\n"


def event_response(events: AsyncIterator[str]) -> StreamingResponse:
    """An answer that streams events; proxies are asked not to hold them back."""
    return StreamingResponse(
        events, media_type=EVENT_STREAM, headers={"cache-control": "no-store", "x-accel-buffering": "no"}
    )


async def _leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
