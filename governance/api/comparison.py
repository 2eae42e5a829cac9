"""Two to six candidates set beside each other: the data of the page and of its CSV."""

from collections.abc import Mapping
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Path, Router

from governance.api.comparison_records import Comparison
from governance.api.reading import read
from governance.installation import installation
from governance.selectors.candidates import parse_keys
from governance.selectors.comparison_sheets import Column, Sheet, sheet

router = Router(tags=["comparison"])
Keys = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-z]{4,64}(\.\.\.[0-9a-z]{4,64}){1,5}$",
        max_length=420,
        description="Two to six candidates with `...` between them: digests (or eight characters of one, or more) "
        "and the baselines none, prompt, wrong",
    ),
]


@router.get("/{candidates}", response=Comparison)
def compare_candidates(request: HttpRequest, candidates: Keys) -> object:
    """Compare."""
    found = read(request, lambda db: sheet(db, installation().master_key, parse_keys(candidates)))
    order = [column.candidate.key for column in found.columns]
    advice = found.comparison.recommendation
    return {
        "key": found.key,
        "candidates": [_candidate(one) for one in found.columns],
        "recommendation": {**vars(advice), "sentence": found.sentence, "cautions": found.cautions},
        "scores": [
            {"suite": row.suite, "metric": row.metric, "scores": list(map(_score, order, row.scores))}
            for row in found.comparison.rows
        ],
        "answers": _answers(found),
        "norms": found.norms,
        "costs": found.costs,
    }


def _candidate(column: Column) -> Mapping[str, Any]:
    return {**vars(column.candidate), **vars(column), "barred": column.candidate.barred}


def _score(key: str, score: Any) -> Mapping[str, Any]:  # noqa: ANN401  a record of the comparison
    verdict = score.verdict
    interval = verdict.difference if verdict else None
    against = verdict and {
        "word": verdict.word,
        "reason": verdict.reason,
        "questions": verdict.questions,
        "difference": interval.value if interval else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "p_value": verdict.p_value,
    }
    return {**vars(score), "key": key, "verdict": against}


def _answers(found: Sheet) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for row in found.answers:
        asked = found.asked.get(row.question.id)
        rows.append(
            {
                "question": row.question.id,
                "suite": row.question.suite,
                "asked": asked.text if asked else None,
                "answers": asked.answers if asked else (),
                "differs": row.differs,
                "cells": row.cells,
            }
        )
    return rows
