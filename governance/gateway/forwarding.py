"""Handing a request on to an engine, and its answer back as it comes."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx

from adapters_core.errors import UnavailableError
from governance.engines.engine import Address

_CONNECT_SECONDS = 3.0
_SILENCE_SECONDS = 300.0
_PASSED_ON = ("content-type", "retry-after")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An engine's answer, of which the body may still be on its way."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


def open_client() -> httpx.AsyncClient:
    """Connections to engines; belongs to one event loop."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    timeout = httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
    return httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False)


async def forward(client: httpx.AsyncClient, address: Address) -> Answer:
    """Ask an engine.

    Raises:
        UnavailableError: it gives no answer.
    """
    request = client.build_request("POST", address.url, json=dict(address.body), headers=dict(address.headers))
    try:
        answer = await client.send(request, stream=True)
    except httpx.HTTPError as error:
        raise UnavailableError(f"the engine gives no answer now ({type(error).__name__}): ask again") from error
    headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
    return Answer(status=answer.status_code, headers=headers, pieces=_pieces(answer))


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_bytes():
            yield piece
    except httpx.HTTPError:
        # The status is sent already; whoever reads a stream knows its end by [DONE].
        yield b'data: {"error": {"message": "the engine ended the answer early", "code": "engine"}}\n\n'
    finally:
        await answer.aclose()
