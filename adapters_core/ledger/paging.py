"""Where a page ended, as text that goes through a URL: the next page begins after it, however long the list is."""

import base64
import json
from typing import Any

from adapters_core.errors import InputError


def token(value: str | float, key: str) -> str:
    """The place after a row, by the value that the list is sorted by and the row's key."""
    return base64.urlsafe_b64encode(json.dumps([value, key]).encode()).decode().rstrip("=")


def place(text: str) -> tuple[Any, str]:
    """Value and key of the row that a token names.

    Raises:
        InputError: it is no token.
    """
    try:
        value, key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"`after` must come from the page before, got {text[:80]!r}") from error
    if not (_is_text(value) or _is_number(value)) or not _is_text(key):
        raise InputError(f"`after` must come from the page before, got {text[:80]!r}")
    return value, key


def _is_text(value: object) -> bool:
    """A text that a database takes: no NUL, no half of a pair."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= one <= "\udfff" for one in value)


def _is_number(value: object) -> bool:
    """A number that a database takes."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63
