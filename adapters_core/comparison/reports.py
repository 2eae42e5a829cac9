"""The questions and costs in a stored evaluation report (``ringi-evaluation-1``): one row for each question and method.

Reports hold no text. What was answered is handed in by whoever may open the vault.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters_core.comparison.records import METRICS, Answered, Question, Suite
from adapters_core.errors import IntegrityError

SCHEMA = "ringi-evaluation-1"
Texts = Mapping[tuple[str, str], str]
"""(question id, method) -> answer."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a report says."""

    answers: tuple[Answered, ...]
    answer_seconds: Mapping[str, float]
    """For one whole answer, by method."""
    base: str
    """Digest of the base model."""


def read_findings(content: bytes, texts: Texts) -> Findings:
    """What a report says.

    Args:
        content: the stored file.
        texts: what was answered, as far as it can still be read.

    Raises:
        IntegrityError: it is no report of this schema.
    """
    try:
        report = json.loads(content)
        if report["schema"] != SCHEMA:
            raise IntegrityError(f"an evaluation report must have the schema {SCHEMA}, got {report['schema']!r}")
        answers = (*_all(report["rows"], "context", texts), *_all(report["general"], "general", {}))
        seconds = {str(name): float(value) for name, value in report["cost"]["answer_seconds"].items()}
        return Findings(answers=answers, answer_seconds=seconds, base=str(report["base"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"an evaluation report must hold a row for each question: {error!r}") from error


def _all(rows: Sequence[Mapping[str, Any]], suite: Suite, texts: Texts) -> list[Answered]:
    return [_answered(row, suite, texts) for row in rows]


def _answered(row: Mapping[str, Any], suite: Suite, texts: Texts) -> Answered:
    name, method = str(row["question"]), str(row["method"])
    values = {metric: float(row[metric]) for metric in METRICS if _is_number(row.get(metric))}
    question = Question(suite=suite, document=document_of(name), id=name)
    return Answered(question=question, method=method, text=texts.get((name, method)), values=values)


def document_of(question: str) -> str:
    """What a question is about: ids begin with it, ``<document>-<number>``."""
    return question.rpartition("-")[0] or question


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
