"""Answers side by side: one row a question, each answer with its differences from the first candidate's."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters_core.comparison.records import Answered, Candidate, Question
from adapters_core.comparison.words import Piece, differences


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One candidate's answer to one question."""

    asked: bool
    """Whether the question was asked of it."""
    text: str | None
    """None: no answer was asked for, it was erased, or it is not kept."""
    pieces: tuple[Piece, ...]
    """Against the first candidate's answer; the whole text where there is nothing to set it against."""
    right: bool | None
    """Whether it holds a right answer; None: not measured."""
    nll: float | None


@dataclass(frozen=True, kw_only=True)
class AnswerRow:
    """One question."""

    question: Question
    cells: tuple[Cell, ...]
    """In the order of the candidates."""
    differs: bool
    """Whether a candidate answers differently from the first one."""


def answer_rows(candidates: Sequence[Candidate], *, only_differences: bool = False) -> tuple[AnswerRow, ...]:
    """Every question that was asked of any candidate, in order.

    Args:
        candidates: the first one is what the others are set against.
        only_differences: leave out questions that all candidates answer word for word alike.
    """
    found = [{answered.question: answered for answered in one.answers} for one in candidates]
    questions = sorted({question for answers in found for question in answers})
    rows = (_row(question, [answers.get(question) for answers in found]) for question in questions)
    return tuple(row for row in rows if row.differs or not only_differences)


def _row(question: Question, answers: Sequence[Answered | None]) -> AnswerRow:
    first = answers[0].text if answers[0] else None
    cells = tuple(_cell(answered, first if place else None) for place, answered in enumerate(answers))
    texts = {cell.text for cell in cells if cell.asked}
    return AnswerRow(question=question, cells=cells, differs=len(texts) > 1)


def _cell(answered: Answered | None, first: str | None) -> Cell:
    if answered is None:
        return Cell(asked=False, text=None, pieces=(), right=None, nll=None)
    text = answered.text
    if text is None:
        pieces: tuple[Piece, ...] = ()
    else:
        pieces = differences(first, text) if first is not None else (Piece(text=text, kind="same"),)
    contains = answered.values.get("contains")
    right = None if contains is None else contains > 0
    return Cell(asked=True, text=text, pieces=pieces, right=right, nll=answered.values.get("nll"))
