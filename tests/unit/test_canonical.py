"""Canonical JSON (RFC 8785) and the digests made of it."""

import hashlib
import hmac
import json
from collections.abc import Callable
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.canonical import (
    canonical_bytes,
    commitment,
    digest_of,
    file_sha256,
    is_canonical,
    sha256_hex,
    tree_sha256,
)
from tests.json_values import JSON


class Word(StrEnum):
    """A text that is no plain one."""

    NAME = "é"


class Count(IntEnum):
    """A number that is no plain one."""

    MANY = 2**52


NUMBERS = (float("nan"), float("inf"), -0.0, 1.0, 1e-7, 1e16, 1e21, 2**53, 2**53 - 1, 1 - 2**53, Count.MANY)
TEXTS = (Word.NAME, "\ud800", '\x7f\x1f"\\', "\ufb33", "\U0001f600")
ODD = st.recursive(
    st.sampled_from([*NUMBERS, *TEXTS, b"x", (), None, True]) | st.text() | st.floats() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2) | st.sampled_from([*TEXTS, 1]), inner, max_size=3)
    ),
    max_leaves=8,
)
"""What Python can hold, and RFC 8785 perhaps not."""


def outcome(write: Callable[[Any], bytes], value: object) -> tuple[bytes | None, type[Exception] | None]:
    """What came of writing a value."""
    try:
        return write(value), None
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        return None, type(error)


@given(value=JSON | ODD)
def test_whatever_the_value_it_comes_out_as_the_library_writes_it(value: object) -> None:
    assert outcome(canonical_bytes, value) == outcome(rfc8785.dumps, value)


@pytest.mark.parametrize(
    "value", [*NUMBERS, *TEXTS, {"\ufb33": 1, "\U0001f600": 2, "a": 3}, {"\ud800": 1}, {1: 2, "a": 3}]
)
def test_rare_values_come_out_as_the_library_writes_them(value: object) -> None:
    assert outcome(canonical_bytes, [value]) == outcome(rfc8785.dumps, [value])


def as_the_library_says(text: str) -> bool:
    """Whether a text is canonical, by the slow way."""
    try:
        read = json.loads(text, parse_int=lambda digits: int(digits) if abs(int(digits)) < 2**53 else float(digits))
        return bool(rfc8785.dumps(read) == text.encode())
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        return False


@given(value=JSON, spaced=st.booleans(), escaped=st.booleans(), ordered=st.booleans())
def test_a_text_is_canonical_where_the_library_says_so(
    value: object, *, spaced: bool, escaped: bool, ordered: bool
) -> None:
    separators = (", ", ": ") if spaced else (",", ":")
    as_python = json.dumps(value, ensure_ascii=escaped, sort_keys=ordered, separators=separators)
    canonical = canonical_bytes(value).decode()

    assert is_canonical(json.loads(canonical), canonical)
    assert is_canonical(json.loads(as_python), as_python) == as_the_library_says(as_python)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"b":[0.5,"é",null]}',
        '{"a":1e+30}',
        '{"a":0,"b":-1,"c":10.05}',
        '{"a":9007199254740991}',
        '{"a":"x:1.0,y","b":"[1e-07]"}',
        '{"😀":2,"דּ":1}',
        "{}",
        "0.5",
        "10",
        '{"a":9007199254740992}',  # a float: no integer is so large
        '{"a":100000000000000000000}',
    ],
)
def test_the_form_of_rfc_8785_is_canonical(text: str) -> None:
    assert is_canonical(json.loads(text), text)


@pytest.mark.parametrize(
    "text",
    [
        '{"b":1,"a":2}',  # the order of the names
        '{"דּ":1,"😀":2}',  # that of Python's, by code points
        '{"a": 1}',  # white space
        '{"a":1.0}',  # as Python writes it
        '{"a":[1.0]}',
        "1.0",
        '{"a":1e30}',
        '{"a":1e-05}',
        '{"a":1e+16}',
        '{"a":-0.0}',
        '{"a":-0}',
        '{"a":"\\u00e9"}',  # escaped without need
        '{"a":1,"a":1}',  # a name twice
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":"\\ud800"}',  # half a letter
        '{"a":9007199254740993}',  # no double holds it
        '{"a":12345678901234567890}',
    ],
)
def test_the_same_data_written_otherwise_is_not(text: str) -> None:
    assert not is_canonical(json.loads(text), text)


@pytest.mark.parametrize("depth", [300, 600, 10_000])
def test_it_comes_out_as_the_library_writes_it_however_deep(depth: int) -> None:
    value: list[object] = []
    for _ in range(depth):
        value = [value]

    assert outcome(canonical_bytes, value) == outcome(rfc8785.dumps, value)


def test_the_examples_of_the_standard_come_out_as_it_says() -> None:
    """RFC 8785, sections 3.2.2 and 3.2.3."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '€$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    assert (
        canonical_bytes(value)
        == (
            '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        ).encode()
    )
    assert canonical_bytes({"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "ö": 7}) == (
        '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"\U0001f600":5,"\ufb33":3}'.encode()
    )


@given(value=JSON)
def test_equal_data_have_equal_digests_whatever_their_order(value: object) -> None:
    def turned(part: object) -> object:
        if isinstance(part, dict):
            return {name: turned(part[name]) for name in reversed(part)}
        return [turned(item) for item in part] if isinstance(part, list) else part

    assert digest_of(turned(value)) == digest_of(value)
    assert digest_of(value) == hashlib.sha256(canonical_bytes(value)).hexdigest()


def test_whole_floats_and_integers_are_one_number() -> None:
    assert canonical_bytes({"alpha": 4.0}) == canonical_bytes({"alpha": 4}) == b'{"alpha":4}'


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), b"bytes", 2**53, {1: 2}])
def test_what_json_cannot_hold_is_refused(bad: object) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_bytes({"a": bad})


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 300_000)

    assert file_sha256(tmp_path / "a") == sha256_hex(b"x" * 300_000)


def test_the_digest_of_a_tree_does_not_depend_on_the_order_of_its_names() -> None:
    assert tree_sha256({"a": "1", "b": "2"}) == tree_sha256({"b": "2", "a": "1"})
    assert tree_sha256({"a": "1", "b": "2"}) != tree_sha256({"a": "2", "b": "1"})


def test_a_commitment_binds_to_key_and_data() -> None:
    assert commitment(b"k", b"data") == hmac.new(b"k", b"data", "sha256").hexdigest()
    assert len({commitment(b"k", b"data"), commitment(b"k2", b"data"), commitment(b"k", b"datb")}) == 3
