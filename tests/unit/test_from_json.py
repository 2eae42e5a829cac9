"""Plain JSON data become records only if they have the types that the records declare."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.errors import IntegrityError
from adapters_core.from_json import build


@dataclass(frozen=True, kw_only=True)
class Part:
    name: str
    size: float | None


@dataclass(frozen=True, kw_only=True)
class Whole:
    parts: tuple[Part, ...]
    counts: Mapping[str, int]
    kind: Literal["a", "b"]
    right: bool
    anything: object


GOOD: dict[str, Any] = {
    "parts": [{"name": "x", "size": 1.5}, {"name": "y", "size": None}],
    "counts": {"one": 1},
    "kind": "a",
    "right": True,
    "anything": {"deep": [1, None]},
}

parts = st.builds(Part, name=st.text(), size=st.none() | st.floats(allow_nan=False))
anything = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)


@given(
    st.builds(
        Whole,
        parts=st.lists(parts).map(tuple),
        counts=st.dictionaries(st.text(), st.integers()),
        kind=st.sampled_from(["a", "b"]),
        right=st.booleans(),
        anything=anything,
    )
)
def test_a_record_comes_back_from_its_data(whole: Whole) -> None:
    assert build(Whole, asdict(whole)) == whole


def test_a_whole_number_is_taken_for_a_float_and_becomes_one() -> None:
    size = build(Part, {"name": "x", "size": 1}).size

    assert size == 1
    assert type(size) is float


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": None}, "Whole.parts must be"),
        ({"parts": [{"name": 1, "size": None}]}, r"Whole.parts\[0\].name must be str, got 1"),
        ({"parts": [{"name": "x"}]}, r"Whole.parts\[0\] must have the fields \['size'\]"),
        ({"parts": [{"name": "x", "size": True}]}, r"Whole.parts\[0\].size must be float, got True"),
        ({"counts": {"one": 1.0}}, "Whole.counts.one must be int"),
        ({"counts": {"one": True}}, "Whole.counts.one must be int"),
        ({"counts": [1]}, "Whole.counts must be"),
        ({"kind": "c"}, "Whole.kind must be one of"),
        ({"right": 1}, "Whole.right must be bool"),
        ({"more": 1}, r"Whole has unknown fields \['more'\]"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_place(change: dict[str, object], message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        build(Whole, {**GOOD, **change})


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(IntegrityError) as found:
        build(Whole, {**GOOD, "right": "x" * 10_000}, place="file.json")

    assert str(found.value).startswith("file.json.right must be bool")
    assert len(str(found.value)) < 150
