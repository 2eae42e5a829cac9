"""Token ids become text as they come: no half character is shown, and no text beyond a stop string."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
_WINDOW = 6
"""Tokens decoded again before a new one, so that a tokenizer that joins neighbours joins them as it would."""
_LONGEST_CHARACTER = 8
"""Tokens after which bytes that form no character are shown as they are."""


class TextStream:
    """The text of one answer."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", stop: Sequence[str] = ()) -> None:
        """Start an answer.

        Args:
            tokenizer: the base's.
            stop: strings that end the answer; they are not part of it.
        """
        self._tokenizer = tokenizer
        self._stop = tuple(text for text in stop if text)
        self._ids: list[int] = []
        self._shown_ids = 0
        self._held = ""
        self.stopped = False

    def push(self, token_id: int) -> str:
        """Take one token; gives the text that can be shown now."""
        self._ids.append(token_id)
        start = max(0, self._shown_ids - _WINDOW)
        before = self._decode(self._ids[start : self._shown_ids])
        text = self._decode(self._ids[start:])
        waiting = len(self._ids) - self._shown_ids
        if text.endswith(UNFINISHED) and waiting < _LONGEST_CHARACTER:
            return ""
        self._shown_ids = len(self._ids)
        return self._release(text[len(before) :])

    def finish(self) -> str:
        """What is still held when the answer ends for another reason than a stop string."""
        start = max(0, self._shown_ids - _WINDOW)
        before = self._decode(self._ids[start : self._shown_ids])
        rest = self._held + self._decode(self._ids[start:])[len(before) :]
        self._shown_ids, self._held = len(self._ids), ""
        return rest

    def _release(self, new: str) -> str:
        text = self._held + new
        places = [place for place in (text.find(stop) for stop in self._stop) if place >= 0]
        if places:
            self.stopped, self._held = True, ""
            return text[: min(places)]
        held = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of the text with which the stop string may be beginning."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
