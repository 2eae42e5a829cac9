"""Candidates of a comparison, with answers that a test chooses."""

from collections.abc import Sequence
from typing import Any

from adapters_core.comparison.records import Answered, Candidate, Question, Suite

BASE = "b" * 64


def answered(
    values: Sequence[float | None], *, metric: str = "nll", suite: Suite = "context", document: str = "doc"
) -> tuple[Answered, ...]:
    """Question 1, 2, ... of a document; None: that one was not asked."""
    return tuple(
        Answered(
            question=Question(suite=suite, document=document, id=f"{document}-{place}"),
            method="adapter",
            text=None,
            values={metric: value},
        )
        for place, value in enumerate(values, start=1)
        if value is not None
    )


def said(texts: Sequence[str | None]) -> tuple[Answered, ...]:
    """Answers in words."""
    return tuple(
        Answered(
            question=Question(suite="context", document="doc", id=f"doc-{place}"),
            method="adapter",
            text=text,
            values={"nll": 1.0},
        )
        for place, text in enumerate(texts, start=1)
    )


def candidate(key: str, answers: Sequence[Answered] = (), **more: Any) -> Candidate:
    """An adapter of one base, unless said otherwise."""
    given = {"kind": "adapter", "name": key, "base": BASE, "norm_total": 1.0, **more}
    return Candidate(key=key, answers=tuple(answers), **given)
