"""Text becomes token ids: the one place that calls a tokenizer.

A Hugging Face tokenizer writes the options of a call into itself before it encodes. Two threads that share it (the
service cuts a document while it writes a prompt) would encode under each other's options: a text that spells a control
token would become that token, or the template's own would not. So one call is made at a time.
"""

import threading
from collections.abc import Mapping
from typing import Any, Protocol

_ONE_AT_A_TIME = threading.Lock()
Span = tuple[int, int]
"""First character of a token, and the one after its last."""


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that this needs."""

    def __call__(self, text: str, **options: Any) -> Mapping[str, Any]:  # noqa: ANN401  # the tokenizer's own options
        """Tokenize."""
        ...


def text_ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """Token ids of plain text: nothing added, and a text that spells a control token stays text."""
    return tuple(_encoded(tokenizer, text, split_special_tokens=True)["input_ids"])


def text_spans(tokenizer: Tokenizer, text: str) -> tuple[tuple[int, ...], tuple[Span, ...]]:
    """As :func:`text_ids`, with where in the text each token lies; the tokenizer must be a fast one."""
    found = _encoded(tokenizer, text, split_special_tokens=True, return_offsets_mapping=True)
    return tuple(found["input_ids"]), tuple((int(start), int(end)) for start, end in found["offset_mapping"])


def template_ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """Token ids of a template's own text, whose control tokens are meant."""
    return tuple(_encoded(tokenizer, text, split_special_tokens=False)["input_ids"])


def _encoded(tokenizer: Tokenizer, text: str, **options: bool) -> Mapping[str, Any]:
    # verbose=False: the tokenizer would warn of texts longer than the model's window, which chunking is there for.
    with _ONE_AT_A_TIME:
        return tokenizer(text, add_special_tokens=False, truncation=False, verbose=False, **options)
