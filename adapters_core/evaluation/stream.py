"""An online stream: how well a fact is recalled as more chunks arrive, and what erasing it leaves behind.

after n      gold-answer NLL of the fact's questions once n further chunks have been added
erased       the same after the fact's own chunks are erased from the stream
never        the same for a stream that never saw the fact: equal to ``erased``, law 2
base         the same for the bare base
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol, TypeVar

from adapters_core.data.documents import Document
from adapters_core.errors import InputError
from adapters_core.evaluation.methods import Adapted, Generated
from adapters_core.evaluation.question_files import SuiteDocument
from adapters_core.modeling.adapter import Adapter
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pairs

CHECKPOINTS = (0, 1, 10, 100)
Progress = Callable[[int, int, str], None]
S = TypeVar("S", bound=Generated)


class StreamSource(Protocol[S]):
    """The part of the generation core that a stream uses; ``S`` is its session."""

    @property
    def base(self) -> BaseModel: ...  # noqa: D102
    def generate(self, documents: Sequence[Document], *, key: bytes | None = None) -> S: ...  # noqa: D102
    def extend(self, session: S, documents: Sequence[Document]) -> S: ...  # noqa: D102
    def erase(self, session: S, commitments: Sequence[str]) -> S: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class StreamPoint:
    """The fact's recall at one point of the stream."""

    chunks_after: int
    """Chunks added since the fact."""
    nll: float
    """Gold-answer NLL of its questions, nats per token."""
    cosine: float | None
    """Between the adapter here and at the point before; None: the first."""
    norm: float
    """Frobenius norm of all deltas together."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Recall of one fact along a stream."""

    document: str
    questions: int
    fact_chunks: int
    base_nll: float
    points: tuple[StreamPoint, ...]
    erased_nll: float
    """After erasing the fact from the end of the stream."""
    never_nll: float
    """Of a stream that never saw it."""
    erased_exactly: bool
    """Whether the erased stream's weights are, byte for byte, those of the stream that never saw the fact."""


def measure_stream(
    core: StreamSource[S],
    fact: SuiteDocument,
    further: Sequence[Document],
    *,
    checkpoints: Sequence[int] = CHECKPOINTS,
    progress: Progress = lambda _done, _total, _what: None,
) -> Stream:
    """Follow a fact along a stream of further documents, then erase it.

    Args:
        core: the generation core.
        fact: a document and the questions about it.
        further: documents of one chunk each, with names of their own, at least as many as the last checkpoint.
        checkpoints: numbers of further documents after which recall is measured, rising, the last above 0.
        progress: told after each checkpoint.

    Raises:
        InputError: too few further documents, one of several chunks, checkpoints that do not rise, or an encoding
            that cannot erase.
    """
    rising = list(checkpoints) == sorted(set(checkpoints))
    if not checkpoints or not rising or checkpoints[0] < 0 or not 0 < checkpoints[-1] <= len(further):
        raise InputError(f"checkpoints must rise to at most {len(further)} further documents, got {list(checkpoints)}")
    key = bytes(32)
    session = core.generate([Document(name=fact.name, text=fact.text)], key=key)
    own = [chunk.commitment for chunk in session.adapter.manifest.identity.added]
    points: list[StreamPoint] = []
    done = 0
    for checkpoint in checkpoints:
        if batch := further[done:checkpoint]:
            session = core.extend(session, batch)
            _require_one_chunk_each(session.adapter, len(batch))
        done = checkpoint
        points.append(_point(core.base, fact, session.adapter, checkpoint))
        progress(len(points), len(checkpoints) + 1, f"{checkpoint} chunks after")
    erased = core.erase(session, own).adapter
    never = core.generate(further[:done], key=key).adapter
    progress(len(checkpoints) + 1, len(checkpoints) + 1, "erased")
    weights = (erased.manifest.identity.weights_sha256, never.manifest.identity.weights_sha256)
    return Stream(
        document=fact.name,
        questions=len(fact.questions),
        fact_chunks=len(own),
        base_nll=_nll(core.base, fact, {}),
        points=tuple(points),
        erased_nll=_nll(core.base, fact, erased.pairs),
        never_nll=_nll(core.base, fact, never.pairs),
        erased_exactly=weights[0] == weights[1],
    )


def _point(base: BaseModel, fact: SuiteDocument, adapter: Adapter, chunks_after: int) -> StreamPoint:
    identity = adapter.manifest.identity
    return StreamPoint(
        chunks_after=chunks_after,
        nll=_nll(base, fact, adapter.pairs),
        cosine=identity.drift["cosine"] if identity.drift else None,
        norm=sum(norms.frobenius**2 for norms in identity.norms.values()) ** 0.5,
    )


def _nll(base: BaseModel, fact: SuiteDocument, pairs: Pairs) -> float:
    adapted = Adapted(base=base, pairs=pairs, context=None, seconds=0.0, nbytes=0)
    return fmean(adapted.score(fact.questions))


def _require_one_chunk_each(adapter: Adapter, documents: int) -> None:
    if (added := len(adapter.manifest.identity.added)) != documents:
        raise InputError(f"further documents must be of one chunk each, got {added} chunks of {documents} documents")
