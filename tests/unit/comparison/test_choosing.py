"""Which candidate to take: the one that is shown to be better, else none, with the reason."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.comparison.choosing import choose
from adapters_core.comparison.compare import compare
from adapters_core.comparison.records import METRICS, SUITES, Answered, Candidate, Comparison, Question, Recommendation
from adapters_core.comparison.verdicts import judge_all
from adapters_core.errors import InputError
from tests.factories.candidates import answered, candidate

NONE = candidate("none", answered([3.0] * 8), kind="baseline")
GOOD = candidate("good", answered([1.0] * 8), norm_total=5.0)
POOR = candidate("poor", answered([2.0] * 8), norm_total=2.0)
LEVELS = st.lists(st.sampled_from([0.5, 1.0, 3.0, 4.0]), min_size=2, max_size=6)
DRAWN = 100
"""Simulated comparisons."""
SELDOM = 0.08 * DRAWN
"""Of which 5 of 100 come by chance, and this many may."""


def chosen(candidates: Sequence[Candidate], bare: Candidate | None = None) -> Recommendation:
    return choose(candidates, judge_all([*candidates, *([bare] if bare else [])]), bare)


def drawn(numbers: np.random.Generator, key: str, count: int, *, better: float = 0.0) -> Candidate:
    """An adapter with answers by every metric in both suites: chance alone, and how much better it really is."""
    answers = []
    for suite in SUITES:
        for place in range(count):
            right, share, nll = numbers.random() < 0.5 + better / 4, numbers.random(), numbers.normal(3.0, 1.0) - better
            answers.append(
                Answered(
                    question=Question(suite=suite, document=suite, id=f"{suite}-{place}"),
                    method="adapter",
                    text=None,
                    values=dict(zip(METRICS, (float(right), nll, share, float(right and share > 0.5)), strict=True)),
                )
            )
    return candidate(key, answers, norm_total=float(len(key)))


def simulated(count: int, *, better: float = 0.0, keys: Sequence[str] = ("a", "bb")) -> list[Comparison]:
    """Comparisons of adapters of which the first one may be better."""
    numbers = np.random.default_rng(4)
    return [
        compare([drawn(numbers, key, count, better=0.0 if place else better) for place, key in enumerate(keys)])
        for _ in range(DRAWN)
    ]


def test_the_adapter_that_beats_the_others_is_taken() -> None:
    found = chosen([POOR, GOOD, NONE], bare=NONE)

    assert (found.take, found.code) == ("good", "best")
    assert [reason.other for reason in found.reasons] == ["poor"]
    assert found.against_bare is not None
    assert found.against_bare.verdict.word == "better"


def test_of_equals_the_one_that_changes_the_model_least_is_taken() -> None:
    found = chosen([GOOD, candidate("twin", answered([1.0] * 8), norm_total=1.0)], bare=NONE)

    assert (found.take, found.code) == ("twin", "least_change")


@given(LEVELS)
def test_what_is_taken_is_an_adapter_that_no_other_beats(levels: list[float]) -> None:
    many = [candidate(f"a{place}", answered([level] * 12)) for place, level in enumerate(levels)]
    none = candidate("none", answered([3.0] * 12), kind="baseline")
    verdicts = judge_all([*many, none])

    found = choose(many, verdicts, none)

    if min(levels) >= 3.0:
        assert (found.take, found.code) == (None, "no_gain")
    else:
        taken = next(one for one in many if one.key == found.take)
        others = [other for other in many if other is not taken]
        assert all(verdicts[taken.key, other.key, "context"].word != "worse" for other in others)
        assert taken.answers[0].values["nll"] == min(levels)


@given(st.permutations([GOOD, POOR, NONE]))
def test_the_order_of_the_candidates_does_not_matter(order: list[Candidate]) -> None:
    assert chosen(order, bare=NONE).take == "good"


def test_what_is_barred_is_not_taken() -> None:
    retired = candidate("retired", answered([0.1] * 8), barred="retired")

    assert chosen([retired, POOR, NONE], bare=NONE).take == "poor"
    assert chosen([retired, NONE], bare=NONE).code == "all_barred"


def test_nothing_is_taken_that_is_not_better_than_no_adapter() -> None:
    found = chosen([candidate("idle", answered([3.0] * 8)), NONE], bare=NONE)

    assert (found.take, found.code) == (None, "no_gain")


def test_different_bases_have_no_winner() -> None:
    found = chosen([GOOD, candidate("other", answered([0.1] * 8), base="c" * 64)])

    assert (found.take, found.code) == (None, "incomparable")
    assert {reason.verdict.reason for reason in found.reasons} == {"different_base"}


def test_adapters_of_different_contexts_are_not_ranked_by_unrelated_questions() -> None:
    a = candidate("a", [*answered([1.0] * 8), *answered([1.0] * 8, suite="general", document="g")])
    b = candidate("b", [*answered([1.0] * 8, document="x"), *answered([2.0] * 8, suite="general", document="g")])

    found = chosen([a, b])

    assert (found.take, found.code) == (None, "incomparable")
    assert found.reasons[0].verdict.reason == "no_common_questions"


def test_of_equals_one_that_harms_other_knowledge_is_passed_over() -> None:
    unrelated = answered([1.0] * 8, suite="general", document="g")
    bare = candidate("none", [*NONE.answers, *unrelated], kind="baseline")
    a = candidate("a", [*answered([1.0] * 8), *unrelated], norm_total=9.0)
    b = candidate("b", [*answered([1.0] * 8), *answered([2.0] * 8, suite="general", document="g")], norm_total=1.0)

    found = chosen([b, a], bare=bare)

    assert (found.take, found.code, found.harm) == ("a", "least_harm", None)
    assert chosen([b], bare=bare).take == "b", "where there is no other, the harm is said beside it"


@pytest.mark.parametrize(("count", "keys"), [(8, ("a", "bb")), (20, ("a", "bb")), (20, ("a", "bb", "ccc"))])
def test_equal_candidates_are_seldom_called_better(count: int, keys: tuple[str, ...]) -> None:
    many = simulated(count, keys=keys)

    assert sum(one.recommendation.code == "best" for one in many) <= SELDOM
    for suite in SUITES:
        rows = [row for one in many for row in one.rows if row.suite == suite]
        told = [
            any(score.verdict and score.verdict.word in {"better", "worse"} for score in row.scores) for row in rows
        ]
        assert sum(told) <= SELDOM


def test_a_real_difference_is_found() -> None:
    many = simulated(8, better=2.5)

    assert sum((one.recommendation.take, one.recommendation.code) == ("a", "best") for one in many) >= 0.9 * DRAWN


def test_the_table_says_what_the_choice_says() -> None:
    for one in simulated(8, better=1.0, keys=("a", "bb", "ccc")):
        (row,) = [row for row in one.rows if (row.suite, row.metric) == ("context", "nll")]
        said = {score.verdict.word for score in row.scores[1:] if score.verdict}
        best = (one.recommendation.take, one.recommendation.code) == ("a", "best")
        assert best == (said == {"worse"})


def test_the_metrics_that_do_not_decide_carry_no_verdict() -> None:
    a = candidate("a", answered([1.0] * 9, metric="contains"))
    b = candidate("b", answered([0.0] * 9, metric="contains"))
    found = compare([a, b])

    verdict = found.rows[0].scores[1].verdict
    assert verdict is not None
    assert (verdict.word, verdict.p_value) == ("beside", None)
    assert verdict.difference is not None
    assert verdict.difference.value == -1.0
    assert found.recommendation.code == "not_measured", "what decides was not measured"


def test_what_was_not_evaluated_is_not_ranked() -> None:
    assert chosen([GOOD, candidate("new")]).code == "not_measured"
    assert chosen([candidate("new"), NONE], bare=NONE).code == "not_measured"


def test_harm_to_what_the_model_knew_is_said() -> None:
    bare = candidate("none", [*NONE.answers, *answered([1.0] * 8, suite="general", document="g")], kind="baseline")
    harmful = candidate("a", [*answered([1.0] * 8), *answered([2.0] * 8, suite="general", document="g")])

    found = chosen([harmful, bare], bare=bare)

    assert found.take == "a"
    assert found.harm is not None
    assert found.harm.verdict.word == "worse"


def test_a_better_prompt_is_said() -> None:
    prompt = candidate("prompt", answered([0.2] * 8), kind="baseline")

    assert chosen([GOOD, prompt], bare=NONE).beaten_by == ("prompt",)


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
