"""Differences of two answers word by word. Japanese has no spaces: there a run of one script counts as a word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

LONGEST = 2_000
"""Words of an answer beyond which only the common beginning and end are found: matching takes the square of them."""
_WORD = re.compile(r"\s+|[A-Za-z0-9À-ɏ_'’]+(?:[.,:/-][A-Za-z0-9À-ɏ]+)*|[一-鿿々〆]+|[ァ-ヿー]+|[ぁ-ゟ]+|.", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of text that two answers share, or that one of them has."""

    text: str
    kind: Literal["same", "added", "removed"]
    """added: the second has it; removed: the first had it."""


def words(text: str) -> tuple[str, ...]:
    """The words of a text with what lies between them: joined, they are the text."""
    return tuple(_WORD.findall(text))


def differences(before: str, after: str) -> tuple[Piece, ...]:
    """How one text becomes another.

    Same and removed pieces joined are ``before``; same and added ones are ``after``.
    """
    first, second = words(before), words(after)
    if max(len(first), len(second)) > LONGEST:
        return _rough(first, second)
    pieces: list[Piece] = []
    for _tag, i, j, k, m in SequenceMatcher(a=first, b=second, autojunk=False).get_opcodes():
        if first[i:j] == second[k:m]:
            pieces += _piece("same", first[i:j])
        else:
            pieces += [*_piece("removed", first[i:j]), *_piece("added", second[k:m])]
    return tuple(pieces)


def _rough(first: Sequence[str], second: Sequence[str]) -> tuple[Piece, ...]:
    shortest = min(len(first), len(second))
    start = next((i for i in range(shortest) if first[i] != second[i]), shortest)
    left = shortest - start
    end = next((i for i in range(left) if first[-1 - i] != second[-1 - i]), left)
    return (
        *_piece("same", first[:start]),
        *_piece("removed", first[start : len(first) - end]),
        *_piece("added", second[start : len(second) - end]),
        *_piece("same", first[len(first) - end :]),
    )


def _piece(kind: Literal["same", "added", "removed"], part: Sequence[str]) -> list[Piece]:
    return [Piece(text="".join(part), kind=kind)] if part else []
