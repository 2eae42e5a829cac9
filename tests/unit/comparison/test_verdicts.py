"""Verdicts are paired, tested and honest: nothing that was not measured is called unchanged."""

from hypothesis import given
from hypothesis import strategies as st

from adapters_core.comparison.records import METRICS, SUITES, Stated
from adapters_core.comparison.verdicts import FEWEST, judge, score_of
from tests.factories.candidates import answered, candidate

LOSSES = st.lists(st.none() | st.floats(0, 10), max_size=14)
OPPOSITE = {"better": "worse", "worse": "better", "unchanged": "unchanged", "incomparable": "incomparable"}


@given(LOSSES, LOSSES)
def test_a_verdict_turns_round_with_the_pair(first: list[float | None], second: list[float | None]) -> None:
    a, b = candidate("a", answered(first)), candidate("b", answered(second))

    there, back = (judge(x, y, suite="context", metric="nll") for x, y in ((a, b), (b, a)))

    assert back.word == OPPOSITE[there.word]


@given(LOSSES, LOSSES)
def test_nothing_is_unchanged_that_was_not_asked_of_both_often_enough(
    first: list[float | None], second: list[float | None]
) -> None:
    found = judge(candidate("a", answered(first)), candidate("b", answered(second)), suite="context", metric="nll")
    common = sum(a is not None and b is not None for a, b in zip(first, second, strict=False))

    unknown = found.reason in {"other_not_measured", "not_measured", "no_common_questions", "too_few"}
    assert unknown == (common < FEWEST)
    assert (found.word == "unchanged") <= (common >= FEWEST)
    assert found.questions in {0, common}


@given(LOSSES)
def test_adapters_of_different_bases_are_incomparable(values: list[float | None]) -> None:
    found = judge(
        candidate("a", answered(values)), candidate("b", answered(values), base="c" * 64), suite="context", metric="nll"
    )

    assert (found.word, found.reason) == ("incomparable", "different_base")


def test_what_holds_on_every_question_is_shown() -> None:
    low, high = candidate("a", answered([1.0] * 8)), candidate("b", answered([2.0] * 8))

    assert judge(low, high, suite="context", metric="nll").word == "better"
    assert judge(high, low, suite="context", metric="nll").word == "worse"


def test_of_right_answers_more_is_better() -> None:
    many = candidate("a", answered([1.0] * 8, metric="contains"))
    few = candidate("b", answered([0.0] * 8, metric="contains"))

    assert judge(many, few, suite="context", metric="contains").word == "better"


def test_the_same_answers_are_unchanged() -> None:
    values = [0.1, 0.9, 2.0, 1.0, 0.5, 0.4, 3.0]

    found = judge(candidate("a", answered(values)), candidate("b", answered(values)), suite="context", metric="nll")

    assert (found.word, found.reason, found.questions) == ("unchanged", "same", 7)


def test_what_the_questions_leave_open_is_not_called_unchanged() -> None:
    mine, other = ([1.0] * 4 + [0.0] * 4, [0.0] * 2 + [1.0] * 2 + [0.0] * 4)
    a, b = (candidate(key, answered(values, metric="contains")) for key, values in (("a", mine), ("b", other)))

    found = judge(a, b, suite="context", metric="contains")

    assert (found.word, found.reason, found.tied) == ("incomparable", "undecided", True)
    assert found.difference is not None
    assert found.difference.interval.value == 0.25


@given(st.lists(st.floats(-0.02, 0.02), min_size=FEWEST, max_size=12))
def test_what_differs_by_next_to_nothing_is_never_left_open(noise: list[float]) -> None:
    base = [1.0 + place for place in range(len(noise))]
    moved = [value + more for value, more in zip(base, noise, strict=True)]

    found = judge(candidate("a", answered(base)), candidate("b", answered(moved)), suite="context", metric="nll")

    assert found.word in {"unchanged", "better", "worse"}


def test_other_questions_are_not_compared() -> None:
    a, b = candidate("a", answered([1.0] * 9)), candidate("b", answered([1.0] * 9, document="other"))

    assert judge(a, b, suite="context", metric="nll").reason == "no_common_questions"


def test_it_says_on_which_side_the_measurement_is_missing() -> None:
    measured, empty = candidate("a", answered([1.0] * 9)), candidate("b")
    stated = candidate("c", stated={("context", "nll"): Stated(value=1.0)})

    reasons = [
        judge(x, y, suite="context", metric="nll").reason
        for x, y in ((empty, measured), (measured, empty), (stated, measured), (measured, stated))
    ]

    assert reasons == ["not_measured", "other_not_measured", "report_missing", "report_missing"]


def test_documents_are_the_unit_where_there_are_enough_of_them() -> None:
    answers = [one for place in range(6) for one in answered([1.0, 2.0], document=f"doc{place}")]

    found = judge(candidate("a", answers), candidate("b", answers), suite="context", metric="nll")

    assert (found.unit, found.questions) == ("document", 12)


def test_a_score_that_was_not_measured_has_no_value() -> None:
    for suite in SUITES:
        for metric in METRICS:
            assert score_of(candidate("a"), suite=suite, metric=metric).value is None


def test_a_score_lies_in_its_interval() -> None:
    found = score_of(candidate("a", answered([1.0, 2.0, 3.0, 4.0])), suite="context", metric="nll")

    assert found.value == 2.5
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 2.5 <= found.high
    assert found.count == 4


def test_a_figure_of_the_ledger_stands_in_for_a_missing_report() -> None:
    one = candidate("a", stated={("context", "nll"): Stated(value=1.5, low=1.0, high=2.0, count=7)})

    found = score_of(one, suite="context", metric="nll")

    assert (found.value, found.low, found.high, found.count) == (1.5, 1.0, 2.0, 7)
