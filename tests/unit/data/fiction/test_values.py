"""Invented values keep to their range and to their seed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.data.fiction.values import Inventor
from adapters_core.errors import ConfigError

INVENTOR = Inventor(0)
PLAIN = re.findall(
    r"\w+",
    "person name coined place company code date day time percent colour material animal plant food drink object job "
    "subject hobby language weather sport metal cause reason month weekday",
)
RANGED = ["year 1900 1990", "money 3 90000000000", "number 2 9000", "count 2 60 looms", "decimal 1 9 bar"]
RANGED += ["duration 2 30", "duration 40 240 minutes", "measure 2 90 metres feet", "weight 2 90", "degrees 2 90"]


@pytest.mark.parametrize("spec", [*PLAIN, *RANGED, "pick red; dark blue"])
def test_every_generator_gives_short_text_without_edges_of_space(spec: str) -> None:
    for _ in range(50):
        value = INVENTOR.draw(spec)
        assert value == value.strip()
        assert 1 <= len(value.split()) <= 8
        assert "  " not in value


def test_the_same_seed_draws_the_same_values_and_another_does_not() -> None:
    first, second, other = ([inventor.draw(spec) for spec in PLAIN] for inventor in map(Inventor, (5, 5, 6)))

    assert first == second
    assert first != other


@given(low=st.integers(1, 1000), width=st.integers(0, 10**6))
def test_numbers_keep_to_their_range(low: int, width: int) -> None:
    value = int(INVENTOR.draw(f"number {low} {low + width}").replace(",", ""))

    assert low <= value <= low + width


def test_wide_ranges_reach_every_order_of_magnitude() -> None:
    digits = {len(INVENTOR.draw("number 10 9000000").replace(",", "")) for _ in range(300)}

    assert digits == {2, 3, 4, 5, 6, 7}


def test_amounts_have_a_unit_in_the_right_number() -> None:
    values = {INVENTOR.draw("duration 1 3 days feet") for _ in range(200)}

    assert {"1 day", "1 feet", "two days", "2 days", "3 feet"} <= values
    assert not values & {"1 days", "two day"}


def test_times_of_day_are_well_formed() -> None:
    for _ in range(200):
        assert re.fullmatch(r"\d{1,2}:\d[05]( [ap]\.m\.)?", INVENTOR.draw("time"))
        hour = int(INVENTOR.draw("time 4 9").partition(":")[0])
        assert 4 <= hour <= 9


@pytest.mark.parametrize("spec", ["nothing", "year", "year 1900", "year x y", "money 3", "colour red"])
def test_an_unknown_generator_or_argument_is_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match="no value can be drawn for"):
        INVENTOR.draw(spec)
