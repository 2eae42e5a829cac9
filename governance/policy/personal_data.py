"""Personal data in a text: what is found, where, and how often. A search by form, no understanding: it misses things.

Found are mail addresses, telephone numbers, Japanese individual numbers (with their check digit) and card numbers (with
Luhn's). The ledger records kinds and counts; the places are shown to the person and kept nowhere.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

KINDS = ("email", "phone", "my_number", "card")
_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_MORE = r"(?:[ ()\u2010-\u2015\u2212.-]?[ ()]?\d)"
_DIGITS = re.compile(rf"(?<![\dA-Za-z])\+?\(?\d{_MORE}{{8,18}}(?![\dA-Za-z])")
_LIKE_NUMBERS = re.compile(r"\d[\d ()\u2010-\u2015\u2212.-]{8}")
"""What every match of the one before holds: that a text has none is told in a fraction of the time."""
_JAPANESE_PHONE = re.compile(r"0(?:[5789]0\d{8}|120\d{6}|800\d{7}|[1-9]\d{8})\Z")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One place of a text."""

    kind: str
    start: int
    end: int


def scan(text: str) -> tuple[Finding, ...]:
    """What is found, in the order of the text."""
    # Full-width digits and signs count as their narrow forms; positions stay, one character for one.
    table = {} if text.isascii() else {ord(character): _narrow(character) for character in set(text)}
    narrow = text.translate(table) if table else text
    return tuple(sorted([*_emails(narrow), *_numbers(narrow)], key=lambda finding: finding.start))


def counts(findings: tuple[Finding, ...]) -> dict[str, int]:
    """Kind -> how often, every kind named."""
    found = Counter(finding.kind for finding in findings)
    return {kind: found[kind] for kind in KINDS}


def is_my_number(digits: str) -> bool:
    """Whether twelve digits carry the check digit of an individual number."""
    if len(digits) != 12 or len(set(digits)) == 1:  # noqa: PLR2004  the length of the number
        return False
    weights = [*range(2, 8), *range(2, 7)]
    total = sum(weight * int(digit) for weight, digit in zip(weights, reversed(digits[:11]), strict=True))
    return int(digits[11]) == (-total % 11) % 10 if total % 11 > 1 else int(digits[11]) == 0


def is_card(digits: str) -> bool:
    """Whether 13 to 19 digits end in Luhn's check digit."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:  # noqa: PLR2004  the lengths of card numbers
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0  # noqa: PLR2004  the sum of two digits


def _narrow(character: str) -> str:
    folded = unicodedata.normalize("NFKC", character) if ord(character) > 0x3000 else character  # noqa: PLR2004
    return folded if len(folded) == 1 else character


def _emails(text: str) -> Iterator[Finding]:
    for match in _EMAIL.finditer(text) if "@" in text else ():
        yield Finding(kind="email", start=match.start(), end=match.end())


def _numbers(text: str) -> Iterator[Finding]:
    for match in _DIGITS.finditer(text) if _LIKE_NUMBERS.search(text) else ():
        if kind := _kind(match.group()):
            yield Finding(kind=kind, start=match.start(), end=match.end())


def _kind(written: str) -> str | None:
    digits = re.sub(r"\D", "", written)
    if is_my_number(digits):
        return "my_number"
    if is_card(digits):
        return "card"
    international = written.startswith("+") and 10 <= len(digits) <= 15  # noqa: PLR2004  E.164
    return "phone" if international or _JAPANESE_PHONE.match(digits) else None
