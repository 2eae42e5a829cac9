"""How much is taken in: bytes of a body, requests at once."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters_core.errors import BusyError, TooLargeError
from adapters_core.service.auth import OPEN_PATHS
from adapters_core.service.problems import Problem
from adapters_core.service.sending import send_problem

_PATIENCE = 4
_FREE = OPEN_PATHS | {"/metrics"}
"""What is answered however busy the service is."""


class Intake:
    """Refuses bodies that are too long (413) and requests beyond the number answered at once (429)."""

    def __init__(self, app: ASGIApp, *, body_bytes: int, concurrent_requests: int) -> None:
        """Guard an app."""
        self._app = app
        self._body_bytes = body_bytes
        self._most = concurrent_requests
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through or refuse it."""
        if scope["type"] != "http" or scope["path"] in _FREE:
            await self._app(scope, receive, send)
        elif self._running >= self._most:
            error = BusyError(f"{self._running} requests are being answered, the most at once: ask again later")
            await send_problem(Problem.of(error), scope, send)
        else:
            self._running += 1
            try:
                await self._limited(scope, receive, send)
            finally:
                self._running -= 1

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._read(receive)
        if body is None:
            error = TooLargeError(f"a request's body must be at most {self._body_bytes} bytes: split the context")
            await send_problem(Problem.of(error), scope, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replayed, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body; None where it is too long.

        What is too long is still taken from the wire (up to a bound) and dropped: a caller that is cut off while it
        sends would see a broken connection instead of the answer.
        """
        parts: list[bytes] = []
        taken, more = 0, True
        while more and taken <= _PATIENCE * self._body_bytes:
            message = await receive()
            part = message.get("body", b"")
            taken += len(part)
            parts.append(part if taken <= self._body_bytes else b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
        return b"".join(parts) if taken <= self._body_bytes else None
