"""Calls to an engine over HTTP: an engine that is down and one that refuses are two different errors."""

from collections.abc import Mapping
from typing import Any

import httpx

from adapters_core.errors import BusyError, EngineError, EngineRefusedError, RingiError
from adapters_core.service.wire import error_of, json_of, problem_of

_CONNECT_SECONDS = 3.0
_SERVER_ERROR = 500
_PASSING = frozenset({408, 425, 429})


class EngineCalls:
    """Connections to one engine; may be shared by threads."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open none yet."""
        self.url = url.rstrip("/")
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(
            base_url=self.url,
            headers=self.headers,
            timeout=httpx.Timeout(timeout, connect=_CONNECT_SECONDS),
            transport=transport,
            trust_env=False,
        )

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, final: frozenset[str] = frozenset()
    ) -> Any:  # noqa: ANN401  # JSON
        """The JSON of an answer.

        Args:
            method: of HTTP.
            path: beneath the engine's address.
            body: is sent as JSON.
            final: types of problems that are refusals, although their status says that the server failed.

        Raises:
            EngineError: there was none; it may come later.
            RingiError: the engine refused; asking again changes nothing.
        """
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise EngineError(f"the engine at {self.url} gave no answer: {type(error).__name__}") from error
        if not answer.is_success:
            raise _error(answer, final)
        return json_of(answer.text)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _error(answer: httpx.Response, final: frozenset[str]) -> RingiError:
    problem = problem_of(answer)
    if problem and problem.get("type") in final:
        return EngineRefusedError(str(problem.get("message")))
    known = error_of(problem) if problem else EngineError(f"status {answer.status_code}: {answer.text[:500]}")
    if answer.status_code >= _SERVER_ERROR or answer.status_code in _PASSING:
        return known if isinstance(known, EngineError | BusyError) else EngineError(str(known))
    return EngineRefusedError(str(known)) if type(known) is EngineError else known
