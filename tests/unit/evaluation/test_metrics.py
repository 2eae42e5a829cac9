"""Scores of answers follow the SQuAD rules, and recovery is a ratio of means that is None where it means nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.errors import InputError
from adapters_core.evaluation.metrics import (
    contains,
    exact_match,
    f1,
    normalise_answer,
    recovery,
    specific_recovery,
)

WORDS = st.lists(st.sampled_from(["the", "a", "Kyoto", "kyoto,", "12", "東京", "x-y", "..."]), max_size=6).map(" ".join)
LOSSES = st.lists(st.floats(0.1, 20), min_size=2, max_size=30)


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalise_answer(normalise_answer(text)) == normalise_answer(text)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [("  The  Dog's ", "dogs"), ("An A-Team.", "ateam"), ("9,800 yen", "9800 yen"), ("theatre", "theatre"), ("a", "")],
)
def test_normalising_follows_the_squad_rules(text: str, normalised: str) -> None:
    assert normalise_answer(text) == normalised


@given(prediction=WORDS, answers=st.lists(WORDS, min_size=1, max_size=3))
def test_scores_lie_between_0_and_1_and_an_exact_match_has_full_f1(prediction: str, answers: list[str]) -> None:
    score = f1(prediction, answers)

    assert 0 <= score <= 1
    assert exact_match(prediction, answers) <= score
    assert exact_match(prediction, [prediction, *answers]) == 1


@given(prediction=WORDS, answer=WORDS)
def test_an_exact_match_with_words_contains_the_answer(prediction: str, answer: str) -> None:
    if exact_match(prediction, [answer]) and normalise_answer(answer):
        assert contains(prediction, [answer]) == 1


@given(first=WORDS, second=WORDS)
def test_f1_is_the_same_from_both_sides(first: str, second: str) -> None:
    assert f1(first, [second]) == f1(second, [first])


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("the blue sticker", ["blue"], 2 / 3),
        ("blue", ["red", "blue"], 1.0),
        ("green", ["blue"], 0.0),
        ("", ["blue"], 0.0),
        ("a b b c", ["b b d"], 2 / 3),
        ("The.", ["an"], 1.0),
    ],
)
def test_known_f1_values(prediction: str, answers: list[str], expected: float) -> None:
    assert f1(prediction, answers) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("It is 9,800 yen a night.", ["9,800 yen"], 1.0),
        ("It is 19,800 yen.", ["9,800 yen"], 0.0),
        ("Room 71, room 7", ["7"], 1.0),
        ("Room 71", ["7"], 0.0),
        ("答えは東京です", ["東京"], 1.0),
        ("anything", ["the"], 0.0),
        ("", ["x"], 0.0),
        ("amber or blue", ["violet", "Amber"], 1.0),
    ],
)
def test_contains_looks_for_whole_words(prediction: str, answers: list[str], expected: float) -> None:
    assert contains(prediction, answers) == expected


@pytest.mark.parametrize("answers", [[], "blue"])
def test_answers_must_be_a_sequence_of_texts(answers: list[str]) -> None:
    for score in (f1, exact_match, contains):
        with pytest.raises(InputError, match="sequence of at least one text"):
            score("blue", answers)


@given(none=LOSSES, gain=st.floats(0.05, 5), share=st.floats(-1, 1.5))
def test_recovery_is_the_share_of_the_prompts_gain(none: list[float], gain: float, share: float) -> None:
    prompt = np.array(none) - gain
    adapter = np.array(none) - share * gain

    result = recovery(none=none, adapter=adapter, prompt=prompt, seed=0, resamples=50)

    assert result is not None
    assert result.value == pytest.approx(share, abs=1e-6)
    assert result.low == pytest.approx(share, abs=1e-6)
    assert result.high == pytest.approx(share, abs=1e-6)


@given(none=LOSSES)
def test_recovery_is_1_for_the_prompt_itself_and_0_for_nothing(none: list[float]) -> None:
    prompt = np.array(none) / 2

    full = recovery(none=none, adapter=prompt, prompt=prompt, seed=0, resamples=20)
    nothing = recovery(none=none, adapter=none, prompt=prompt, seed=0, resamples=20)

    assert full is not None
    assert nothing is not None
    assert full.value == pytest.approx(1)
    assert nothing.value == 0


@given(losses=LOSSES, harm=st.floats(0, 3))
def test_recovery_is_none_where_the_prompt_does_not_help(losses: list[float], harm: float) -> None:
    prompt = [loss + harm for loss in losses]

    assert recovery(none=losses, adapter=losses, prompt=prompt, seed=0) is None
    assert specific_recovery(none=losses, prompt=prompt, adapter=losses, wrong=losses, seed=0) is None


@given(none=LOSSES, style=st.floats(0, 1), memory=st.floats(0, 1))
def test_specific_recovery_leaves_out_what_a_wrong_document_brings_too(
    none: list[float], style: float, memory: float
) -> None:
    base = np.array(none)

    result = specific_recovery(
        none=base, prompt=base - 2, adapter=base - style - memory, wrong=base - style, seed=0, resamples=20
    )

    assert result is not None
    assert result.value == pytest.approx(memory / 2, abs=1e-6)


def test_recovery_is_a_ratio_of_means_and_not_a_mean_of_ratios() -> None:
    result = recovery(none=[2.0, 10.0], adapter=[1.0, 10.0], prompt=[1.0, 1.0], seed=0)

    assert result is not None
    assert result.value == pytest.approx(0.1)


def test_recovery_has_no_bounds_where_many_resamples_have_no_denominator() -> None:
    none, prompt = [1.0] * 4, [0.0, 2.0, 0.5, 1.0]

    result = recovery(none=none, adapter=none, prompt=prompt, seed=0)

    assert result is not None
    assert (result.low, result.high) == (None, None)
    assert result.value == 0


def test_recovery_of_nothing_is_none() -> None:
    assert recovery(none=[], adapter=[], prompt=[], seed=0) is None
