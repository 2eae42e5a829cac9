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
    except (ValueError, TypeError) as error:
        raise InputError(f"`after` must come from the page before, got {text[:80]!r}") from error
    if not isinstance(value, str | int | float) or isinstance(value, bool) or not isinstance(key, str):
        raise InputError(f"`after` must come from the page before, got {text[:80]!r}")
    return value, key
