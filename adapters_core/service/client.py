"""A typed client of the service, for processes that know nothing of torch.

Every call may be repeated: what a call makes is named by its content, so a lost answer is asked for again. The client
does that by itself where a replica died, a connection broke or the service was busy.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence

import httpx

from adapters_core.data.documents import Document
from adapters_core.errors import UnknownAdapterError
from adapters_core.service.contract import (
    AdapterAnswer,
    ChunkOut,
    DocumentIn,
    ModelCard,
    ModelList,
)
from adapters_core.service.contract import Progress as Progressed
from adapters_core.service.inference_client import InferenceClient
from adapters_core.service.measures_contract import AttributionAnswer, QuestionIn, QuestionsAnswer, SuiteAnswer
from adapters_core.service.wire import read_events

Progress = Callable[[int, int], None]
Documents = Sequence[Document | DocumentIn]
"""Texts, or references to files beneath the service's context folder."""


def no_progress(_done: int, _total: int) -> None:
    """Report nothing."""


class CoreClient(InferenceClient):
    """Calls every route of one service; may be shared by threads."""

    def generate(
        self,
        documents: Documents,
        *,
        key: str | None = None,
        decay: float = 1.0,
        progress: Progress = no_progress,
    ) -> AdapterAnswer:
        """Make an adapter of documents.

        Args:
            documents: the context.
            key: 64 hexadecimal digits; None draws one, here, so that a repeated call makes nothing twice.
            decay: factor on earlier chunks at each new one.
            progress: told (chunks done, chunks in all).

        Raises:
            RingiError: the service's error, as its own class; EngineError: there was no answer.
        """
        body = {"documents": _documents(documents), "key": key or secrets.token_hex(32), "decay": decay}
        return self._made("/v1/generate", body, progress)

    def extend(self, adapter: str, documents: Documents, *, progress: Progress = no_progress) -> AdapterAnswer:
        """Make an adapter that continues another. Raises as :meth:`generate`."""
        return self._made("/v1/extend", {"adapter": adapter, "documents": _documents(documents)}, progress)

    def erase(
        self,
        adapter: str,
        *,
        chunks: Sequence[str] = (),
        documents: Sequence[str] = (),
        progress: Progress = no_progress,
    ) -> AdapterAnswer:
        """Make an adapter that never saw some chunks, or the chunks of some documents. Raises as :meth:`generate`."""
        body = {"adapter": adapter, "chunks": list(chunks), "documents": list(documents)}
        return self._made("/v1/erase", body, progress)

    def manifest(self, adapter: str) -> bytes:
        """The manifest of an adapter, canonical JSON. Raises as :meth:`generate`."""
        return self._http.send("GET", f"/v1/adapters/{adapter}").content

    def chunks(self, adapter: str) -> tuple[ChunkOut, ...]:
        """Where its chunks lie in their documents. Raises as :meth:`generate`."""
        found = self._http.ask("GET", f"/v1/adapters/{adapter}/chunks")
        return tuple(self._http.read(ChunkOut, one) for one in found)

    def download(self, adapter: str, name: str) -> bytes:
        """One of its served files. Raises as :meth:`generate`."""
        return self._http.send("GET", f"/v1/adapters/{adapter}/files/{name}").content

    def delete(self, adapter: str) -> None:
        """Remove an adapter with its states and key; it is unloaded first. Raises as :meth:`generate`."""
        self._gone("DELETE", f"/v1/adapters/{adapter}", None)

    def ask(
        self,
        questions: Sequence[QuestionIn],
        *,
        adapter: str | None = None,
        wrong: str | None = None,
        context: str | None = None,
        methods: Sequence[str] = (),
        answers: bool = False,
        progress: Progress = no_progress,
    ) -> QuestionsAnswer:
        """Score gold answers with nothing, with a context in the prompt, under an adapter, under a wrong one.

        Args:
            questions: with their gold answers.
            adapter: name or digest.
            wrong: the control's.
            context: text for the method ``prompt``.
            methods: out of none, prompt, adapter, wrong; empty: all that can be measured.
            answers: also let the model answer.
            progress: told (questions done, questions in all), each once a method.

        Raises:
            RingiError: as in :meth:`generate`.
        """
        body = {
            "questions": [question.model_dump(mode="json") for question in questions],
            "adapter": adapter,
            "wrong": wrong,
            "context": context,
            "methods": list(methods),
            "answers": answers,
        }
        return self._http.read(QuestionsAnswer, self._result("/v1/evaluate", body, progress))

    def evaluate(
        self,
        suite: Mapping[str, object],
        *,
        methods: Sequence[str] = (),
        limit: int | None = None,
        seed: int = 0,
        answers: bool = False,
        progress: Progress = no_progress,
    ) -> SuiteAnswer:
        """Evaluate a suite in SQuAD format; each document gets an adapter of its own. Raises as :meth:`generate`."""
        body = {"suite": suite, "methods": list(methods), "limit": limit, "seed": seed, "answers": answers}
        return self._http.read(SuiteAnswer, self._result("/v1/evaluate", body, progress))

    def attribute(
        self,
        adapter: str,
        documents: Documents,
        *,
        question: str | None = None,
        answer: str | None = None,
        steps: int = 8,
        progress: Progress = no_progress,
    ) -> AttributionAnswer:
        """Attribute an adapter, and an answer, to its context. Raises as :meth:`generate`."""
        body = {
            "adapter": adapter,
            "documents": _documents(documents),
            "question": question,
            "answer": answer,
            "steps": steps,
        }
        return self._http.read(AttributionAnswer, self._result("/v1/attribute", body, progress))

    def models(self) -> tuple[ModelCard, ...]:
        """The base and the adapters that are loaded. Raises as :meth:`generate`."""
        return self._http.read(ModelList, self._http.ask("GET", "/v1/models")).data

    def load_adapter(self, name: str, path: str) -> ModelCard:
        """Load an adapter under a name; a digest as the path loads it from the service's store.

        Raises:
            UnsafeAdapterError: the gate refused it, with every reason.
            MismatchError: another adapter has the name.
            RingiError: as in :meth:`generate`.
        """
        body = {"lora_name": name, "lora_path": path}
        return self._http.read(ModelCard, self._http.ask("POST", "/v1/load_lora_adapter", body))

    def unload_adapter(self, name: str) -> None:
        """Take a name back. Raises as :meth:`generate`."""
        self._gone("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    def ready(self) -> bool:
        """Whether the service takes requests; asked once."""
        return self._http.answers("/ready")

    def healthy(self) -> bool:
        """Whether the service can still do its work; asked once."""
        return self._http.answers("/health")

    def metrics(self) -> str:
        """Counters and timings as Prometheus reads them. Raises as :meth:`generate`."""
        return self._http.send("GET", "/metrics").text

    def _made(self, path: str, body: Mapping[str, object], progress: Progress) -> AdapterAnswer:
        return self._http.read(AdapterAnswer, self._result(path, body, progress))

    def _result(self, path: str, body: Mapping[str, object], progress: Progress) -> object:
        """The result of a call that tells its progress; its events are the sign of life while it works."""

        def read(answer: httpx.Response) -> object:
            for name, data in read_events(answer):
                if name == "progress":
                    now = self._http.read(Progressed, data)
                    progress(now.done, now.total)
                elif name == "result":
                    return data
                elif name == "error":
                    self._http.fail(data)
            raise httpx.RemoteProtocolError("the stream ended before its result")

        return self._http.stream(path, body, read)

    def _gone(self, method: str, path: str, body: Mapping[str, object] | None) -> None:
        """Remove something; where a lost answer was asked for again, that it is not there is what was wanted."""
        tries = 0

        def count() -> None:
            nonlocal tries
            tries += 1

        try:
            self._http.send(method, path, body, on_try=count)
        except UnknownAdapterError:
            if tries == 1:
                raise


def _documents(documents: Documents) -> list[dict[str, str]]:
    return [
        {"name": one.name, "text": one.text} if isinstance(one, Document) else one.model_dump(exclude_none=True)
        for one in documents
    ]
