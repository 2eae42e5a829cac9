"""Evaluations with reports and sealed answers, as the worker writes them, from figures that a test chooses."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from adapters_core.canonical import canonical_bytes
from adapters_core.ledger import adapter_queries, vault
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Actor, Subject
from adapters_core.service.measures_contract import QuestionScore
from governance import artifacts
from governance.installation import installation
from governance.worker import scores
from tests.factories.installations import BASE, Place

Losses = Mapping[str, Sequence[float]]
"""method -> a figure for each question."""
SECONDS = {"adapter": 0.4, "prompt": 0.9, "none": 0.35}


def rows_of(
    losses: Losses, prefix: str, said: Mapping[str, Sequence[str]], right: str | Sequence[str]
) -> list[QuestionScore]:
    """A row for each question and method; ``contains`` where there is an answer."""
    return [
        QuestionScore(
            question=f"{prefix}-{place}",
            method=method,
            nll=value,
            answer=None,
            remembered=None,
            f1=None,
            exact_match=None,
            contains=float(_answer(right, place) in said[method][place - 1])
            if place <= len(said.get(method, ()))
            else None,
        )
        for method, values in losses.items()
        for place, value in enumerate(values, start=1)
    ]


def _contains(said: Sequence[str], right: str | Sequence[str], number: int) -> float | None:
    """Whether an answer holds the right one; None where there is no answer."""
    return float(_answer(right, number) in said[number - 1]) if number <= len(said) else None


def _answer(right: str | Sequence[str], number: int) -> str:
    """The right answer to a question, counted from 1."""
    return right if isinstance(right, str) else right[number - 1]


def measure(
    place: Place,
    adapter: str,
    losses: Losses,
    *,
    general: Losses | None = None,
    said: Mapping[str, Sequence[str]] | None = None,
    questions: Sequence[str] = (),
    right: str | Sequence[str] = "三千円",
    seconds: Mapping[str, float] | None = None,
    keep: bool = True,
    attribution: Mapping[str, Any] | None = None,
) -> str:
    """An evaluation; answers its report's digest. ``keep``: whether the report is stored."""
    said, identifier = said or {}, str(uuid4())
    with place.ledger.read() as db:
        context = adapter_queries.contexts_of_adapter(db, adapter)[0]
    rows = rows_of(losses, context[:8], said, right)
    unrelated = rows_of(general or {}, "unrelated", {}, "")
    stated: dict[str, Any] = {
        "evaluation": identifier,
        "suite": "context",
        "base": BASE,
        "scores": scores.scores(rows),
        "recovery": scores.recovery(rows),
        "retention": scores.retention(unrelated),
        "cost": {"seconds": 12.0, "answer_seconds": dict(seconds or SECONDS)},
    }
    names = ("question", "method", "nll", "f1", "exact_match", "contains")
    listed = {
        part: [{name: getattr(row, name) for name in names} for row in many]
        for part, many in (("rows", rows), ("general", unrelated))
    }
    origin = {"attribution": attribution} if attribution else {}
    content = canonical_bytes({"schema": "ringi-evaluation-1", "adapter": adapter, **stated, **listed, **origin})
    digest = artifacts.keep(content) if keep else "0" * 64
    data = {**stated, "report_digest": digest, "gates": []}
    texts = [
        {
            "id": f"{context[:8]}-{number}",
            "question": question,
            "answers": [_answer(right, number)],
            "said": {method: many[number - 1] for method, many in said.items()},
        }
        for number, question in enumerate(questions, start=1)
    ]
    worker = Actor(id="worker", name="worker", kind="system")
    with place.ledger.write() as tx:
        append(tx, "adapter:evaluated", subject=Subject(kind="adapter", id=adapter), actor=worker, data=data)
        sealed = json.dumps(texts, ensure_ascii=False).encode()
        vault.seal_text(tx, installation().master_key, context, f"evaluation:{identifier}", sealed)
    return digest
