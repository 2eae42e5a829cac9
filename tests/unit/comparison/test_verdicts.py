"""Verdicts are paired, tested and honest: nothing that was not measured is called unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.comparison.records import METRICS, SUITES, Candidate, Stated, Verdict
from adapters_core.comparison.verdicts import FEWEST, judge_all, paired, score_of
from tests.factories.candidates import answered, candidate

LOSSES = st.lists(st.none() | st.floats(0, 10), max_size=14)
OPPOSITE = {"better": "worse", "worse": "better", "unchanged": "unchanged", "incomparable": "incomparable"}


def judge(mine: Candidate, other: Candidate) -> Verdict:
    """Of a pair that is compared alone."""
    return judge_all([mine, other])[mine.key, other.key, "context"]


@given(LOSSES, LOSSES)
def test_a_verdict_turns_round_with_the_pair(first: list[float | None], second: list[float | None]) -> None:
    a, b = candidate("a", answered(first)), candidate("b", answered(second))

    both = judge_all([a, b])
    there, back = both["a", "b", "context"], both["b", "a", "context"]

    assert back.word == OPPOSITE[there.word]
    again = judge(b, a)
    assert (back.word, back.reason, back.p_value) == (again.word, again.reason, again.p_value)
    if back.difference and again.difference:
        assert back.difference.value == pytest.approx(again.difference.value)
        assert back.difference.low == (None if again.difference.low is None else pytest.approx(again.difference.low))


@given(LOSSES, LOSSES)
def test_nothing_is_unchanged_that_was_not_asked_of_both_often_enough(
    first: list[float | None], second: list[float | None]
) -> None:
    found = judge(candidate("a", answered(first)), candidate("b", answered(second)))
    common = sum(a is not None and b is not None for a, b in zip(first, second, strict=False))

    unknown = found.reason in {"other_not_measured", "not_measured", "no_common_questions", "too_few"}
    assert unknown == (common < FEWEST)
    assert (found.word == "unchanged") <= (common >= FEWEST)
    assert found.questions in {0, common}


@given(LOSSES)
def test_adapters_of_different_bases_are_incomparable(values: list[float | None]) -> None:
    found = judge(candidate("a", answered(values)), candidate("b", answered(values), base="c" * 64))

    assert (found.word, found.reason) == ("incomparable", "different_base")


def test_what_holds_on_every_question_is_shown() -> None:
    low, high = candidate("a", answered([1.0] * 8)), candidate("b", answered([2.0] * 8))

    assert judge(low, high).word == "better"
    assert judge(high, low).word == "worse"


def test_the_same_answers_are_unchanged() -> None:
    values = [0.1, 0.9, 2.0, 1.0, 0.5, 0.4, 3.0]

    found = judge(candidate("a", answered(values)), candidate("b", answered(values)))

    assert (found.word, found.reason, found.questions) == ("unchanged", "same", 7)


def test_what_the_questions_leave_open_is_not_called_unchanged() -> None:
    mine, other = ([1.0] * 4 + [0.0] * 4, [0.0] * 2 + [1.0] * 2 + [0.0] * 4)
    a, b = (candidate(key, answered(values)) for key, values in (("a", mine), ("b", other)))

    found = judge(a, b)

    assert (found.word, found.reason, found.tied) == ("incomparable", "undecided", True)
    assert found.difference is not None
    assert found.difference.value == 0.25


@given(st.lists(st.floats(-0.02, 0.02), min_size=FEWEST, max_size=12))
def test_what_differs_by_next_to_nothing_is_never_left_open(noise: list[float]) -> None:
    base = [1.0 + place for place in range(len(noise))]
    moved = [value + more for value, more in zip(base, noise, strict=True)]

    found = judge(candidate("a", answered(base)), candidate("b", answered(moved)))

    assert found.word in {"unchanged", "better", "worse"}


def test_other_questions_are_not_compared() -> None:
    a, b = candidate("a", answered([1.0] * 9)), candidate("b", answered([1.0] * 9, document="other"))

    assert judge(a, b).reason == "no_common_questions"


def test_it_says_on_which_side_the_measurement_is_missing() -> None:
    measured, empty = candidate("a", answered([1.0] * 9)), candidate("b")
    stated = candidate("c", stated={("context", "nll"): Stated(value=1.0)})

    reasons = [
        judge(x, y).reason for x, y in ((empty, measured), (measured, empty), (stated, measured), (measured, stated))
    ]

    assert reasons == ["not_measured", "other_not_measured", "report_missing", "report_missing"]


def test_more_pairs_ask_for_more_questions() -> None:
    def words(count: int, many: int) -> set[str]:
        these = [candidate(f"a{place}", answered([float(place)] * count)) for place in range(many)]
        return {verdict.word for (_a, _b, suite), verdict in judge_all(these).items() if suite == "context"}

    assert words(6, 2) == words(7, 3) == words(8, 4) == words(10, 7) == {"better", "worse"}
    assert words(6, 3) == words(7, 4) == words(9, 7) == {"incomparable"}


def test_p_values_are_corrected_for_all_pairs() -> None:
    a, b, c = (candidate(key, answered([level] * 8)) for key, level in (("a", 1.0), ("b", 2.0), ("c", 3.0)))

    alone, among = judge(a, b), judge_all([a, b, c])["a", "b", "context"]

    assert alone.p_value == 2 / 2**8
    assert among.p_value == 3 * 2 / 2**8
    assert paired(a, b, suite="context", metric="nll").p_value == alone.p_value


def test_documents_are_the_unit_where_there_are_enough_of_them() -> None:
    answers = [one for place in range(6) for one in answered([1.0, 2.0], document=f"doc{place}")]

    found = judge(candidate("a", answers), candidate("b", answers))

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
