"""Laws of the canary's distance."""

import math

from hypothesis import given
from hypothesis import strategies as st

from governance.engines.canary import distance

READINGS = st.lists(
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-20, 0), min_size=5), min_size=1, max_size=4
).map(tuple)


@given(READINGS)
def test_a_reading_is_at_no_distance_from_itself(reading: tuple[dict[str, float], ...]) -> None:
    assert distance(reading, reading) == 0


@given(READINGS, st.floats(0.01, 5))
def test_what_is_moved_as_a_whole_is_as_far_away_as_it_was_moved(
    reading: tuple[dict[str, float], ...], step: float
) -> None:
    moved = tuple({token: value - step for token, value in one.items()} for one in reading)

    assert math.isclose(distance(moved, reading), step, rel_tol=1e-6)


def test_readings_that_share_too_little_are_infinitely_far_apart() -> None:
    first, second = ({"a": -1.0, "b": -2.0},), ({"c": -1.0, "d": -2.0},)

    assert distance(first, second) == math.inf
    assert distance(first, ()) == math.inf


def test_damage_is_infinitely_far_away() -> None:
    sound = (dict.fromkeys("abcde", -1.0),)
    damaged = (dict.fromkeys("abcde", math.nan),)

    assert distance(damaged, sound) == math.inf
