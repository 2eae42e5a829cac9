"""What an evaluation asked and heard, and where the adapter comes from: from its stored report and the vault."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters_core.errors import ErasedError, IntegrityError, StorageError
from adapters_core.ledger import vault
from adapters_core.ledger.records import Entry
from adapters_core.ledger.transactions import Reader
from governance import artifacts
from governance.installation import installation

STEPS = (1.1, 1.25, 1.5, 1.75, 2.0)
"""Times the mean of its text's tokens from which a token is drawn darker: where all weigh alike, none stands out."""
_EXCERPT = 90


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One question with what was said."""

    question: str
    right: tuple[str, ...]
    before: str
    """By the bare base."""
    after: str
    """With the adapter."""
    prompt: str | None
    """With the document in the prompt; None where that was not asked."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of the text, and how much more than the rest the adapter owes to it: 0 (no more) to 5 (twice or more)."""

    text: str
    level: int


@dataclass(frozen=True, kw_only=True)
class ChunkShare:
    """A chunk's part of the adapter."""

    context: str
    number: int
    start: str
    """Its first characters; empty once the text was erased."""
    share: float
    commitment: str | None = None


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the adapter comes from."""

    chunks: tuple[ChunkShare, ...]
    texts: Mapping[str, tuple[Piece, ...]]
    """Context -> its text in pieces."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """All that is stored of an evaluation besides its scores."""

    answers: tuple[Answers, ...]
    origin: Origin | None
    missing: bool
    """Whether the file of the report is not here, or was changed."""


def told(reader: Reader, evaluation: Entry, contexts: Sequence[str]) -> Told:
    """Answers and attribution of one evaluation."""
    try:
        report: dict[str, Any] = json.loads(artifacts.read(evaluation.data["report_digest"]))
    except (StorageError, IntegrityError, ValueError):
        report = {}
    answers = [one for context in contexts for one in _answers(reader, context, evaluation.data["evaluation"])]
    stated = report.get("attribution")
    return Told(
        answers=tuple(answers),
        origin=_origin(reader, stated["shares"], contexts) if stated else None,
        missing=not report,
    )


def _answers(reader: Reader, context: str, evaluation: str) -> list[Answers]:
    stored = _opened(reader, context, vault.evaluation_text(evaluation))
    rows = json.loads(stored) if stored else []
    return [
        Answers(
            question=row["question"],
            right=tuple(row["answers"]),
            before=row["said"].get("none", ""),
            after=row["said"].get("adapter", ""),
            prompt=row["said"].get("prompt"),
        )
        for row in rows
        if row["said"]
    ]


def _origin(reader: Reader, shares: Mapping[str, Any], contexts: Sequence[str]) -> Origin:
    texts = {context: _opened(reader, context, vault.CONTEXT) or "" for context in contexts}
    whole = sum(abs(one["value"]) for one in shares["chunks"]) or 1.0
    chunks = [
        ChunkShare(
            context=one["document"],
            number=number,
            start=excerpt(texts.get(one["document"], ""), one["start"], one["end"]),
            share=one["value"] / whole,
            commitment=one.get("commitment"),
        )
        for number, one in enumerate(shares["chunks"], start=1)
    ]
    return Origin(
        chunks=tuple(chunks),
        texts={context: _pieces(text, shares["tokens"], context) for context, text in texts.items() if text},
    )


def excerpt(text: str, start: int, end: int) -> str:
    """The first characters of a piece of a text, on one line."""
    found = " ".join(text[start:end].split())
    return found if len(found) <= _EXCERPT else f"{found[:_EXCERPT]}…"


def _pieces(text: str, tokens: Sequence[Mapping[str, Any]], context: str) -> tuple[Piece, ...]:
    """The text in pieces of one level each, in order and without gaps."""
    own = sorted((one for one in tokens if one["document"] == context), key=lambda one: int(one["start"]))
    mean = sum(abs(one["value"]) for one in own) / max(len(own), 1) or 1.0
    found: list[Piece] = []
    place = 0
    for one in own:
        start, end = max(place, int(one["start"])), int(one["end"])
        if end <= start:
            continue
        _append(found, text[place:start], 0)
        _append(found, text[start:end], bisect_right(STEPS, abs(one["value"]) / mean))
        place = end
    _append(found, text[place:], 0)
    return tuple(found)


def _append(pieces: list[Piece], text: str, level: int) -> None:
    if not text:
        return
    if pieces and pieces[-1].level == level:
        text = pieces.pop().text + text
    pieces.append(Piece(text=text, level=level))


def _opened(reader: Reader, context: str, name: str) -> str | None:
    try:
        return vault.open_text(reader, installation().master_key, context, name).decode()
    except ErasedError:
        return None
