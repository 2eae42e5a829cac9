"""Answers that are sent while they are being read: never whole in memory, under WSGI and under ASGI."""

from collections.abc import AsyncIterator, Generator
from itertools import islice

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

LINES = 200
"""That are read at a time where others are served meanwhile."""


def streamed(
    request: HttpRequest, lines: Generator[str, None, None], *, kind: str, name: str | None = None
) -> StreamingHttpResponse:
    """Send lines as they come.

    Args:
        request: to be answered.
        lines: closed at the end, also when nobody listens any more.
        kind: the media type.
        name: of the file as which a browser keeps it.
    """
    content = _in_turns(lines) if isinstance(request, ASGIRequest) else lines
    headers = {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
    return StreamingHttpResponse(content, content_type=kind, headers=headers)


async def _in_turns(lines: Generator[str, None, None]) -> AsyncIterator[str]:
    """Read in the request's own thread: what reads a database stays where it began."""

    def some() -> str:
        return "".join(islice(lines, LINES))

    try:
        while part := await sync_to_async(some)():
            yield part
    finally:
        await sync_to_async(lines.close)()
