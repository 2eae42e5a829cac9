"""Rows of methods that know no generator are taken over from an earlier report, and from no other."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters_core.errors import InputError
from adapters_core.evaluation.baselines import read_reports
from adapters_core.evaluation.finetuning import FineTuning
from adapters_core.evaluation.report import QuestionRow, Report
from adapters_core.evaluation.runner import DEFAULT_METHODS, evaluate
from adapters_core.evaluation.table import markdown
from adapters_core.pipeline import GenerationCore
from tests.tiny_model import tiny_base, tiny_config, tiny_generator
from tests.tiny_suite import tiny_core, tiny_suite

CORE = tiny_core()
SUITE = tiny_suite()
LORA = FineTuning(steps=1, learning_rate=1e-3)


@pytest.fixture(scope="module")
def earlier() -> Report:
    return evaluate(CORE, SUITE, ("none", "prompt", "lora", "adapter"), lora=LORA)


def rows(report: Report, *methods: str) -> Sequence[QuestionRow]:
    return [row for method in methods for row in report.questions if row.method == method]


def another_generator() -> GenerationCore:
    base = tiny_base()
    return GenerationCore(base, tiny_generator(base, tiny_config(chunk_tokens=2048), seed=9))


def test_another_generator_is_measured_beside_the_same_baselines(earlier: Report) -> None:
    never = FineTuning(steps=10**9, learning_rate=1e-3)  # would not end, were it run

    found = evaluate(another_generator(), SUITE, ("none", "prompt", "lora", "adapter"), lora=never, baselines=[earlier])

    assert rows(found, "none", "prompt", "lora") == rows(earlier, "none", "prompt", "lora")
    assert rows(found, "adapter") != rows(earlier, "adapter")
    assert found.summary("lora") == replace(earlier.summary("lora"), against=found.summary("lora").against)
    assert set(found.provenance.reused) == {"none", "prompt", "lora"}
    assert "- lora: rows of an earlier run" in markdown(found)


def test_what_is_taken_over_is_what_would_be_measured(earlier: Report) -> None:
    again, reused = evaluate(CORE, SUITE), evaluate(CORE, SUITE, baselines=[earlier])

    assert rows(reused, *DEFAULT_METHODS) == rows(again, *DEFAULT_METHODS)
    assert [m.against for m in reused.methods] == [m.against for m in again.methods]


def test_rows_without_answers_are_measured_again_where_answers_are_wanted(earlier: Report) -> None:
    found = evaluate(CORE, SUITE, ("none",), answers=True, limit=None, baselines=[earlier])

    assert all(row.answer is not None for row in found.questions)
    assert not found.provenance.reused


def test_reports_of_other_suites_do_not_matter(earlier: Report) -> None:
    other = replace(earlier, provenance=replace(earlier.provenance, suite="another"))

    assert not evaluate(CORE, SUITE, ("none",), baselines=[other]).provenance.reused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "f" * 64}, "must be of base [0-9a-f]{16}, got ffffffffffffffff"),
        ({"suite_digest": "e" * 64}, "must be of questions"),
        ({"dtype": "bfloat16"}, "must be of precision float32, got bfloat16"),
        ({"device": "cuda"}, "must be of device cpu, got cuda"),
    ],
)
def test_baselines_of_something_else_are_refused(earlier: Report, changes: dict[str, Any], message: str) -> None:
    other = replace(earlier, provenance=replace(earlier.provenance, **changes))

    with pytest.raises(InputError, match=message):
        evaluate(CORE, SUITE, ("none",), baselines=[other])


def test_baselines_of_other_questions_of_the_suite_are_refused(earlier: Report) -> None:
    with pytest.raises(InputError, match="must be of questions"):
        evaluate(CORE, SUITE, ("none",), limit=2, baselines=[earlier])


def test_reports_are_read_from_every_file_that_holds_them(earlier: Report, tmp_path: Path) -> None:
    for number, content in enumerate(
        (earlier.to_json(), {"report": earlier.to_json()}, {"reports": {"fictional": earlier.to_json()}})
    ):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(content))
        assert read_reports(path) == (earlier,)


@pytest.mark.parametrize("content", ["[]", "not json", '{"reports": 3}'])
def test_a_file_without_reports_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)

    with pytest.raises(InputError, match=r"must be a report\.json"):
        read_reports(path)
    with pytest.raises(InputError, match="no report at"):
        read_reports(tmp_path / "missing.json")
