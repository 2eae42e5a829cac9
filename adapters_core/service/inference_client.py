"""The part of the client that asks models: completions and chat completions, whole or streamed."""

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from adapters_core.errors import EngineError
from adapters_core.service.openai_contract import ChatChunk, ChatCompletion, Completion
from adapters_core.service.transport import Retries, Transport

Options = Any
"""Further fields of an OpenAI request: temperature, top_p, max_tokens, stop, seed, logprobs, ..."""


class InferenceClient:
    """Asks the models of one service, ours or another that speaks the OpenAI interface; may be shared by threads."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 60.0,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Name a service.

        Args:
            url: such as ``http://127.0.0.1:8000``.
            token: what it wants callers to bear.
            timeout: seconds without a sign of life after which a call is given up.
            retries: how often and how fast a call is repeated.
            transport: what carries requests; None: the network.
        """
        self._http = Transport(url, token=token, timeout=timeout, retries=retries or Retries(), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def chat(self, model: str, messages: Sequence[Mapping[str, str]], **options: Options) -> ChatCompletion:
        """Answer a conversation.

        Raises:
            RingiError: the service's error, as its own class; EngineError: there was no answer.
        """
        body = {"model": model, "messages": list(messages), **options}
        return self._http.read(ChatCompletion, self._http.ask("POST", "/v1/chat/completions", body))

    def stream_chat(self, model: str, messages: Sequence[Mapping[str, str]], **options: Options) -> Iterator[ChatChunk]:
        """Answer a conversation piece by piece; repeated only while no piece was given. Raises as :meth:`chat`."""
        body = {"model": model, "messages": list(messages), "stream": True, **options}
        return (self._http.read(ChatChunk, data) for data in self._pieces("/v1/chat/completions", body))

    def complete(self, model: str, prompt: str | Sequence[int] | Sequence[str], **options: Options) -> Completion:
        """Continue text. Raises as :meth:`chat`."""
        body = {"model": model, "prompt": prompt, **options}
        return self._http.read(Completion, self._http.ask("POST", "/v1/completions", body))

    def stream_complete(self, model: str, prompt: str | Sequence[int], **options: Options) -> Iterator[Completion]:
        """Continue text piece by piece; as :meth:`stream_chat`."""
        body = {"model": model, "prompt": prompt, "stream": True, **options}
        return (self._http.read(Completion, data) for data in self._pieces("/v1/completions", body))

    def _pieces(self, path: str, body: Mapping[str, object]) -> Iterator[Any]:
        ended = False
        for _, data in self._http.events(path, body):
            if data == "[DONE]":
                ended = True
                break
            if "error" in data:
                self._http.fail(data["error"])
            yield data
        if not ended:
            raise EngineError("the stream ended before its end: ask again")
