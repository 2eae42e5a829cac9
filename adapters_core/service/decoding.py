"""Answers to several prompts at once, each under its own adapter.

Rows join and leave between steps (continuous batching). Every row has its own pairs, its own keys and values and its
own random source; what a row answers does not depend on who shares its batch, beyond the rounding of a batched product.

Shape letters: B rows, T tokens, W words of the vocabulary.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from adapters_core.errors import InputError, RingiError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pairs, applied
from adapters_core.service.key_values import KeyValueRows, joined
from adapters_core.service.sampling import Sampling, Token, choose
from adapters_core.service.text_stream import TextStream

Finish = Literal["stop", "length"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Prompt:
    """What is to be answered, and how."""

    token_ids: tuple[int, ...]
    pairs: Pairs | None
    """The adapter, resident on the base's device; None: the bare base."""
    sampling: Sampling
    max_tokens: int
    """Most tokens of the answer."""
    stop: tuple[str, ...] = ()
    """Strings that end the answer."""
    end_ids: frozenset[int] = frozenset()
    """Tokens that end the answer."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            InputError: the prompt is empty, or no token is asked for.
        """
        if not self.token_ids:
            raise InputError("a prompt must have at least one token, got none")
        if self.max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1, got {self.max_tokens}")

    @property
    def most_tokens(self) -> int:
        """Tokens of the prompt and the longest answer."""
        return len(self.token_ids) + self.max_tokens


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What one step adds to an answer."""

    text: str
    """May be empty: a character or a stop string may be on its way."""
    token: Token
    finish: Finish | None
    """Why the answer ends here; None: it goes on."""


Emit = Callable[[Piece | RingiError], None]
"""Takes the pieces of an answer, or the error that ends it. Must return at once."""


class Row:
    """An answer on its way."""

    def __init__(self, base: BaseModel, prompt: Prompt, emit: Emit) -> None:
        """Start an answer; nothing is computed yet."""
        self.prompt = prompt
        self.emit = emit
        self.cancelled = False
        self.finished = False
        self.last_id = -1
        self._count = 0
        self._source = prompt.sampling.random_source()
        self._text = TextStream(base.require_tokenizer(), prompt.stop)

    def cancel(self) -> None:
        """Ask for no more; safe from any thread."""
        self.cancelled = True

    def fail(self, error: RingiError) -> None:
        """End the answer with an error."""
        self.finished = True
        self.emit(error)

    def take(self, logits_W: Tensor) -> None:
        """Choose the next token from its logits and hand it on."""
        try:
            token = choose(logits_W, self.prompt.sampling, self._source)
        except RingiError as error:
            self.fail(error)
            return
        self._count += 1
        self.last_id = token.token_id
        ended = token.token_id in self.prompt.end_ids
        text = "" if ended else self._text.push(token.token_id)
        finish: Finish | None = None
        if ended or self._text.stopped:
            finish = "stop"
        elif self._count == self.prompt.max_tokens:
            finish = "length"
        if finish and not self._text.stopped:
            text += self._text.finish()
        self.finished = finish is not None
        self.emit(Piece(text=text, token=token, finish=finish))


class DecodingBatch:
    """The rows that are being answered now."""

    def __init__(self, base: BaseModel) -> None:
        """Start without rows."""
        self._base = base
        self._rows: tuple[Row, ...] = ()
        self._memory = KeyValueRows(())

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def most_tokens(self) -> int:
        """Slots that a row may come to need: those of the longest prompt and answer."""
        return max((row.prompt.most_tokens for row in self._rows), default=0)

    @torch.inference_mode()
    def admit(self, rows: Sequence[Row]) -> None:
        """Read the prompts of new rows in one padded pass, choose their first tokens, and let them join."""
        memory = KeyValueRows([len(row.prompt.token_ids) for row in rows])
        ids_BT, mask_BT, position_BT = _prompt_inputs(rows, memory.longest, self._base.device)
        with applied(self._base, [row.prompt.pairs for row in rows]):
            logits_BW = self._forward(memory, ids_BT, mask_BT, position_BT)
        for row, logits_W in zip(rows, logits_BW, strict=True):
            row.take(logits_W)
        self._relay([(self._memory, self._rows), (memory, rows)])

    @torch.inference_mode()
    def steps(self, limit: int | None, *, interrupted: Callable[[], bool]) -> int:
        """Decode until a row ends, the limit (None: no limit) is reached or interrupted; gives the steps taken."""
        taken = 0
        if not self._rows:
            return taken
        with applied(self._base, [row.prompt.pairs for row in self._rows]):
            while (limit is None or taken < limit) and not any(row.finished or row.cancelled for row in self._rows):
                self._step()
                taken += 1
                if interrupted():
                    break
        self._relay([(self._memory, self._rows)])
        return taken

    def fail(self, error: RingiError) -> None:
        """End every row with an error."""
        rows, self._rows, self._memory = self._rows, (), KeyValueRows(())
        for row in rows:
            row.fail(error)

    def _step(self) -> None:
        mask_BT, position_B1 = self._memory.step_inputs(self._base.device)
        ids_B1 = torch.tensor([[row.last_id] for row in self._rows], device=self._base.device)
        logits_BW = self._forward(self._memory, ids_B1, mask_BT, position_B1)
        self._memory = self._memory.advanced()
        for row, logits_W in zip(self._rows, logits_BW, strict=True):
            row.take(logits_W)

    def _forward(self, memory: KeyValueRows, ids_BT: Tensor, mask_BT: Tensor, position_BT: Tensor) -> Tensor:
        logits_BTW: Tensor = self._base.model(
            input_ids=ids_BT,
            attention_mask=mask_BT,
            position_ids=position_BT,
            cache=memory.cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        return logits_BTW[:, -1].float().cpu()

    def _relay(self, parts: Iterable[tuple[KeyValueRows, Sequence[Row]]]) -> None:
        """Keep the rows that go on; where all of one set do and nobody joins, its memory stays as it is."""
        kept = [
            (memory, rows, [i for i, row in enumerate(rows) if not (row.finished or row.cancelled)])
            for memory, rows in parts
        ]
        kept = [(memory, rows, places) for memory, rows, places in kept if places]
        if not kept:
            memory = KeyValueRows(())
        elif len(kept) == 1 and len(kept[0][2]) == len(kept[0][0]):
            memory = kept[0][0]
        else:
            memory = joined([(part, places) for part, _, places in kept])
        # only now, so that a failure above leaves the rows that were here as they were
        self._rows, self._memory = tuple(rows[place] for _, rows, places in kept for place in places), memory


def _prompt_inputs(rows: Sequence[Row], length: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, attention mask and positions of prompts, padded on the left. Padding holds token 0, masked."""
    ids_BT = torch.zeros(len(rows), length, dtype=torch.long)
    mask_BT = torch.zeros_like(ids_BT)
    for place, row in enumerate(rows):
        ids = row.prompt.token_ids
        ids_BT[place, length - len(ids) :] = torch.tensor(ids)
        mask_BT[place, length - len(ids) :] = 1
    position_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)
    return ids_BT.to(device), mask_BT.to(device), position_BT.to(device)
