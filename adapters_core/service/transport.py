"""Requests over HTTP: repeated where that helps, their problems turned back into the errors they were."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from adapters_core.errors import EngineError, RingiError
from adapters_core.service.wire import error_of, json_of, problem_of, read_events

EVENT_STREAM = "text/event-stream"
_BROKEN = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""The connection was refused or broke: a replica may have died. A silence (ReadTimeout) is not repeated."""
_PASSING = frozenset({429, 502, 503, 504})
_SERVER_ERROR = 500
Answer = TypeVar("Answer", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How a call is repeated: after ``first`` seconds, then twice that, and so on, each up to a half longer."""

    tries: int = 6
    """Calls in all."""
    first: float = 0.2
    """Seconds before the second call."""
    longest: float = 5.0
    """Most seconds between two calls."""

    def wait(self, tried: int, asked: float | None) -> float:
        """Seconds before the next call, after so many; at least what the service asked for."""
        own = min(self.longest, self.first * 2.0 ** (tried - 1)) * (1 + random.random() / 2)
        return max(own, min(asked or 0.0, self.longest))


class _AgainError(Exception):
    """This call failed in a way that may pass."""

    def __init__(self, error: RingiError, after: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.after = after


class Transport:
    """Connections to one service."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        timeout: float,
        retries: Retries,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open none yet."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._retries = retries
        self._client = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        on_try: Callable[[], None] = lambda: None,
    ) -> httpx.Response:
        """A whole answer.

        Raises:
            RingiError: the service's error; EngineError: no answer.
        """

        def once() -> httpx.Response:
            on_try()
            answer = self._client.request(method, path, json=body)
            self._require_good(answer)
            return answer

        return self._repeated(once)

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401  # JSON
        """The JSON of a whole answer (text, where it is none). Raises as :meth:`send`."""
        return json_of(self.send(method, path, body).text)

    def stream(self, path: str, body: Mapping[str, object], read: Callable[[httpx.Response], T]) -> T:
        """What a function reads from a stream of events; a stream that breaks is asked for again.

        Raises:
            RingiError: as in :meth:`send`.
        """

        def once() -> T:
            with self._client.stream("POST", path, json=body, headers={"accept": EVENT_STREAM}) as answer:
                if answer.is_error:
                    answer.read()
                self._require_good(answer)
                return read(answer)

        return self._repeated(once)

    def events(self, path: str, body: Mapping[str, object]) -> Iterator[tuple[str | None, Any]]:
        """The events of a stream as they come; asked for again only while none has come.

        Raises:
            RingiError: as in :meth:`send`.
        """
        answer = self._repeated(lambda: self._opened(path, body))
        try:
            yield from read_events(answer)
        except httpx.HTTPError as error:
            raise EngineError(f"the stream broke: {type(error).__name__}; ask again") from error
        finally:
            answer.close()

    def answers(self, path: str) -> bool:
        """Whether a path answers with success, asked once."""
        try:
            return self._client.get(path).is_success
        except httpx.HTTPError:
            return False

    def read(self, kind: type[Answer], data: object) -> Answer:
        """An answer as a record.

        Raises:
            EngineError: it breaks the contract.
        """
        try:
            return kind.model_validate(data)
        except ValidationError as error:
            raise EngineError(f"the service's answer is no {kind.__name__}: {error.errors()[0]['msg']}") from error

    def fail(self, data: Mapping[str, Any]) -> NoReturn:
        """Raise the error that a problem stands for."""
        raise error_of(data)

    def _opened(self, path: str, body: Mapping[str, object]) -> httpx.Response:
        request = self._client.build_request("POST", path, json=body, headers={"accept": EVENT_STREAM})
        answer = self._client.send(request, stream=True)
        if answer.is_error:
            answer.read()
            answer.close()
        self._require_good(answer)
        return answer

    def _repeated(self, once: Callable[[], T]) -> T:
        tried = 0
        while True:
            tried += 1
            try:
                return once()
            except _AgainError as again:
                error, after = again.error, again.after
            except _BROKEN as broken:
                error, after = EngineError(f"no answer from {self._client.base_url}: {type(broken).__name__}"), None
            except httpx.HTTPError as failed:
                raise EngineError(
                    f"no answer from {self._client.base_url} in time or in form: {type(failed).__name__}"
                ) from failed
            if tried >= self._retries.tries:
                raise error
            time.sleep(self._retries.wait(tried, after))

    def _require_good(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        problem = problem_of(answer)
        error = error_of(problem or {"detail": f"status {answer.status_code} without a problem that is ours"})
        # a server error that is not a problem of ours comes from between us: a replica died with the request
        if answer.status_code in _PASSING or (problem is None and answer.status_code >= _SERVER_ERROR):
            raise _AgainError(error, _seconds(answer.headers.get("retry-after")))
        raise error


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:  # a date: our own waiting is as good
        return None
