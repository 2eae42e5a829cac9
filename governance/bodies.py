"""The largest request that is listened to: a server that reads on fills its disk for whoever sends most."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from typing import Any

LARGEST = 16 * 2**20
"""Bytes: a context of 2 MB may come as JSON with six bytes a character."""
TOO_LARGE = (
    f"送信されたデータが大きすぎます（上限 {LARGEST // 2**20} MB）。何も変更されていません。\n"
    f"What was sent is too large (at most {LARGEST // 2**20} MB). Nothing was changed.\n"
)
STATUS = 413

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


class _TooLargeError(Exception):
    """More came than is listened to."""


def limited(application: Application, *, largest: int = LARGEST) -> Application:
    """An ASGI application that answers larger requests with 413 and reads no further, whatever length they state."""

    async def answer(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        if stated_length(dict(scope["headers"]).get(b"content-length", b"").decode("latin-1")) > largest:
            await _refuse(send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > largest:
                raise _TooLargeError
            return message

        try:
            await application(scope, counted, send)
        except _TooLargeError:
            await _refuse(send)

    return answer


def stated_length(header: str) -> int:
    """What a Content-Length says; 0 where it is missing or no number."""
    digits = header.strip()
    return int(digits[:20]) if digits.isascii() and digits.isdigit() else 0


async def _refuse(send: Send) -> None:
    body = TOO_LARGE.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": STATUS, "headers": headers})
    await send({"type": "http.response.body", "body": body})
