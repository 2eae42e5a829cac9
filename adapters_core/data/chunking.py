"""Cutting documents into chunks of tokens.

A chunk is what one forward pass of the base encodes. Chunks never cross documents; the token ids of a document's
chunks, put together, are its tokenization; their texts, put together, are its text.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from adapters_core.data.documents import Document, read_documents
from adapters_core.data.sentences import sentence_spans
from adapters_core.data.tokens import Span, Tokenizer, text_spans
from adapters_core.errors import ConfigError, ContextError, UnsupportedModelError

__all__ = ["Chunk", "Document", "OffsetTokenizer", "chunk_documents", "read_documents", "sentence_spans"]

MIN_CHUNK = 2
"""Fewest tokens of a chunk: one token carries nothing but its own embedding."""
_SLACK = 8
"""Chunks are planned 1/8 below the limit on average, so that cuts have room to move."""
_REACH = 4
"""A cut may move away from the even place by 1/4 of the chunk size to meet the end of a sentence."""
_TRIES = 16
_PARAGRAPH, _SENTENCE, _WORD, _CHARACTER, _INSIDE = range(5)


class OffsetTokenizer(Tokenizer, Protocol):
    """The part of a Hugging Face fast tokenizer that chunking needs."""

    @property
    def is_fast(self) -> bool:
        """Whether the tokenizer knows where in the text its tokens lie."""
        ...


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A run of tokens of one document."""

    document: str
    """Name of the document."""
    index: int
    """Place among the chunks of the document, from 0."""
    start: int
    """First character within the document."""
    end: int
    """Character after the last one, within the document."""
    text: str
    """The document's text from start to end."""
    token_ids: tuple[int, ...]
    """At least two, without special tokens."""
    token_spans: tuple[tuple[int, int], ...]
    """Characters (start, end) of each token, within the document; parts of one character share its span."""


def chunk_documents(
    documents: Sequence[Document], tokenizer: OffsetTokenizer, *, chunk_tokens: int, max_tokens: int | None = None
) -> tuple[Chunk, ...]:
    """Cut documents into chunks of 2 to ``chunk_tokens`` tokens, in order.

    A document that needs several chunks is cut evenly, each cut at the end of a paragraph, a sentence or a word
    near the even place. No cut falls within a character.

    Args:
        documents: the context; names are distinct.
        tokenizer: a fast tokenizer, used without special tokens.
        chunk_tokens: most tokens of a chunk.
        max_tokens: most tokens of all documents together; None: no limit.

    Raises:
        ContextError: no document, two of one name, a document of fewer than two tokens, more than ``max_tokens``
            tokens together, or a document that no cut can bring under ``chunk_tokens``.
        ConfigError: ``chunk_tokens`` is below 2.
        UnsupportedModelError: the tokenizer is not a fast one.
    """
    if chunk_tokens < MIN_CHUNK:
        raise ConfigError(f"chunk_tokens must be at least {MIN_CHUNK}, got {chunk_tokens}")
    if not getattr(tokenizer, "is_fast", False):
        raise UnsupportedModelError(f"a fast tokenizer is needed for token offsets, got {type(tokenizer).__name__}")
    names = [document.name for document in documents]
    if not names:
        raise ContextError("a context must have at least one document, got none")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ContextError(f"documents must have distinct names, got {repeated} more than once")
    encoded = [_tokenize(document, tokenizer) for document in documents]
    total = sum(len(ids) for ids, _ in encoded)
    if max_tokens is not None and total > max_tokens:
        raise ContextError(f"a context must be at most {max_tokens} tokens, got {total}: leave documents out")
    return tuple(
        chunk
        for document, (ids, spans) in zip(documents, encoded, strict=True)
        for chunk in _chunk(document, ids, spans, chunk_tokens)
    )


def _tokenize(document: Document, tokenizer: OffsetTokenizer) -> tuple[Sequence[int], Sequence[Span]]:
    ids, spans = text_spans(tokenizer, document.text)
    if len(ids) < MIN_CHUNK:
        raise ContextError(f"document {document.name!r} must have at least {MIN_CHUNK} tokens, got {len(ids)}")
    return ids, spans


def _chunk(document: Document, ids: Sequence[int], spans: Sequence[Span], chunk_tokens: int) -> list[Chunk]:
    cuts = _plan(_grade_cuts(document.text, spans), chunk_tokens) if len(ids) > chunk_tokens else []
    if cuts is None:
        raise ContextError(
            f"document {document.name!r} ({len(ids)} tokens) cannot be cut into chunks of {MIN_CHUNK} to "
            f"{chunk_tokens} tokens between characters: raise chunk_tokens"
        )
    chunks = []
    # A chunk's text starts where the one before it ends, so that characters without a token are not lost.
    edges = [0, *(spans[cut - 1][1] for cut in cuts), len(document.text)]
    for index, (first, last) in enumerate(zip([0, *cuts], [*cuts, len(ids)], strict=True)):
        start, end = edges[index], edges[index + 1]
        chunks.append(
            Chunk(
                document=document.name,
                index=index,
                start=start,
                end=end,
                text=document.text[start:end],
                token_ids=tuple(ids[first:last]),
                token_spans=tuple(spans[first:last]),
            )
        )
    return chunks


def _grade_cuts(text: str, spans: Sequence[Span]) -> list[int]:
    """For each token, how good a cut just before it is, from ``_PARAGRAPH`` (best) to ``_INSIDE`` (never)."""
    ends = [end for _, end in spans]
    grades = [_INSIDE]
    for (_, before), (start, end) in pairwise(spans):
        spaced = text[before - 1 : before].isspace() or text[before:end][:1].isspace()
        grades.append(_INSIDE if start < before or end <= before else _WORD if spaced else _CHARACTER)
    for start, _ in sentence_spans(text)[1:]:
        token = bisect_right(ends, start)
        if token < len(spans) and grades[token] != _INSIDE and not text[ends[token - 1] : start].strip():
            blank_line = text[max(0, start - 4) : start].replace("\r", "").endswith("\n\n")
            grades[token] = _PARAGRAPH if blank_line else _SENTENCE
    return grades


def _plan(grades: list[int], chunk_tokens: int) -> list[int] | None:
    """Cuts (token indices) into chunks of 2 to ``chunk_tokens`` tokens, or None where there are none."""
    total = len(grades)
    fewest = -(-total // max(MIN_CHUNK, chunk_tokens - chunk_tokens // _SLACK))
    # More pieces make shorter ones, which helps where wide characters leave few places to cut; a few more suffice.
    for pieces in range(fewest, min(fewest + _TRIES, total // MIN_CHUNK + 1)):
        if (cuts := _cut_evenly(grades, pieces, chunk_tokens)) is not None:
            return cuts
    return None


def _cut_evenly(grades: list[int], pieces: int, chunk_tokens: int) -> list[int] | None:
    total, start, cuts = len(grades), 0, list[int]()
    for left in range(pieces, 1, -1):
        even = start + (total - start) / left
        low = max(start + MIN_CHUNK, total - (left - 1) * chunk_tokens)
        high = min(start + chunk_tokens, total - (left - 1) * MIN_CHUNK)
        near = range(max(low, int(even - chunk_tokens / _REACH)), min(high, int(even + chunk_tokens / _REACH)) + 1)
        cut = _best(grades, near, even) or _best(grades, range(low, high + 1), even)
        if cut is None:
            return None
        cuts.append(cut)
        start = cut
    return cuts


def _best(grades: list[int], places: range, even: float) -> int | None:
    """The place with the best grade, none within a character; among equals the one nearest to the even place."""
    candidates = [place for place in places if grades[place] != _INSIDE]
    return min(candidates, key=lambda place: (grades[place], abs(place - even)), default=None)
