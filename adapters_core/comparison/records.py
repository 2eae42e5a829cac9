"""What is compared and what comes of it: frozen records. Unknown is None, apart from zero and from unchanged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from adapters_core.evaluation.intervals import Interval

Kind = Literal["adapter", "baseline"]
Word = Literal["better", "worse", "unchanged", "incomparable", "beside"]
Suite = Literal["context", "general"]
Code = Literal["best", "least_change", "least_harm", "only", "no_gain", "incomparable", "all_barred", "not_measured"]
SUITES: tuple[Suite, ...] = ("context", "general")
"""Questions on the contexts, which decide, and questions that have nothing to do with them, which warn."""
LOWER_IS_BETTER = frozenset({"nll"})
"""Of the metrics; of all others more is better."""
MARGIN = 0.1
"""A mean difference of the deciding metric, nats per token, that makes no difference in practice."""
METRICS = ("contains", "nll", "f1", "exact_match")
"""In the order in which they are shown."""
DECIDING = "nll"
"""The one metric that is tested, fixed before anything is measured: every question is scored by it, and it tells
candidates apart most finely. The others are shown beside it: to look at all of them for one that shows a difference
finds one where there is none."""


@dataclass(frozen=True, kw_only=True, order=True)
class Question:
    """One question that was asked; equal where the same question was asked of another candidate."""

    suite: Suite
    document: str
    """What it is about: questions on one document stand or fall together."""
    id: str


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One question under one method."""

    question: Question
    method: str
    text: str | None
    """What was answered; None: no answer was asked for, or it was erased."""
    values: Mapping[str, float]
    """By metric; what was not measured is missing."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A figure as the ledger states it, without the questions behind it."""

    value: float
    low: float | None = None
    high: float | None = None
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a candidate costs; None where it was not measured."""

    adapt_seconds: float | None = None
    """To take the context in, once."""
    query_seconds: float | None = None
    """For one whole answer."""
    carried_tokens: int | None = None
    """Tokens of the context that come along with every question."""
    kept_bytes: int | None = None
    """To keep for later questions."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An adapter, or a baseline of its evaluation."""

    key: str
    """How addresses name it: a manifest digest, or the method of a baseline."""
    kind: Kind
    name: str
    base: str
    """Digest of the base model that it belongs to."""
    answers: tuple[Answered, ...] = ()
    stated: Mapping[tuple[Suite, str], Stated] = field(default_factory=dict)
    """(suite, metric) -> figure, for evaluations whose report is not at hand."""
    recovery: Stated | None = None
    retention: Stated | None = None
    norms: Mapping[str, float] = field(default_factory=dict)
    """Frobenius norm of the delta by module path; empty for a baseline, which changes no weight."""
    norm_total: float | None = None
    cost: Cost = Cost()
    barred: str | None = None
    """Why it cannot be taken (retired, rejected, erased); None: nothing stands against it."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A candidate against another one by one metric."""

    word: Word
    """``beside``: shown only, since another metric decides."""
    reason: str
    """shown, same, beside; or why the two cannot be compared: different_base, not_measured, other_not_measured,
    report_missing, no_common_questions, too_few, undecided."""
    difference: Interval | None = None
    """Mean over the questions asked of both, this candidate minus the other."""
    p_value: float | None = None
    """Of the paired test, corrected for all pairs that are compared; None: no test was made."""
    unit: Literal["document", "question"] | None = None
    """What was resampled."""
    questions: int = 0
    """Asked of both."""

    @property
    def tied(self) -> bool:
        """Neither is shown to be better, though enough was asked of both for a test."""
        return self.reason in {"same", "undecided"}


@dataclass(frozen=True, kw_only=True)
class Score:
    """One candidate's figure by one metric; ``value`` None: not measured."""

    value: float | None
    low: float | None = None
    high: float | None = None
    count: int | None = None
    """Questions behind it; None: not known."""
    verdict: Verdict | None = None
    """Against the first candidate; None for the first one itself."""


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """All candidates by one metric of one suite."""

    suite: Suite
    metric: str
    scores: tuple[Score, ...]
    """In the order of the candidates."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One finding behind a recommendation: a candidate against another one."""

    mine: str
    other: str
    """Keys of the two."""
    suite: Suite
    verdict: Verdict
    """By the deciding metric."""


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """Which candidate to take and why."""

    take: str | None
    """Its key; None: none can be recommended."""
    code: Code
    """best: shown better than every other adapter. least_change: no adapter is shown to be better, this one changes
    the model least. least_harm: the same, among those that are not shown to harm other knowledge, where another one
    is. only: the only adapter that can be taken. no_gain: not shown to be better than the base without the context.
    The others: why none is recommended."""
    reasons: tuple[Reason, ...] = ()
    against_bare: Reason | None = None
    """The best adapter against the base without the context; None where that was not looked at."""
    harm: Reason | None = None
    """Where that adapter answers unrelated questions worse than the base does; None: that was not shown."""
    beaten_by: tuple[str, ...] = ()
    """Baselines that are shown to be better than that adapter."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two to six candidates, set beside each other; verdicts are against the first one."""

    candidates: tuple[Candidate, ...]
    rows: tuple[ScoreRow, ...]
    recommendation: Recommendation
