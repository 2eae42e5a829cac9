"""Canonical bytes and digests.

Every digest in Ringi is SHA-256 in lower-case hexadecimal. Structured data is first written as canonical JSON
(RFC 8785), so that two programs that agree on the data agree on the digest.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

import rfc8785

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
"""What canonical JSON can hold. Integers stay within +-(2**53 - 1) as RFC 8785 demands."""
_UNSAFE = 2**53


def canonical_bytes(value: object) -> bytes:
    """The RFC 8785 form of a JSON value.

    Raises:
        rfc8785.CanonicalizationError: the value holds something that JSON cannot (NaN, bytes, huge integers).
    """
    try:
        return _written(value).encode()
    except (TypeError, UnicodeEncodeError, RecursionError):  # the library takes it, or refuses it in its words
        return _by_the_library(value)


def is_canonical(stated: object, text: str) -> bool:
    """Whether a text is the RFC 8785 form of what it states.

    Args:
        stated: what ``json.loads`` read from the text.
        text: the text.
    """
    try:
        try:
            written = canonical_bytes(stated)
        except rfc8785.CanonicalizationError:  # a whole number that is a float, perhaps
            written = canonical_bytes(json.loads(text, parse_int=_whole))
        return written == text.encode()
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        return False


def _whole(digits: str) -> int | float:
    """A whole number as JSON in the sense of RFC 8785 has it: what no integer may be is a float without a fraction."""
    value = int(digits)
    return value if abs(value) < _UNSAFE else float(digits)


def sha256_hex(data: bytes | memoryview) -> str:
    """SHA-256 of bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: object) -> str:
    """SHA-256 of the canonical JSON of a value."""
    return sha256_hex(canonical_bytes(value))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_sha256(digests: Mapping[str, str]) -> str:
    """Digest of named digests, in name order whatever the order of the mapping (RFC 8785 sorts keys)."""
    return digest_of(dict(digests))


def commitment(key: bytes, data: bytes) -> str:
    """Keyed commitment HMAC-SHA-256(key, data): binds to the data, tells nothing without the key."""
    return hmac.digest(key, data, "sha256").hex()


def _written(value: Any) -> str:  # noqa: ANN401, PLR0911  # any JSON; one way out for each type
    """As the library writes it, at half the time: what most data consist of here, what is rare by the library."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is float:
        return _number(value)
    if kind is dict:
        names = sorted(value)
        if not "".join(names).isascii():  # the order of code points and that of UTF-16 may differ
            return _by_the_library(value).decode()
        return "{" + ",".join([f"{encode_basestring(name)}:{_written(value[name])}" for name in names]) + "}"
    if kind is list:
        return "[" + ",".join([_written(item) for item in value]) + "]"
    if kind is int and abs(value) < _UNSAFE:
        return str(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    return _by_the_library(value).decode()


def _number(value: float) -> str:
    """A float as ECMAScript writes it: its exponents are for the library, the digits are the same shortest ones."""
    text = repr(value)
    if "e" in text or "n" in text or not value:  # also inf, nan and -0.0
        return _by_the_library(value).decode()
    return text.removesuffix(".0")


def _by_the_library(value: object) -> bytes:
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # it checks the value itself, deeply
