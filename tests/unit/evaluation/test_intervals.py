"""Intervals cover, tests keep their level, and nothing is known from a single cluster."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.errors import InputError, NumericalError
from adapters_core.evaluation.intervals import Interval, bootstrap_interval, holm, paired_difference

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40)


def interval(values: list[float] | np.ndarray, **options: object) -> Interval:
    result = bootstrap_interval(values, **{"seed": 0, "resamples": 300, **options})  # type: ignore[arg-type]
    assert result is not None
    return result


@given(VALUES)
def test_bounds_lie_within_the_values_and_in_order(values: list[float]) -> None:
    result = interval(values)

    assert result.low is not None
    assert result.high is not None
    margin = 1e-9 * (1 + max(map(abs, values)))
    assert min(values) - margin <= result.low <= result.high <= max(values) + margin
    assert result.value == pytest.approx(np.mean(values), abs=1e-9)
    assert (result.count, result.clusters) == (len(values), len(values))


@given(VALUES, st.floats(-100, 100))
def test_adding_a_constant_moves_the_interval_by_it(values: list[float], shift: float) -> None:
    before, after = interval(values), interval([value + shift for value in values])

    assert after.low == pytest.approx(before.low + shift, abs=1e-6)  # type: ignore[operator]
    assert after.high == pytest.approx(before.high + shift, abs=1e-6)  # type: ignore[operator]


def test_the_same_seed_gives_the_same_bounds_and_another_does_not() -> None:
    values = list(np.random.default_rng(1).normal(size=50))

    assert interval(values, seed=3) == interval(values, seed=3)
    assert interval(values, seed=3) != interval(values, seed=4)


def test_bounds_match_the_standard_error_of_a_large_sample() -> None:
    values = np.random.default_rng(2).normal(5, 2, size=4_000)

    result = interval(values, resamples=2_000)

    half = 1.96 * values.std() / np.sqrt(values.size)
    assert result.low == pytest.approx(values.mean() - half, abs=half / 10)
    assert result.high == pytest.approx(values.mean() + half, abs=half / 10)


def test_a_wider_level_gives_a_wider_interval() -> None:
    values = list(np.random.default_rng(1).normal(size=50))
    narrow, wide = interval(values, level=0.5), interval(values, level=0.99)

    assert wide.low < narrow.low < narrow.high < wide.high  # type: ignore[operator]


def test_values_that_stand_together_by_cluster_give_a_wider_interval() -> None:
    values = [float(place // 10) for place in range(60)]
    alone, together = interval(values), interval(values, clusters=[place // 10 for place in range(60)])

    assert together.clusters == 6
    assert together.value == alone.value
    assert together.high - together.low > 2 * (alone.high - alone.low)  # type: ignore[operator]


def test_clusters_of_unequal_size_weigh_by_their_values() -> None:
    assert interval([1.0, 1.0, 1.0, 5.0], clusters=["a", "a", "a", "b"]).value == 2.0


def test_a_single_cluster_has_a_value_and_no_bounds() -> None:
    for result in (interval([3.0]), interval([2.0, 4.0], clusters=["a", "a"])):
        assert (result.value, result.low, result.high, result.clusters) == (3.0, None, None, 1)


def test_no_values_have_no_interval() -> None:
    assert bootstrap_interval([], seed=0) is None
    assert paired_difference([], [], seed=0) is None


@given(VALUES, VALUES)
def test_a_difference_turns_round_with_its_sides(first: list[float], second: list[float]) -> None:
    size = min(len(first), len(second))
    forth = paired_difference(first[:size], second[:size], seed=0, resamples=200)
    back = paired_difference(second[:size], first[:size], seed=0, resamples=200)

    assert forth is not None
    assert back is not None
    assert forth.interval.value == pytest.approx(-back.interval.value, abs=1e-9)
    assert forth.interval.low == pytest.approx(-back.interval.high, abs=1e-6)  # type: ignore[operator]
    assert forth.p_value == back.p_value


def test_the_p_value_is_that_of_all_sign_flips() -> None:
    differences = np.array([0.3, 1.2, -0.4, 0.9, 0.8, 0.1, 0.5])
    flips = [abs(np.dot(signs, differences)) for signs in product([-1, 1], repeat=differences.size)]
    exact = np.mean([flip >= abs(differences.sum()) - 1e-12 for flip in flips])

    result = paired_difference(differences, np.zeros(7), seed=0, resamples=2**7)
    drawn = paired_difference(differences, np.zeros(7), seed=0, resamples=2**7 - 1)

    assert result is not None
    assert result.p_value == pytest.approx(exact)
    assert drawn is not None
    assert drawn.p_value == pytest.approx(exact, abs=0.1)


def test_holm_steps_from_the_smallest_p_value() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.6]) == (1.0, 1.0)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_lies_between_the_p_values_and_bonferroni(p_values: list[float]) -> None:
    for before, after in zip(p_values, holm(p_values), strict=True):
        assert before <= after <= min(1.0, len(p_values) * before) or after == pytest.approx(before)


def test_equal_sides_are_not_told_apart() -> None:
    result = paired_difference([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], seed=0)

    assert result is not None
    assert result.p_value == 1
    assert (result.interval.low, result.interval.high) == (0, 0)


def test_a_clear_difference_has_a_small_p_value_that_is_never_0() -> None:
    first = np.random.default_rng(0).normal(1, 0.1, size=40)

    result = paired_difference(first, np.zeros(40), seed=0, resamples=999)

    assert result is not None
    assert result.p_value == 0.001


def test_the_p_value_keeps_its_level_where_nothing_differs() -> None:
    draws = np.random.default_rng(5).normal(size=(400, 20))
    results = [paired_difference(row, np.zeros(20), seed=1, resamples=200) for row in draws]

    rejected = np.mean(
        [result is not None and result.p_value is not None and result.p_value <= 0.1 for result in results]
    )
    assert 0.06 <= rejected <= 0.14


def test_a_single_cluster_has_no_p_value() -> None:
    result = paired_difference([2.0, 3.0], [0.0, 0.0], seed=0, clusters=["a", "a"])

    assert result is not None
    assert result.p_value is None


def test_input_is_checked() -> None:
    with pytest.raises(InputError, match=r"one length, got lengths \[1, 2\]"):
        paired_difference([1.0], [1.0, 2.0], seed=0)
    with pytest.raises(InputError, match="one length"):
        bootstrap_interval([1.0, 2.0], seed=0, clusters=["a"])
    with pytest.raises(InputError, match="flat"):
        bootstrap_interval(np.zeros((2, 2)), seed=0)
    with pytest.raises(InputError, match="level in"):
        bootstrap_interval([1.0, 2.0], seed=0, level=1.0)
    with pytest.raises(InputError, match="resamples must be at least 1"):
        bootstrap_interval([1.0, 2.0], seed=0, resamples=0)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(NumericalError, match="finite"):
            bootstrap_interval([1.0, bad], seed=0)
