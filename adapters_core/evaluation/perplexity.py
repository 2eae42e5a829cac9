"""How well texts are predicted under adapters.

reconstruction   a context under its own adapter (and, as a control, under another context's)
completion       what follows a context, with the adapter of the context or the context itself before it

nll = mean over predicted tokens of -log p     perplexity = exp(nll), nll a mean over documents
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters_core.data.batching import Ids
from adapters_core.data.documents import Document
from adapters_core.data.tokens import text_ids, text_spans
from adapters_core.errors import InputError
from adapters_core.evaluation.intervals import Interval, bootstrap_interval
from adapters_core.evaluation.methods import AdapterSource
from adapters_core.evaluation.scoring import Query, answer_nll
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pairs

Progress = Callable[[int, int, str], None]
CONTEXT_TOKENS = 512
TARGET_TOKENS = 128
MIN_TOKENS = 12
"""Shorter documents are left out: too little to split."""
_CONTEXT_SHARE = 2 / 3
_WINDOW = 1024  # bounds the memory of logits


@dataclass(frozen=True, kw_only=True)
class PerplexityRow:
    """One document's text under one method."""

    document: str
    task: str
    """reconstruction or completion."""
    method: str
    """none, prompt, adapter or wrong."""
    nll: float
    """Nats per token."""
    tokens: int
    """Tokens predicted."""


@dataclass(frozen=True, kw_only=True)
class PerplexitySummary:
    """A task and method over all documents."""

    task: str
    method: str
    nll: Interval
    perplexity: float
    """exp(nll)."""


@dataclass(frozen=True, kw_only=True)
class Perplexity:
    """Reconstruction and completion of a set of documents."""

    context_tokens: int
    target_tokens: int
    summaries: tuple[PerplexitySummary, ...]
    rows: tuple[PerplexityRow, ...]
    left_out: tuple[str, ...]
    """Documents that are too short to split."""

    def summary(self, task: str, method: str) -> PerplexitySummary:
        """The summary of a task and method.

        Raises:
            InputError: it was not measured.
        """
        for found in self.summaries:
            if (found.task, found.method) == (task, method):
                return found
        raise InputError(f"{task} under {method!r} was not measured")


@dataclass(frozen=True, kw_only=True)
class _Split:
    """A document as context and what follows it."""

    name: str
    context: str
    context_ids: Ids
    target_ids: Ids


def measure_perplexity(
    core: AdapterSource,
    documents: Sequence[Document],
    *,
    context_tokens: int = CONTEXT_TOKENS,
    target_tokens: int = TARGET_TOKENS,
    seed: int = 0,
    progress: Progress = lambda _done, _total, _what: None,
) -> Perplexity:
    """Measure reconstruction and completion.

    Each document's first two thirds (at most ``context_tokens``) are the context, what follows (at most
    ``target_tokens``) is completed. The control is the adapter of the document half the list away.

    Args:
        core: base and generator.
        documents: texts with distinct names.
        context_tokens: most tokens of a context.
        target_tokens: most tokens to complete.
        seed: of the bootstrap.
        progress: told after each document.

    Raises:
        InputError: fewer than two documents are long enough.
    """
    found = {document.name: _split(core.base, document, context_tokens, target_tokens) for document in documents}
    splits = [split for split in found.values() if split]
    if len(splits) < 2:  # noqa: PLR2004  # one and its control
        raise InputError(f"perplexity needs at least 2 documents of {MIN_TOKENS} tokens, got {len(splits)}")
    adapters = [core.generate([Document(name=s.name, text=s.context)], key=bytes(32)).adapter.pairs for s in splits]
    rows: list[PerplexityRow] = []
    for index, split in enumerate(splits):
        wrong = adapters[(index + len(splits) // 2) % len(splits)]
        rows += _measure(core.base, split, adapters[index], wrong)
        progress(index + 1, len(splits), split.name)
    return Perplexity(
        context_tokens=context_tokens,
        target_tokens=target_tokens,
        summaries=_summaries(rows, seed),
        rows=tuple(rows),
        left_out=tuple(name for name, split in found.items() if split is None),
    )


def text_nll(base: BaseModel, texts: Sequence[str], *, adapters: Pairs | None = None) -> tuple[float, ...]:
    """NLL of each text's tokens after the first, nats per token; long texts in windows.

    Raises:
        InputError: a text of a single token.
    """
    return tuple(ids_nll(base, text_ids(base.require_tokenizer(), text), adapters=adapters) for text in texts)


def ids_nll(base: BaseModel, ids: Ids, *, adapters: Pairs | None = None) -> float:
    """As :func:`text_nll`, of token ids."""
    pieces = [ids[start : start + _WINDOW] for start in range(0, max(1, len(ids) - 1), _WINDOW - 1)]
    queries = [Query(prompt=piece[:1], answer=piece[1:]) for piece in pieces]  # pieces overlap by one token
    losses = answer_nll(base, queries, adapters=adapters, share=False, batch_rows=1)
    return math.fsum(loss * len(q.answer) for loss, q in zip(losses, queries, strict=True)) / (len(ids) - 1)


def _split(base: BaseModel, document: Document, context_tokens: int, target_tokens: int) -> _Split | None:
    tokenizer = base.require_tokenizer()
    _, spans = text_spans(tokenizer, document.text)
    if len(spans) < MIN_TOKENS:
        return None
    cut = min(context_tokens, int(len(spans) * _CONTEXT_SHARE))
    context, rest = document.text[: spans[cut][0]], document.text[spans[cut][0] :]
    target_ids = text_ids(tokenizer, rest)[: target_tokens + 1]
    if not context.strip() or len(target_ids) < 2:  # noqa: PLR2004  # one to read, one to predict
        return None
    context_ids = text_ids(tokenizer, context)
    return _Split(name=document.name, context=context, context_ids=context_ids, target_ids=target_ids)


def _measure(base: BaseModel, split: _Split, adapter: Pairs, wrong: Pairs) -> list[PerplexityRow]:
    first, rest = split.target_ids[:1], split.target_ids[1:]
    bare = Query(prompt=first, answer=rest)
    prompted = Query(prompt=split.context_ids + first, answer=rest)
    rows = []
    for method, pairs in (("none", {}), ("adapter", adapter), ("wrong", wrong)):
        nll = ids_nll(base, split.context_ids, adapters=pairs)
        rows.append(_row(split, "reconstruction", method, nll, len(split.context_ids) - 1))
    for method, pairs, query in (
        ("none", {}, bare),
        ("prompt", {}, prompted),
        ("adapter", adapter, bare),
        ("wrong", wrong, bare),
    ):
        [nll] = answer_nll(base, [query], adapters=pairs)
        rows.append(_row(split, "completion", method, nll, len(rest)))
    return rows


def _row(split: _Split, task: str, method: str, nll: float, tokens: int) -> PerplexityRow:
    return PerplexityRow(document=split.name, task=task, method=method, nll=nll, tokens=tokens)


def _summaries(rows: Sequence[PerplexityRow], seed: int) -> tuple[PerplexitySummary, ...]:
    summaries = []
    for task, method in dict.fromkeys((row.task, row.method) for row in rows):
        values = [row.nll for row in rows if (row.task, row.method) == (task, method)]
        if interval := bootstrap_interval(values, seed=seed):
            perplexity = math.exp(interval.value)
            summaries.append(PerplexitySummary(task=task, method=method, nll=interval, perplexity=perplexity))
    return tuple(summaries)
