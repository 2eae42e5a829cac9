"""An evaluation asks the same questions under every method, and its report says only what was measured."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters_core.errors import InputError, IntegrityError
from adapters_core.evaluation.finetuning import FineTuning
from adapters_core.evaluation.intervals import Interval
from adapters_core.evaluation.methods import Adapted
from adapters_core.evaluation.provenance import sampled
from adapters_core.evaluation.question_files import Question, SuiteDocument
from adapters_core.evaluation.report import UNDEFINED, Report
from adapters_core.evaluation.runner import METHODS, evaluate
from adapters_core.evaluation.suites import load_suite
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.digests import digest_tensors
from tests.tiny_suite import tiny_core, tiny_suite

CORE = tiny_core()
SUITE = tiny_suite()


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(CORE, SUITE, answers=True)


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A method whose losses are known beforehand."""

    base: BaseModel
    name: str
    nll: float

    @contextmanager
    def adapt(self, _document: SuiteDocument) -> Iterator[Adapted]:
        yield _Fixed(base=self.base, pairs={}, context=None, seconds=1.0, nbytes=8, nll=self.nll)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fixed(Adapted):
    nll: float = 0.0

    def score(self, questions: Sequence[Question]) -> tuple[float, ...]:
        return (self.nll,) * len(questions)


def constants(**losses: float) -> list[Constant]:
    return [Constant(base=CORE.base, name=name, nll=nll) for name, nll in losses.items()]


def test_every_method_answers_every_question(report: Report) -> None:
    for method in ("none", "prompt", "adapter", "wrong"):
        rows = [row for row in report.questions if row.method == method]
        assert [row.question for row in rows] == [q.id for d in SUITE.documents for q in d.questions]
        assert all(row.answer is not None and row.f1 is not None for row in rows)
        assert report.summary(method).nll.count == 8
        assert report.summary(method).nll.clusters == 4


def test_fine_tuning_is_slow_and_runs_only_where_it_is_asked_for(report: Report) -> None:
    assert [summary.method for summary in report.methods] == ["none", "prompt", "adapter", "wrong"]


def test_the_control_comes_with_the_adapter_unasked() -> None:
    found = evaluate(CORE, SUITE, ["adapter", "none"])

    assert [summary.method for summary in found.methods] == ["adapter", "wrong", "none"]


def test_a_single_document_has_no_control_and_is_refused() -> None:
    with pytest.raises(InputError, match="wrong document"):
        evaluate(CORE, tiny_suite(1), ["none", "adapter"])


def test_a_sample_of_one_document_takes_its_control_from_the_rest_of_the_suite() -> None:
    found = evaluate(CORE, SUITE, ["adapter"], limit=1)

    assert found.provenance.documents == found.provenance.questions == 1
    own, control = found.adaptations
    assert own.adapter != control.adapter


def test_evaluating_leaves_the_base_bit_for_bit_itself() -> None:
    before = digest_tensors(CORE.base.model.named_parameters())

    evaluate(CORE, SUITE, limit=2)

    assert digest_tensors(CORE.base.model.named_parameters()) == before
    assert not any(module._forward_hooks for module in CORE.base.model.modules())


def test_the_same_seed_gives_the_same_numbers(report: Report) -> None:
    again = evaluate(CORE, SUITE, answers=True)

    assert again.questions == report.questions
    assert [summary.nll for summary in again.methods] == [summary.nll for summary in report.methods]
    assert [row.adapter for row in again.adaptations] == [row.adapter for row in report.adaptations]


def test_fine_tuning_is_measured_beside_the_adapter() -> None:
    training = FineTuning(steps=2, learning_rate=1e-3)
    before = digest_tensors(CORE.base.model.named_parameters())

    found = evaluate(CORE, SUITE, METHODS, limit=2, lora=training, full=training)

    assert [summary.method for summary in found.methods] == list(METHODS)
    for method in ("lora", "full"):
        assert found.summary(method).adapt_seconds > 0
        assert found.summary(method).specific_recovery is None
        assert found.summary(method).nll.value != found.summary("none").nll.value
    assert digest_tensors(CORE.base.model.named_parameters()) == before


def test_recovery_is_what_the_definition_says() -> None:
    found = evaluate(CORE, SUITE, constants(none=6.0, prompt=2.0, adapter=3.0, wrong=5.0))

    recovery, specific = found.summary("adapter").recovery, found.summary("adapter").specific_recovery
    assert isinstance(recovery, Interval)
    assert isinstance(specific, Interval)
    assert (recovery.value, specific.value) == (0.75, 0.5)
    assert found.summary("adapter").against["wrong"].interval.value == -2.0
    assert found.summary("none").recovery is None
    assert found.summary("wrong").specific_recovery is None


def test_recovery_is_undefined_where_the_prompt_does_not_help() -> None:
    found = evaluate(CORE, SUITE, constants(none=2.0, prompt=2.0, adapter=1.0, wrong=5.0))

    assert found.summary("adapter").recovery == UNDEFINED
    assert found.summary("adapter").specific_recovery == UNDEFINED


def test_recovery_is_unknown_without_its_baselines() -> None:
    found = evaluate(CORE, SUITE, constants(none=2.0, adapter=1.0, wrong=5.0))

    assert found.summary("adapter").recovery is None


def test_scores_of_answers_are_unknown_where_none_were_asked_for() -> None:
    found = evaluate(CORE, SUITE, ["none"], limit=2)

    assert found.summary("none").f1 is None
    assert found.questions[0].answer is None


def test_what_is_remembered_is_scored_only_where_something_is_known(report: Report) -> None:
    rows = [row for row in report.questions if row.method == "none"]

    assert [row.remembered is None for row in rows] == [True, False] * 4


def test_norms_of_every_site_are_kept(report: Report) -> None:
    assert set(report.norms) == {site.path for site in CORE.generator.sites}
    assert all(norm > 0 for norm in report.norms.values())


def test_a_report_survives_the_way_to_disk_and_back(report: Report, tmp_path: Path) -> None:
    path = report.write(tmp_path / "report.json")

    assert Report.read(path) == report


def test_a_report_with_undefined_recovery_survives_too(tmp_path: Path) -> None:
    found = evaluate(CORE, SUITE, constants(none=2.0, prompt=2.0, adapter=1.0, wrong=5.0))

    assert Report.read(found.write(tmp_path / "r.json")) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "ringi-evaluation-0"}, "schema"),
        ({"questions": [{}]}, r"Report.questions\[0\] must have the fields"),
        ({"extra": 1}, "unknown fields"),
        ({"norms": {"a": "b"}}, r"Report.norms.a must be float"),
        ({"questions": 3}, "Report.questions must be"),
    ],
)
def test_a_damaged_report_is_refused_with_the_place(
    report: Report, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**report.to_json(), **change}))

    with pytest.raises(IntegrityError, match=message):
        Report.read(path)


def test_a_missing_report_and_one_that_is_no_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")

    with pytest.raises(InputError, match="no report at"):
        Report.read(tmp_path / "y.json")
    with pytest.raises(IntegrityError, match="no JSON report"):
        Report.read(tmp_path / "x.json")


def test_the_provenance_names_base_generator_and_questions(report: Report) -> None:
    provenance = report.provenance

    assert (provenance.base, provenance.generator) == (CORE.base.digest, CORE.generator_digest)
    assert (provenance.dtype, provenance.questions, provenance.limit) == ("float32", 8, None)
    other = evaluate(CORE, replace(SUITE, documents=SUITE.documents[:3]), ["none"])
    assert other.provenance.suite_digest != provenance.suite_digest


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[int, int, str]] = []

    evaluate(CORE, SUITE, ["none", "prompt"], progress=lambda *told: seen.append(told))

    assert seen[-1] == (16, 16, "prompt: Doi")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)


@pytest.mark.parametrize("methods", [[], ["none", "none"], ["none", "magic"]])
def test_methods_that_are_unknown_or_repeated_are_refused(methods: list[str]) -> None:
    with pytest.raises(InputError, match="methods must be"):
        evaluate(CORE, SUITE, methods)


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    small = sampled(SUITE, 3, 5)
    large = sampled(SUITE, 6, 5)

    questions = {q.id for d in large.documents for q in d.questions}
    assert {q.id for d in small.documents for q in d.questions} < questions
    assert (small.question_count, large.question_count) == (3, 6)


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_depends_on_the_seed_alone_and_is_that_of_loading_with_a_limit(seed: int) -> None:
    assert sampled(load_suite("fictional"), 20, seed) == load_suite("fictional", limit=20, seed=seed)


def test_a_limit_below_one_and_an_empty_suite_are_refused() -> None:
    with pytest.raises(InputError, match="limit must be at least 1"):
        sampled(SUITE, 0, 0)
    with pytest.raises(InputError, match="at least one question"):
        evaluate(CORE, replace(SUITE, documents=()), ["none"])
