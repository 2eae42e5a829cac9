"""Making adapters: the service's side of generating, extending and erasing."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from adapters_core.artifact import Session
from adapters_core.data.documents import Document, read_documents
from adapters_core.errors import ContextError, InputError
from adapters_core.pipeline import GenerationCore, Prepared, ProgressCallback
from adapters_core.service.contract import DocumentIn
from adapters_core.service.scheduler import Scheduler
from adapters_core.service.store import SessionStore
from adapters_core.service.turns import Job, Turn


@dataclass(kw_only=True, eq=False)
class _Waiting:
    """A context whose chunks wait to be encoded together with others'."""

    prepared: Prepared
    progress: ProgressCallback
    future: "Future[Session]" = field(default_factory=Future)
    states: dict[int, Tensor] = field(default_factory=dict)


class Generations:
    """Makes adapters on the model's thread; reading, checking and chunking happen on the caller's."""

    def __init__(
        self, core: GenerationCore, scheduler: Scheduler, store: SessionStore, *, batch_tokens: int | None
    ) -> None:
        """Use a core.

        Args:
            core: the base and its generator.
            scheduler: owns them.
            store: where sessions are.
            batch_tokens: encode chunks of concurrent contexts in passes of so many tokens; None: one by one.
        """
        self._core = core
        self._scheduler = scheduler
        self._store = store
        independent = core.generator.config.encoding == "independent"
        self._batch_tokens = batch_tokens if independent else None
        self._waiting: deque[_Waiting] = deque()

    def generate(
        self, documents: Sequence[Document], *, key: bytes | None, decay: float, progress: ProgressCallback
    ) -> Job[Session]:
        """Begin an adapter. Raises as :meth:`GenerationCore.prepare` and :meth:`Scheduler.submit`."""
        return self._encode(self._core.prepare(documents, key=key, decay=decay), progress)

    def extend(self, digest: str, documents: Sequence[Document], *, progress: ProgressCallback) -> Job[Session]:
        """Begin an adapter that continues another. Raises as :meth:`generate`, and as :meth:`SessionStore.read`."""
        return self._encode(self._core.prepare(documents, session=self._store.read(digest)), progress)

    def erase(
        self, digest: str, *, chunks: Sequence[str], documents: Sequence[str], progress: ProgressCallback
    ) -> Job[Session]:
        """Begin an adapter that never saw some chunks; that is one piece of work, however many there are.

        Raises:
            InputError: a document is not part of the adapter.
            BusyError, UnknownAdapterError, IntegrityError: as in :meth:`extend`.
        """
        session = self._store.read(digest)
        names = {place.document for place in session.places.values()}
        if unknown := sorted(set(documents) - names):
            raise InputError(f"{len(unknown)} of the named documents are not part of adapter {digest[:16]}")
        of_documents = [c for c, place in session.places.items() if place.document in set(documents)]

        def work(_turn: Turn) -> Session:
            erased = self._core.erase(session, [*chunks, *of_documents])
            progress(1, 1)
            return erased

        return self._alone(work)

    def _encode(self, prepared: Prepared, progress: ProgressCallback) -> Job[Session]:
        if self._batch_tokens is not None:
            return self._together(prepared, progress)
        return self._alone(lambda turn: self._core.complete(prepared, progress=_pausing(turn, progress)))

    def _alone(self, work: Callable[[Turn], Session]) -> Job[Session]:
        return self._scheduler.submit(work)

    def _together(self, prepared: Prepared, progress: ProgressCallback) -> Job[Session]:
        waiting = _Waiting(prepared=prepared, progress=progress)
        self._waiting.append(waiting)
        try:
            # one visit to the model for each; the first takes all that wait, and the others find nothing left
            self._scheduler.submit(self._encode_waiting)
        except Exception:
            waiting.future.cancel()
            with suppress(ValueError):  # taken by a visit for another context
                self._waiting.remove(waiting)
            raise
        # beyond its start a context is part of a batch, and its result is dropped instead
        return Job(future=waiting.future, cancel=waiting.future.cancel)

    def _encode_waiting(self, turn: Turn) -> None:
        batch: list[_Waiting] = []
        while self._waiting:
            waiting = self._waiting.popleft()
            if waiting.future.set_running_or_notify_cancel():
                batch.append(waiting)
        try:
            for chunks in _passes(batch, self._batch_tokens or 1):
                self._encode_pass(chunks)
                turn.pause()
            for waiting in batch:
                self._complete(waiting)
        except BaseException as error:
            for waiting in batch:
                if not waiting.future.done():
                    waiting.future.set_exception(error)
            raise

    def _encode_pass(self, chunks: "Sequence[tuple[_Waiting, int]]") -> None:
        states = self._core.encode_many([waiting.prepared.named[index][1].token_ids for waiting, index in chunks])
        for (waiting, index), state_NKV in zip(chunks, states, strict=True):
            waiting.states[index] = state_NKV
        for waiting in dict.fromkeys(waiting for waiting, _ in chunks):
            waiting.progress(len(waiting.states), len(waiting.prepared.named))

    def _complete(self, waiting: _Waiting) -> None:
        states = [waiting.states[index] for index in range(len(waiting.prepared.named))]
        try:
            session = self._core.complete(waiting.prepared, states)
        except Exception as error:  # noqa: BLE001  # of one context, whatever it is; the others are whole
            waiting.future.set_exception(error)
        else:
            waiting.future.set_result(session)


def read_documents_in(given: Sequence[DocumentIn], context_root: Path | None) -> list[Document]:
    """The documents of a request; references are read beneath the context folder and nowhere else.

    Raises:
        ContextError: a reference leaves the folder, or is not allowed, or a document cannot be used.
    """
    return [_read_document(document, context_root) for document in given]


def _read_document(given: DocumentIn, context_root: Path | None) -> Document:
    if given.text is not None:
        return Document(name=given.name or "", text=given.text)
    if context_root is None:
        raise ContextError("this service takes documents by their text only: no context folder is set")
    path = (context_root / (given.reference or "")).resolve()
    if not path.is_relative_to(context_root.resolve()):
        raise ContextError("a reference must stay beneath the service's context folder")
    if not path.is_file():
        raise ContextError("a reference must name a file in the service's context folder; there is none of that name")
    (document,) = read_documents([path])
    return Document(name=given.name or document.name, text=document.text)


def _passes(batch: Sequence[_Waiting], tokens: int) -> list[list[tuple[_Waiting, int]]]:
    """All chunks in passes of like lengths, each of at most so many tokens with its padding (or one chunk)."""
    chunks = [(waiting, index) for waiting in batch for index in range(len(waiting.prepared.named))]
    chunks.sort(key=lambda chunk: len(chunk[0].prepared.named[chunk[1]][1].token_ids), reverse=True)
    passes: list[list[tuple[_Waiting, int]]] = []
    room = 0
    for waiting, index in chunks:
        if not room:
            passes.append([])
            room = max(1, tokens // len(waiting.prepared.named[index][1].token_ids))
        passes[-1].append((waiting, index))
        room -= 1
    return passes


def _pausing(turn: Turn, progress: ProgressCallback) -> ProgressCallback:
    def tell(done: int, total: int) -> None:
        progress(done, total)
        turn.pause()

    return tell
