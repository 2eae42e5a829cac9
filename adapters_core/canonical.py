"""Canonical bytes and digests.

Every digest in Ringi is SHA-256 in lower-case hexadecimal. Structured data is first written as canonical JSON
(RFC 8785), so that two programs that agree on the data agree on the digest.
"""

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

import rfc8785

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
"""What canonical JSON can hold. Integers stay within +-(2**53 - 1) as RFC 8785 demands."""


def canonical_bytes(value: object) -> bytes:
    """The RFC 8785 form of a JSON value.

    Raises:
        rfc8785.CanonicalizationError: the value holds something that JSON cannot (NaN, bytes, huge integers).
    """
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # rfc8785 checks the value itself, deeply


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
    return hmac.new(key, data, hashlib.sha256).hexdigest()
