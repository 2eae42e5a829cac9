"""Keys and values of the rows that are being decoded together.

All rows end at the same slot: a shorter row is padded on its left, and padding is zero and masked. Rows come and go
between steps; a step itself writes one slot into memory that was set aside, so nothing is copied for it.

Shape letters: B rows, H key-value heads, C slots set aside, T tokens, D head size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

SPARE_SLOTS = 64
"""Slots set aside beyond what rows hold when they are laid out; each time they run out they double."""


class Slots:
    """A tensor with room to grow: B x H x C x D, of which the first slots are filled."""

    def __init__(self, tensor_BHCD: Tensor, filled: int) -> None:
        """Take a tensor as it is."""
        self._tensor_BHCD = tensor_BHCD
        self.filled = filled

    @classmethod
    def laid_out(cls, places: Sequence[tuple["Slots", int, int]], length: int) -> "Slots":
        """Chosen rows, each (where, row, tokens), aligned at the right end of ``length`` slots; zero elsewhere."""
        first_BHCD = places[0][0].view()
        rows_BHCD = _zeros(first_BHCD, len(places), length + SPARE_SLOTS)
        for target, (slots, row, tokens) in enumerate(places):
            rows_BHCD[target, :, length - tokens : length] = slots.view()[row, :, slots.filled - tokens :]
        return cls(rows_BHCD, length)

    def append(self, new_BHTD: Tensor) -> Tensor:
        """Fill the next slots; gives all that are filled."""
        end = self.filled + new_BHTD.shape[-2]
        if end > self._tensor_BHCD.shape[-2]:
            wide_BHCD = _zeros(new_BHTD, new_BHTD.shape[0], max(end + SPARE_SLOTS, 2 * self.filled))
            wide_BHCD[:, :, : self.filled] = self.view()
            self._tensor_BHCD = wide_BHCD
        self._tensor_BHCD[:, :, self.filled : end] = new_BHTD
        self.filled = end
        return self.view()

    def view(self) -> Tensor:
        """The filled slots."""
        return self._tensor_BHCD[:, :, : self.filled]


class RowsLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped here
    """One layer's keys and values."""

    is_sliding = False  # a window, where the model has one, is a matter of its attention mask

    def __init__(self, slots: tuple[Slots, Slots] | None = None) -> None:
        """Hold keys and values; None: nothing yet."""
        super().__init__()
        self.slots = slots
        self.is_initialized = slots is not None

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Start empty, in the shape of the first keys and values."""
        self.slots, self.is_initialized = _empty_slots(key_states, value_states), True

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: object, **_kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Append the keys and values of new tokens; gives those of all."""
        if self.slots is None:
            self.slots, self.is_initialized = _empty_slots(key_states, value_states), True
        keys, values = self.slots
        return keys.append(key_states), values.append(value_states)

    def get_seq_length(self) -> int:
        """Slots filled."""
        return self.slots[0].filled if self.slots else 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Keys that new tokens see, and the slot of the first of them."""
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        """No limit (transformers writes that as -1)."""
        return -1


class KeyValueRows:
    """The keys and values of a set of rows in every layer."""

    def __init__(self, tokens: Sequence[int], *, cache: Cache | None = None) -> None:
        """Describe rows.

        Args:
            tokens: tokens of each row, padding not counted.
            cache: what holds them; None: an empty one, which the model's first forward pass fills.
        """
        self.tokens = tuple(tokens)
        self.cache = Cache(layer_class_to_replicate=RowsLayer) if cache is None else cache

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def longest(self) -> int:
        """Tokens of the longest row: the slots in use."""
        return max(self.tokens, default=0)

    def advanced(self) -> "KeyValueRows":
        """The same memory after each row got one token."""
        return KeyValueRows([tokens + 1 for tokens in self.tokens], cache=self.cache)

    def step_inputs(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Attention mask (B x slots, the new one included) and positions (B x 1) of the next token of every row."""
        held_B1 = torch.tensor(self.tokens, device=device)[:, None]
        slot_1C = torch.arange(self.longest + 1, device=device)[None]
        return (slot_1C >= self.longest - held_B1).long(), held_B1


def joined(parts: Sequence[tuple[KeyValueRows, Sequence[int]]]) -> KeyValueRows:
    """New memory with the chosen rows of several sets, in order; no slot wider than the longest of them needs.

    Args:
        parts: sets with the indices of the rows to take from each.
    """
    tokens = [part.tokens[row] for part, rows in parts for row in rows]
    length = max(tokens)
    cache = Cache(layers=[_join_layer(parts, index, length) for index in range(len(parts[0][0].cache.layers))])
    return KeyValueRows(tokens, cache=cache)


def _join_layer(parts: Sequence[tuple[KeyValueRows, Sequence[int]]], index: int, length: int) -> RowsLayer:
    chosen = [(part.cache.layers[index].slots, row, part.tokens[row]) for part, rows in parts for row in rows]
    keys, values = (
        Slots.laid_out([(slots[which], row, tokens) for slots, row, tokens in chosen], length) for which in (0, 1)
    )
    return RowsLayer((keys, values))


def _empty_slots(keys_BHTD: Tensor, values_BHTD: Tensor) -> tuple[Slots, Slots]:
    return Slots(keys_BHTD[:, :, :0], 0), Slots(values_BHTD[:, :, :0], 0)


def _zeros(like_BHTD: Tensor, rows: int, slots: int) -> Tensor:
    return like_BHTD.new_zeros(rows, like_BHTD.shape[1], slots, like_BHTD.shape[3])
