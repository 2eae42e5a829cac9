"""What an adapter breaks: text and questions that have nothing to do with its context.

    kl           mean over neutral tokens of KL(base || adapted), nats per token
    nll change   of the neutral text, adapted minus base, nats per token; perplexity ratio = exp(change)
    questions    gold-answer NLL and answers to general questions, with and without

Shape letters: T tokens, W vocabulary.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from torch import Tensor

from adapters_core.data.batching import Ids
from adapters_core.errors import InputError
from adapters_core.evaluation.intervals import Interval, bootstrap_interval
from adapters_core.evaluation.methods import Adapted, Method
from adapters_core.evaluation.metrics import contains
from adapters_core.evaluation.neutral import log_probabilities, mean_kl, mean_nll, text_windows
from adapters_core.evaluation.question_files import Question, SuiteDocument
from adapters_core.modeling.base_model import BaseModel

Progress = Callable[[int, int, str], None]
NEUTRAL_TOKENS = 768


@dataclass(frozen=True, kw_only=True)
class RetentionRow:
    """One document's adaptation against the base; a change is adapted minus base."""

    document: str
    method: str
    kl: float
    nll_change: float
    question_nll_change: float
    contains: float | None
    """Share of answers that hold a gold answer; None: the base was not asked to answer, as below."""
    unchanged: float | None
    """Share of answers that are word for word those of the base."""


@dataclass(frozen=True, kw_only=True)
class RetentionSummary:
    """A method over all documents; intervals are resampled by document."""

    method: str
    kl: Interval
    nll_change: Interval
    perplexity_ratio: float
    """exp(nll change): 1 where nothing changed."""
    question_nll_change: Interval
    contains: Interval | None
    unchanged: Interval | None


@dataclass(frozen=True, kw_only=True)
class Retention:
    """What methods change that they should not."""

    neutral_tokens: int
    """Tokens predicted."""
    questions: int
    base_nll: float
    """Of the neutral text, nats per token."""
    base_question_nll: float
    """Gold-answer NLL, nats per token."""
    base_contains: float | None
    summaries: tuple[RetentionSummary, ...]
    rows: tuple[RetentionRow, ...]

    def summary(self, method: str) -> RetentionSummary:
        """The summary of a method.

        Raises:
            InputError: it was not measured.
        """
        for summary in self.summaries:
            if summary.method == method:
                return summary
        raise InputError(f"the retention of {method!r} was not measured")


def measure_retention(
    base: BaseModel,
    methods: Sequence[Method],
    documents: Sequence[SuiteDocument],
    *,
    neutral: str,
    questions: Sequence[Question],
    answers: bool = False,
    neutral_tokens: int = NEUTRAL_TOKENS,
    seed: int = 0,
    progress: Progress = lambda _done, _total, _what: None,
) -> Retention:
    """Measure what every method's adaptation to every document changes.

    Memory: the base's log-probabilities of the neutral text are kept, ``neutral_tokens`` x vocabulary x 4 bytes.

    Args:
        base: the frozen base.
        methods: what to measure; methods that put the context in the prompt change nothing and are refused.
        documents: contexts.
        neutral: text that no document is about.
        questions: general questions.
        answers: also let the models answer them (slow).
        neutral_tokens: most tokens of the neutral text.
        seed: of the bootstrap.
        progress: told after each document and method.

    Raises:
        InputError: nothing to measure, a text of fewer than two tokens, or a method with the context in its prompt.
        NumericalError: a log-probability is not finite.
    """
    if not (methods and documents and questions):
        raise InputError(
            f"retention needs methods, documents and questions, "
            f"got {len(methods)}, {len(documents)} and {len(questions)}"
        )
    bare = _Bare.of(base, text_windows(base, neutral, neutral_tokens), questions, answers=answers)
    rows: list[RetentionRow] = []
    for document in documents:
        for method in methods:
            with method.adapt(document) as adapted:
                rows.append(bare.compare(adapted, document.name, method.name))
            progress(len(rows), len(documents) * len(methods), f"{method.name}: {document.name}")
    return Retention(
        neutral_tokens=sum(len(ids) - 1 for ids in bare.windows),
        questions=len(questions),
        base_nll=mean_nll(bare.logs, bare.windows),
        base_question_nll=fmean(bare.losses),
        base_contains=None if bare.said is None else _contains(bare.said, questions),
        summaries=tuple(_summarise(rows, method.name, seed) for method in methods),
        rows=tuple(rows),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Bare:
    """The base's own view of the neutral text and the questions."""

    windows: tuple[Ids, ...]
    questions: tuple[Question, ...]
    logs: tuple[Tensor, ...]
    """Log-probabilities of each window's next tokens, T x W."""
    losses: tuple[float, ...]
    said: tuple[str, ...] | None

    @classmethod
    def of(cls, base: BaseModel, windows: tuple[Ids, ...], questions: Sequence[Question], *, answers: bool) -> "_Bare":
        adapted = Adapted(base=base, pairs={}, context=None, seconds=0.0, nbytes=0)
        return cls(
            windows=windows,
            questions=tuple(questions),
            logs=tuple(log_probabilities(adapted, ids) for ids in windows),
            losses=adapted.score(questions),
            said=adapted.answer(questions) if answers else None,
        )

    def compare(self, adapted: Adapted, document: str, method: str) -> RetentionRow:
        if adapted.context is not None:
            raise InputError(f"method {method!r} puts the context in the prompt: it changes nothing without it")
        logs = tuple(log_probabilities(adapted, ids) for ids in self.windows)
        losses = adapted.score(self.questions)
        said = None if self.said is None else adapted.answer(self.questions)
        return RetentionRow(
            document=document,
            method=method,
            kl=mean_kl(self.logs, logs),
            nll_change=mean_nll(logs, self.windows) - mean_nll(self.logs, self.windows),
            question_nll_change=fmean(losses) - fmean(self.losses),
            contains=None if said is None else _contains(said, self.questions),
            unchanged=None if said is None else fmean(a == b for a, b in zip(said, self.said or (), strict=True)),
        )


def _contains(said: Sequence[str], questions: Sequence[Question]) -> float:
    return fmean(contains(answer, question.answers) for answer, question in zip(said, questions, strict=True))


def _summarise(rows: Sequence[RetentionRow], method: str, seed: int) -> RetentionSummary:
    chosen = [row for row in rows if row.method == method]

    def interval(values: list[float]) -> Interval:
        found = bootstrap_interval(values, seed=seed)
        if found is None:
            raise InputError("a method needs at least one document")
        return found

    change = interval([row.nll_change for row in chosen])
    return RetentionSummary(
        method=method,
        kl=interval([row.kl for row in chosen]),
        nll_change=change,
        perplexity_ratio=math.exp(change.value),
        question_nll_change=interval([row.question_nll_change for row in chosen]),
        contains=bootstrap_interval([row.contains for row in chosen if row.contains is not None], seed=seed),
        unchanged=bootstrap_interval([row.unchanged for row in chosen if row.unchanged is not None], seed=seed),
    )
