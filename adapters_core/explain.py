"""Attribution for people: shares by token, sentence, chunk and document; what moved an answer; what if a chunk went.

All of it needs the text again (a session keeps none): the documents given must be those the adapter was made from,
which the commitments prove.
"""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

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
class SiteShares:
    """What every piece of a :class:`Breakdown` is of one site, in its order; each grain adds up to the same total."""

    tokens: tuple[float, ...]
    sentences: tuple[float, ...]
    chunks: tuple[float, ...]
    documents: tuple[float, ...]


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
    sites: dict[str, SiteShares]
    """By site name: the shares of the same pieces; adds up to 1 (0 for a site that the context left at zero)."""
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
    grains = _grains(chunks, documents)
    pieces = 1 + (len(chunks) if len(chunks) > 1 else 0)
    progress(1, pieces)
    left_out = []
    for one in _leave_one_out(core, session, chunks, asked):
        left_out.append(one)
        progress(1 + len(left_out), pieces)
    return Attribution(
        adapter=session.adapter.digest,
        shares=_breakdown(grains, shares_TN.mean(1)),
        sites=_by_site([site.name for site in core.generator.sites], grains, shares_TN),
        leave_one_out=tuple(left_out),
        answer=_breakdown(grains, scores.scores_TN.sum(1)) if scores else None,
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
        remaining = (session.chunk_states[e.commitment] for e in whole.entries if e.commitment != name)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Grain:
    """The context cut into pieces of one kind. Shape letters: T tokens, P pieces, N sites."""

    pieces: tuple[Span, ...]
    """Without their values."""
    belongs_T: Tensor
    """The piece of every token."""

    def totals(self, values_TN: Tensor) -> Tensor:
        """Sums over the tokens of every piece, P x N."""
        return values_TN.new_zeros(len(self.pieces), values_TN.shape[1]).index_add_(0, self.belongs_T, values_TN)

    def valued(self, values_T: Tensor) -> tuple[Span, ...]:
        """The pieces with their sums."""
        sums = self.totals(values_T[:, None])[:, 0].tolist()
        return tuple(replace(piece, value=value) for piece, value in zip(self.pieces, sums, strict=True))


def _grains(chunks: Sequence[tuple[str, Chunk]], documents: Sequence[Document]) -> dict[str, _Grain]:
    """The grains by their name in a :class:`Breakdown`; every token is in one piece of each."""
    tokens = [_piece(chunk.document, start, end) for _, chunk in chunks for start, end in chunk.token_spans]
    by_document: dict[str, list[int]] = {}
    for index, token in enumerate(tokens):
        by_document.setdefault(token.document, []).append(index)
    kept = [document for document in documents if document.name in by_document]
    sentences = [found for one in kept for found in _sentences(one, tokens, by_document[one.name])]
    lengths = [len(chunk.token_ids) for _, chunk in chunks]
    ends = list(itertools.accumulate(lengths))
    return {
        "tokens": _grain([(token, [index]) for index, token in enumerate(tokens)]),
        "sentences": _grain(sentences),
        "chunks": _grain(
            [
                (replace(_piece(chunk.document, chunk.start, chunk.end), commitment=name), range(end - length, end))
                for (name, chunk), length, end in zip(chunks, lengths, ends, strict=True)
            ]
        ),
        "documents": _grain([(_piece(one.name, 0, len(one.text)), by_document[one.name]) for one in kept]),
    }


def _grain(pieces: Sequence[tuple[Span, Sequence[int]]]) -> _Grain:
    places = {token: place for place, (_, tokens) in enumerate(pieces) for token in tokens}
    belongs_T = torch.tensor([places[token] for token in range(len(places))])
    return _Grain(pieces=tuple(piece for piece, _ in pieces), belongs_T=belongs_T)


def _piece(document: str, start: int, end: int) -> Span:
    return Span(document=document, start=start, end=end, value=0.0)


def _sentences(document: Document, tokens: Sequence[Span], own: Sequence[int]) -> Iterable[tuple[Span, list[int]]]:
    """A document's sentences and their tokens; a token belongs to the sentence that its first character lies in."""
    ordered = sorted(own, key=lambda index: tokens[index].start)  # chunks may have come in another order
    starts = [tokens[index].start for index in ordered]
    for start, end in sentence_spans(document.text):
        inside = ordered[bisect_left(starts, start) : bisect_left(starts, end)]
        if inside:
            yield _piece(document.name, start, end), inside


def _breakdown(grains: Mapping[str, _Grain], values_T: Tensor) -> Breakdown:
    return Breakdown(**{name: grain.valued(values_T) for name, grain in grains.items()})


def _by_site(names: Sequence[str], grains: Mapping[str, _Grain], shares_TN: Tensor) -> dict[str, SiteShares]:
    totals = {grain: found.totals(shares_TN).T.tolist() for grain, found in grains.items()}
    return {
        name: SiteShares(**{grain: tuple(sums[index]) for grain, sums in totals.items()})
        for index, name in enumerate(names)
    }
