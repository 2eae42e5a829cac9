"""Attribution for people: shares by token, sentence, chunk and document; what moved an answer; what if a chunk went.

All of it needs the text again (a session keeps none): the documents given must be those the adapter was made from,
which the commitments prove.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from adapters_core.artifact import Session
from adapters_core.data.chunking import Chunk
from adapters_core.data.documents import Document
from adapters_core.data.prompts import answer_ids, question_ids
from adapters_core.data.sentences import sentence_spans
from adapters_core.errors import MismatchError
from adapters_core.modeling.adapter import drift
from adapters_core.modeling.attribution import WeightedChunk, answer_scores, log_probability, token_shares
from adapters_core.pipeline import GenerationCore, ProgressCallback, commit_chunk, no_progress


@dataclass(frozen=True, kw_only=True)
class Span:
    """A piece of the context and its share or score."""

    document: str
    start: int
    """First character within the document."""
    end: int
    """Character after the last."""
    value: float
    """Share of the adapter, or nats of an answer."""
    commitment: str | None = None
    """Of the chunk, where the piece is one."""


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """One attribution at every grain; each grain adds up to the same total."""

    tokens: tuple[Span, ...]
    sentences: tuple[Span, ...]
    chunks: tuple[Span, ...]
    documents: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class LeaveOneOut:
    """What changes when one chunk had never been seen: exact."""

    commitment: str
    document: str
    start: int
    end: int
    cosine: float
    """Between all deltas with and without it."""
    change: float
    """Frobenius norm of the difference of the deltas."""
    answer_effect: float | None
    """Nats by which the chunk raised the answer's log-probability; None where no answer was asked."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Where an adapter comes from."""

    adapter: str
    """Digest."""
    shares: Breakdown
    """Overall: the mean over sites; adds up to 1."""
    sites: dict[str, tuple[float, ...]]
    """By site name: the share of each chunk, in order; adds up to 1 (0 for a site that the context left at zero)."""
    leave_one_out: tuple[LeaveOneOut, ...]
    answer: Breakdown | None
    """Nats by token, sentence, chunk and document, for the question asked; None where none was."""
    log_probability: float | None
    """Of the answer under the adapter, nats."""
    log_probability_base: float | None
    """Of the answer under the bare base, nats."""
    residual: float | None
    """Nats of the adapter's effect that the scores do not explain (error of the quadrature)."""

    def to_json(self) -> dict[str, object]:
        """As plain JSON data."""
        return asdict(self)


def attribute(
    core: GenerationCore,
    session: Session,
    documents: Sequence[Document],
    *,
    question: str | None = None,
    answer: str | None = None,
    steps: int = 8,
    progress: ProgressCallback = no_progress,
) -> Attribution:
    """Attribute an adapter, and if a question and its answer are given that answer, to the context.

    Progress is told after the shares, and after each chunk that is left out: of a long context those take the time.

    Raises:
        MismatchError: the adapter is of another base or generator, the documents are not those it was made from, or
            only one of question and answer was given.
        InputError: the generator encodes sequentially.
    """
    if (question is None) != (answer is None):
        raise MismatchError("give a question together with its answer, or neither")
    core.require_own(session)
    chunks = _require_same(core, session, documents)
    weighted = [
        WeightedChunk(token_ids=chunk.token_ids, weight=session.state.decay ** (len(chunks) - 1 - index))
        for index, (_, chunk) in enumerate(chunks)
    ]
    shares_TN = token_shares(core.base, core.generator, weighted)
    asked = None
    if question is not None and answer is not None:
        tokenizer = core.base.require_tokenizer()
        asked = (question_ids(tokenizer, question), answer_ids(tokenizer, answer, end=False))
    scores = None
    if asked is not None:
        scores = answer_scores(core.base, core.generator, weighted, prefix=asked[0], answer=asked[1], steps=steps)
    lengths = [len(chunk.token_ids) for _, chunk in chunks]
    names = [site.name for site in core.generator.sites]
    per_chunk_CN = torch.stack([part.sum(0) for part in shares_TN.split(lengths)])
    pieces = 1 + (len(chunks) if len(chunks) > 1 else 0)
    progress(1, pieces)
    left_out = []
    for one in _leave_one_out(core, session, chunks, asked):
        left_out.append(one)
        progress(1 + len(left_out), pieces)
    return Attribution(
        adapter=session.adapter.digest,
        shares=_breakdown(chunks, documents, shares_TN.mean(1)),
        sites={name: tuple(map(float, per_chunk_CN[:, index])) for index, name in enumerate(names)},
        leave_one_out=tuple(left_out),
        answer=_breakdown(chunks, documents, scores.scores_TN.sum(1)) if scores else None,
        log_probability=scores.log_probability if scores else None,
        log_probability_base=scores.log_probability_base if scores else None,
        residual=scores.residual if scores else None,
    )


def _leave_one_out(
    core: GenerationCore,
    session: Session,
    chunks: Sequence[tuple[str, Chunk]],
    asked: tuple[tuple[int, ...], tuple[int, ...]] | None,
) -> Iterable[LeaveOneOut]:
    if len(chunks) == 1:  # without its only chunk there is no adapter to compare with
        return
    whole = session.state
    pairs = core.pairs(whole.value().to(core.base.device))
    with_it = _answer(core, whole.value(), asked)
    for name, chunk in chunks:
        remaining = [session.chunk_states[e.commitment] for e in whole.entries if e.commitment != name]
        without = whole.erase(session.chunk_states[name], remaining=remaining)
        moved = drift(pairs, core.pairs(without.value().to(core.base.device)))
        without_it = _answer(core, without.value(), asked)
        yield LeaveOneOut(
            commitment=name,
            document=chunk.document,
            start=chunk.start,
            end=chunk.end,
            cosine=moved["cosine"],
            change=moved["change"],
            answer_effect=None if with_it is None or without_it is None else with_it - without_it,
        )


def _answer(
    core: GenerationCore, state_NKV: Tensor, asked: tuple[tuple[int, ...], tuple[int, ...]] | None
) -> float | None:
    if asked is None:
        return None
    return log_probability(core.base, core.generator, state_NKV.to(core.base.device), prefix=asked[0], answer=asked[1])


def _require_same(
    core: GenerationCore, session: Session, documents: Sequence[Document]
) -> tuple[tuple[str, Chunk], ...]:
    named = {commit_chunk(session.key, chunk): chunk for chunk in core.chunks(documents)}
    order = [entry.commitment for entry in session.state.entries]
    if missing := [c for c in order if c not in named]:
        raise MismatchError(
            f"the documents must be those of adapter {session.adapter.digest[:16]}: "
            f"{len(missing)} of its {len(order)} chunks do not match their commitment"
        )
    return tuple((c, named[c]) for c in order)


def _breakdown(chunks: Sequence[tuple[str, Chunk]], documents: Sequence[Document], values_T: Tensor) -> Breakdown:
    tokens: list[Span] = []
    whole: list[Span] = []
    position = 0
    for name, chunk in chunks:
        values = values_T[position : position + len(chunk.token_ids)].tolist()
        position += len(values)
        tokens += [
            Span(document=chunk.document, start=start, end=end, value=value)
            for (start, end), value in zip(chunk.token_spans, values, strict=True)
        ]
        whole.append(
            Span(document=chunk.document, start=chunk.start, end=chunk.end, value=math.fsum(values), commitment=name)
        )
    by_name: dict[str, list[Span]] = {}
    for token in tokens:
        by_name.setdefault(token.document, []).append(token)
    kept = [(document, by_name[document.name]) for document in documents if document.name in by_name]
    return Breakdown(
        tokens=tuple(tokens),
        sentences=tuple(span for document, own in kept for span in _sentences(document, own)),
        chunks=tuple(whole),
        documents=tuple(
            Span(document=document.name, start=0, end=len(document.text), value=math.fsum(t.value for t in own))
            for document, own in kept
        ),
    )


def _sentences(document: Document, tokens: Sequence[Span]) -> Iterable[Span]:
    """A token belongs to the sentence that its first character lies in."""
    ordered = sorted(tokens, key=lambda token: token.start)  # chunks may have come in another order
    starts = [token.start for token in ordered]
    for start, end in sentence_spans(document.text):
        inside = ordered[bisect_left(starts, start) : bisect_left(starts, end)]
        if inside:
            value = math.fsum(token.value for token in inside)
            yield Span(document=document.name, start=start, end=end, value=value)
