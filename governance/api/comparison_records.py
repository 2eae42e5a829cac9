"""What a comparison answers."""

from typing import Literal

from governance.api.fields import Moment, Record

Word = Literal["better", "worse", "unchanged", "incomparable", "beside"]


class Lineage(Record):
    """What an adapter was made from."""

    contexts: list[str]
    """Titles."""
    parent: str | None
    generator: str
    base_name: str
    added: int
    """Chunks."""
    erased: int
    """Chunks."""
    tokens: int
    chunks: int
    time: Moment
    actor: str


class Figure(Record):
    """A figure with its 95% interval; null: not measured."""

    value: float
    low: float | None
    high: float | None
    count: int | None


class Cost(Record):
    """What a candidate costs; null: not measured."""

    adapt_seconds: float | None
    """To take the context in, once."""
    query_seconds: float | None
    """For one whole answer."""
    carried_tokens: int | None
    """Tokens of the context that come along with every question."""
    kept_bytes: int | None


class CostRow(Record):
    """What one candidate costs, against its own documents in the prompt."""

    key: str
    cost: Cost
    prompt: Cost | None
    """Of its documents in the prompt; null for a baseline, and where that was not measured."""
    break_even: int | None
    """Questions from which on it takes less time than the prompt; null: never, or not known."""
    known: bool
    """Whether a break-even could be worked out."""


class CandidateOut(Record):
    """One candidate."""

    key: str
    """The digest, or the method of a baseline."""
    kind: Literal["adapter", "baseline"]
    letter: str
    name: str
    base: str
    state: str | None
    """null for a baseline."""
    recovery: Figure | None
    retention: Figure | None
    norm_total: float | None
    barred: str | None
    """Why it cannot be taken (retired, rejected, erased)."""
    taken: bool
    """Whether it is the one that is recommended."""
    missing: list[str]
    """Reports that are not here, or were changed."""
    lineage: Lineage | None


class Verdict(Record):
    """A candidate against the first one, over the questions that both were asked."""

    word: Word
    """`beside`: the difference is shown, and another metric decides."""
    reason: str
    questions: int
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    """Corrected for all pairs that are compared (Holm); null: no test was made."""


class Score(Record):
    """One candidate by one metric; null: not measured."""

    key: str
    value: float | None
    low: float | None
    high: float | None
    count: int | None
    verdict: Verdict | None
    """null for the first candidate."""


class ScoreRow(Record):
    """All candidates by one metric."""

    suite: Literal["context", "general"]
    """`general`: questions that have nothing to do with the contexts."""
    metric: str
    scores: list[Score]


class Cell(Record):
    """One candidate's answer to one question."""

    asked: bool
    text: str | None
    """null: no answer was asked for, it was erased, or it is not kept."""
    right: bool | None
    nll: float | None


class AnswerRow(Record):
    """One question with the answers in the order of the candidates."""

    question: str
    """Its id."""
    suite: Literal["context", "general"]
    asked: str | None
    """null: it cannot be read any more."""
    answers: list[str]
    """Those that count as right."""
    differs: bool
    cells: list[Cell]


class NormRow(Record):
    """One module of the model: how far each candidate changes it; null: it does not."""

    layer: int | None
    site: str
    norms: list[float | None]
    differences: list[float | None]
    """Each minus the first."""


class Recommendation(Record):
    """Which candidate to take."""

    take: str | None
    """Its key; null: none can be recommended."""
    code: Literal["best", "least_change", "least_harm", "only", "no_gain", "incomparable", "all_barred", "not_measured"]
    sentence: str
    cautions: list[str]
    beaten_by: list[str]
    """Baselines that are shown to be better."""


class Comparison(Record):
    """Two to six candidates; verdicts and differences are against the first one."""

    key: str
    """How the address of the page names it."""
    candidates: list[CandidateOut]
    recommendation: Recommendation
    scores: list[ScoreRow]
    answers: list[AnswerRow]
    norms: list[NormRow]
    costs: list[CostRow]
