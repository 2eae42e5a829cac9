"""Which candidate to take: the one that is shown to be better, else none, with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.comparison.choosing import choose, duel
from adapters_core.comparison.compare import compare
from adapters_core.comparison.records import Candidate
from adapters_core.errors import InputError
from tests.factories.candidates import answered, candidate

NONE = candidate("none", answered([3.0] * 8), kind="baseline")
GOOD = candidate("good", answered([1.0] * 8), norm_total=5.0)
POOR = candidate("poor", answered([2.0] * 8), norm_total=2.0)
LEVELS = st.lists(st.sampled_from([0.5, 1.0, 3.0, 4.0]), min_size=2, max_size=6)


def test_the_adapter_that_beats_the_others_is_taken() -> None:
    found = choose([POOR, GOOD, NONE], bare=NONE)

    assert (found.take, found.code) == ("good", "best")
    assert [reason.other for reason in found.reasons] == ["poor"]
    assert found.against_bare is not None
    assert found.against_bare.verdict.word == "better"


def test_of_equals_the_one_that_changes_the_model_least_is_taken() -> None:
    found = choose([GOOD, candidate("twin", answered([1.0] * 8), norm_total=1.0)], bare=NONE)

    assert (found.take, found.code) == ("twin", "least_change")


@given(LEVELS)
def test_what_is_taken_is_an_adapter_that_no_other_beats(levels: list[float]) -> None:
    many = [candidate(f"a{place}", answered([level] * 8)) for place, level in enumerate(levels)]

    found = choose([*many, NONE], bare=NONE)

    if min(levels) >= 3.0:
        assert (found.take, found.code) == (None, "no_gain")
    else:
        taken = next(one for one in many if one.key == found.take)
        assert all(duel(taken, other).verdict.word != "worse" for other in many if other is not taken)
        assert taken.answers[0].values["nll"] == min(levels)


@given(st.permutations([GOOD, POOR, NONE]))
def test_the_order_of_the_candidates_does_not_matter(order: list[Candidate]) -> None:
    assert choose(order, bare=NONE).take == "good"


def test_what_is_barred_is_not_taken() -> None:
    retired = candidate("retired", answered([0.1] * 8), barred="retired")

    assert choose([retired, POOR, NONE], bare=NONE).take == "poor"
    assert choose([retired, NONE], bare=NONE).code == "all_barred"


def test_nothing_is_taken_that_is_not_better_than_no_adapter() -> None:
    found = choose([candidate("idle", answered([3.0] * 8)), NONE], bare=NONE)

    assert (found.take, found.code) == (None, "no_gain")


def test_different_bases_have_no_winner() -> None:
    found = choose([GOOD, candidate("other", answered([0.1] * 8), base="c" * 64)])

    assert (found.take, found.code) == (None, "incomparable")
    assert {reason.verdict.reason for reason in found.reasons} == {"different_base"}


def test_adapters_of_different_contexts_are_not_ranked_by_unrelated_questions() -> None:
    a = candidate("a", [*answered([1.0] * 8), *answered([1.0] * 8, suite="general", document="g")])
    b = candidate("b", [*answered([1.0] * 8, document="x"), *answered([2.0] * 8, suite="general", document="g")])

    found = choose([a, b])

    assert (found.take, found.code) == (None, "incomparable")
    assert found.reasons[0].verdict.reason == "no_common_questions"


def test_unrelated_questions_decide_between_equals() -> None:
    a = candidate("a", [*answered([1.0] * 8), *answered([1.0] * 8, suite="general", document="g")], norm_total=9.0)
    b = candidate("b", [*answered([1.0] * 8), *answered([2.0] * 8, suite="general", document="g")], norm_total=1.0)

    found = choose([a, b])

    assert (found.take, found.code, found.reasons[0].suite) == ("a", "best", "general")


def test_what_was_not_evaluated_is_not_ranked() -> None:
    assert choose([GOOD, candidate("new")]).code == "not_measured"
    assert choose([candidate("new"), NONE], bare=NONE).code == "not_measured"


def test_harm_to_what_the_model_knew_is_said() -> None:
    bare = candidate("none", [*NONE.answers, *answered([1.0] * 8, suite="general", document="g")], kind="baseline")
    harmful = candidate("a", [*answered([1.0] * 8), *answered([2.0] * 8, suite="general", document="g")])

    found = choose([harmful, bare], bare=bare)

    assert found.take == "a"
    assert found.harm is not None
    assert found.harm.verdict.word == "worse"


def test_a_better_prompt_is_said() -> None:
    prompt = candidate("prompt", answered([0.2] * 8), kind="baseline")

    assert choose([GOOD, prompt], bare=NONE).beaten_by == ("prompt",)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_two_to_six_are_compared(count: int) -> None:
    with pytest.raises(InputError, match="2 to 6"):
        compare([candidate(f"a{place}") for place in range(count)])


def test_each_is_compared_once() -> None:
    with pytest.raises(InputError, match="each candidate once"):
        compare([GOOD, GOOD])


def test_baselines_alone_are_not_compared() -> None:
    with pytest.raises(InputError, match="at least one adapter"):
        compare([NONE, candidate("prompt", kind="baseline")])


def test_verdicts_are_against_the_first_candidate() -> None:
    row = compare([POOR, GOOD, NONE], bare=NONE).rows[0]

    assert [score.verdict.word if score.verdict else None for score in row.scores] == [None, "better", "worse"]


def test_what_nobody_was_measured_by_has_no_row() -> None:
    assert [(row.suite, row.metric) for row in compare([POOR, GOOD]).rows] == [("context", "nll")]
