"""Retention is nothing where nothing is adapted, and what is measured is what the formulas say."""

import math
from pathlib import Path

import pytest
import torch

from adapters_core.data.tokens import text_ids
from adapters_core.errors import InputError, NumericalError
from adapters_core.evaluation.finetuning import FineTuning, FullyTuned
from adapters_core.evaluation.methods import Adapted, AdapterCache, GeneratedAdapter, InPrompt, NoContext
from adapters_core.evaluation.neutral import log_probabilities, mean_kl, mean_nll, read_neutral, text_windows
from adapters_core.evaluation.question_files import Question
from adapters_core.evaluation.retention import Retention, measure_retention
from adapters_core.evaluation.suites import read_unrelated
from tests.tiny_suite import tiny_core, tiny_suite

CORE = tiny_core()
SUITE = tiny_suite()
TEXT = "Bread is one of the oldest foods that people still make."
QUESTIONS = (
    Question(id="u1", question="What is the capital of France?", answers=("Paris",)),
    Question(id="u2", question="How many legs has a spider?", answers=("eight", "8")),
)


def adapter() -> GeneratedAdapter:
    return GeneratedAdapter(cache=AdapterCache(source=CORE, key=bytes(32)))


def measure(*methods: object, answers: bool = False) -> Retention:
    return measure_retention(
        CORE.base,
        methods,  # type: ignore[arg-type]
        SUITE.documents[:2],
        neutral=TEXT,
        questions=QUESTIONS,
        answers=answers,
        neutral_tokens=20,
    )


def test_the_bare_base_breaks_nothing() -> None:
    found = measure(NoContext(base=CORE.base), answers=True)

    [summary] = found.summaries
    assert summary.kl.value == summary.nll_change.value == summary.question_nll_change.value == 0.0
    assert summary.perplexity_ratio == 1.0
    assert summary.unchanged is not None
    assert summary.unchanged.value == 1.0
    assert summary.contains is not None
    assert summary.contains.value == found.base_contains


def test_an_adapter_s_kl_and_change_are_as_defined() -> None:
    found = measure(adapter())
    ids = text_ids(CORE.base.require_tokenizer(), TEXT)[:21]

    with adapter().adapt(SUITE.documents[0]) as adapted:
        logs_TW = log_probabilities(adapted, ids)
    with NoContext(base=CORE.base).adapt(SUITE.documents[0]) as bare:
        base_TW = log_probabilities(bare, ids)
    kl = float((base_TW.exp() * (base_TW - logs_TW)).sum(-1).mean())
    change = sum(float(base_TW[i, t] - logs_TW[i, t]) for i, t in enumerate(ids[1:])) / 20
    row = found.rows[0]
    assert row.kl == pytest.approx(kl, rel=1e-4)
    assert row.kl > 0
    assert row.nll_change == pytest.approx(change, abs=1e-5)
    assert found.neutral_tokens == 20
    summary = found.summary("adapter")
    assert summary.perplexity_ratio == math.exp(summary.nll_change.value)
    assert summary.contains is summary.unchanged is None


def test_full_fine_tuning_is_measured_on_its_own_model() -> None:
    found = measure(adapter(), FullyTuned(base=CORE.base, training=FineTuning(steps=2, learning_rate=1e-2)))

    assert found.summary("full").kl.value > 0
    assert [row.method for row in found.rows] == ["adapter", "full"] * 2


def test_log_probabilities_are_those_of_the_whole_model() -> None:
    ids = tuple(range(50, 70))
    adapted = Adapted(base=CORE.base, pairs={}, context=None, seconds=0.0, nbytes=0)

    with torch.no_grad():
        expected = CORE.base.model(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)

    assert torch.allclose(log_probabilities(adapted, ids), expected, atol=1e-5)


def test_windows_predict_every_token_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters_core.evaluation.neutral.WINDOW_TOKENS", 7)
    ids = text_ids(CORE.base.require_tokenizer(), TEXT)

    found = text_windows(CORE.base, TEXT, 1000)

    assert [token for window in found for token in window[1:]] == list(ids[1:])
    assert max(map(len, found)) == 8
    assert sum(len(window) - 1 for window in text_windows(CORE.base, TEXT, 9)) == 9


def test_the_mean_weighs_every_token_alike() -> None:
    logs = [torch.full((2, 4), -1.0), torch.full((1, 4), -4.0)]

    assert mean_nll(logs, [(0, 1, 2), (0, 1)]) == 2.0


def test_damaged_log_probabilities_are_an_error() -> None:
    good, bad = torch.zeros(1, 2), torch.full((1, 2), float("nan"))

    with pytest.raises(NumericalError, match="must be finite"):
        mean_kl([good], [bad])


def test_a_context_in_the_prompt_has_no_retention() -> None:
    with pytest.raises(InputError, match="puts the context in the prompt"):
        measure(InPrompt(base=CORE.base))


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(InputError, match="needs methods"):
        measure()
    with pytest.raises(InputError, match="at least 2 tokens"):
        text_windows(CORE.base, "a", 10)
    with pytest.raises(InputError, match="was not measured"):
        measure(adapter()).summary("lora")


def test_the_neutral_text_and_the_unrelated_questions_come_with_the_repository(tmp_path: Path) -> None:
    assert len(read_neutral()) > 10_000
    assert len(read_unrelated()) > 20
    with pytest.raises(InputError, match="UTF-8 file"):
        read_neutral(tmp_path / "none.txt")
