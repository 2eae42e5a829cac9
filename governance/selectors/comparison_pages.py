"""A comparison in the words and rows that its page shows."""

from dataclasses import dataclass

from adapters_core.comparison.answers import AnswerRow, Cell
from adapters_core.comparison.costs import CostRow
from adapters_core.comparison.records import ScoreRow, Stated, Verdict
from governance.selectors.candidates import Asked
from governance.selectors.comparison_sheets import Column, Sheet
from governance.selectors.comparison_tables import Table, norms
from governance.selectors.comparison_words import METRICS, REASONS, SUITES, VERDICTS, amount, change, p_text

_TONES = {"better": "good", "worse": "bad", "unchanged": "key", "incomparable": "warn", "beside": ""}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One score in words."""

    value: str
    range: str
    """Empty where the interval is not known."""
    count: int | None
    verdict: str
    """Empty for the first candidate, and where another metric decides."""
    tone: str
    reason: str
    change: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """All candidates by one metric."""

    suite: str
    metric: str
    lower_is_better: bool
    figures: tuple[Figure, ...]


@dataclass(frozen=True, kw_only=True)
class Head:
    """One candidate with what its evaluation says of it as a whole."""

    column: Column
    recovery: str
    retention: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One question with what each candidate answered."""

    question: str
    asked: Asked | None
    cells: tuple[tuple[Column, Cell], ...]
    differs: bool


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the template needs besides the sheet."""

    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    answers: tuple[Answer, ...]
    only: bool
    """Whether questions that all answer alike are left out."""
    alike: int
    """Questions that all candidates answer alike."""
    norms: Table
    costs: tuple[tuple[Column, CostRow], ...]
    timed: bool
    """Whether any candidate's answers were timed."""


def page_of(sheet: Sheet, *, only: bool) -> Page:
    """The page of a comparison; ``only``: leave out questions that all candidates answer alike."""
    answered = [row for row in sheet.answers if any(cell.text is not None for cell in row.cells)]
    shown = [row for row in answered if row.differs or not only]
    return Page(
        heads=tuple(
            Head(
                column=column,
                recovery=stated_text(column.candidate.recovery),
                retention=stated_text(column.candidate.retention),
            )
            for column in sheet.columns
        ),
        lines=tuple(_line(row) for row in sheet.comparison.rows),
        answers=tuple(_answer(sheet, row) for row in shown),
        only=only,
        alike=sum(not row.differs for row in answered),
        norms=norms(sheet),
        costs=tuple(zip(sheet.columns, sheet.costs, strict=True)),
        timed=any(row.cost.query_seconds is not None for row in sheet.costs),
    )


def _line(row: ScoreRow) -> Line:
    return Line(
        suite=str(SUITES[row.suite]),
        metric=str(METRICS[row.metric]),
        lower_is_better=row.metric == "nll",
        figures=tuple(
            Figure(
                value=amount(row.metric, score.value),
                range=spread(row.metric, score.low, score.high),
                count=score.count,
                verdict=str(VERDICTS[score.verdict.word]) if score.verdict and score.verdict.word != "beside" else "",
                tone=_TONES[score.verdict.word] if score.verdict else "",
                reason=str(REASONS[score.verdict.reason]) if score.verdict else "",
                change=_change(row.metric, score.verdict),
            )
            for score in row.scores
        ),
    )


def spread(metric: str, low: float | None, high: float | None) -> str:
    """An interval in words; empty where it is not known."""
    return "" if low is None or high is None else f"{amount(metric, low)} – {amount(metric, high)}"


def stated_text(figure: Stated | None) -> str:
    """A share of one with its interval, as a percentage; a dash where it was not measured."""
    if figure is None:
        return "–"
    bounds = spread("f1", figure.low, figure.high)
    return amount("f1", figure.value) + (f" ({bounds})" if bounds else "")


def _change(metric: str, verdict: Verdict | None) -> str:
    if verdict is None or verdict.difference is None:
        return ""
    value = change(metric, verdict.difference.value)
    return value if verdict.p_value is None else f"{value} ({p_text(verdict.p_value)})"


def _answer(sheet: Sheet, row: AnswerRow) -> Answer:
    return Answer(
        question=row.question.id,
        asked=sheet.asked.get(row.question.id),
        cells=tuple(zip(sheet.columns, row.cells, strict=True)),
        differs=row.differs,
    )
