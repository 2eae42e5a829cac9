"""Fields of an entry's data, checked where an index needs them in a certain type."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from adapters_core.errors import EntryError

MAX_TEXT = 10_000
MAX_NAME = 255
SEARCHED = 16
"""Characters of an adapter's digest that are searched with its name: a search goes through all of them."""


def text(data: Mapping[str, Any], name: str, *, longest: int = MAX_TEXT) -> str:
    """A text.

    Raises:
        EntryError: it is none, or too long.
    """
    value = data[name]
    if not isinstance(value, str) or len(value) > longest:
        raise EntryError(f"{name} must be a text of at most {longest} characters, got {value!r:.80}")
    if "\0" in value:
        raise EntryError(f"{name} must not hold the character NUL")
    return value


def name(data: Mapping[str, Any], field: str) -> str:
    """A text that names something: 1 to 255 characters.

    Raises:
        EntryError: it is none.
    """
    value = text(data, field, longest=MAX_NAME)
    if not value:
        raise EntryError(f"{field} must not be empty")
    return value


def optional_name(data: Mapping[str, Any], field: str) -> str | None:
    """A name, or None.

    Raises:
        EntryError: it is neither.
    """
    return None if data[field] is None else name(data, field)


def whole(data: Mapping[str, Any], field: str) -> int:
    """A whole number from 0.

    Raises:
        EntryError: it is none.
    """
    value = data[field]
    if type(value) is not int or value < 0:
        raise EntryError(f"{field} must be a whole number from 0, got {value!r:.80}")
    return value


def number(data: Mapping[str, Any], field: str) -> float:
    """A number.

    Raises:
        EntryError: it is none.
    """
    value = data[field]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EntryError(f"{field} must be a number, got {value!r:.80}")
    return float(value)


def measured(data: Mapping[str, Any], field: str) -> float | None:
    """A measured value: a number, {"value": number, ...}, or None where it was not measured.

    Raises:
        EntryError: it is none of them.
    """
    value = data[field]
    if isinstance(value, Mapping):
        return measured({field: value.get("value")}, field)
    return None if value is None else number(data, field)


def folded(*parts: str) -> str:
    """The form in which texts are searched: compatible characters and letter case made equal."""
    return unicodedata.normalize("NFKC", " ".join(parts)).casefold()
