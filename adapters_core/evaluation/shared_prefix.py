"""Tokens that many rows begin with, run once: their keys and values are shared by every row that follows.

Shape letters: B rows, T tokens, C shared tokens, H heads, E head size, P predicted tokens, W vocabulary, D hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from adapters_core.data.batching import Ids, Sequences, pad_sequences
from adapters_core.modeling.base_model import BaseModel


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedPrefix:
    """Tokens that were run once, and what attention needs of them."""

    ids: Ids
    layers: tuple[tuple[Tensor, Tensor], ...] = ()
    """Keys and values of every layer, each 1 x H x C x E; none where there are no tokens."""

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values."""
        return sum(tensor.numel() * tensor.element_size() for pair in self.layers for tensor in pair)

    def cache(self, rows: int) -> DynamicCache:
        """A cache for a batch that begins with these tokens; the tensors kept here are never written to."""
        return DynamicCache([(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in self.layers])


def common_prefix(prompts: Sequence[Ids]) -> Ids:
    """The longest run of tokens that all prompts begin with, at least one token left to each."""
    shortest = min(prompts, key=len)
    for place in range(len(shortest) - 1):
        if any(prompt[place] != shortest[place] for prompt in prompts):
            return shortest[:place]
    return shortest[:-1]


@torch.no_grad()
def encode_prefix(base: BaseModel, ids: Ids) -> SharedPrefix:
    """Run tokens once under the base as it is adapted now."""
    if not ids:
        return SharedPrefix(ids=ids)
    cache = DynamicCache()
    base.body(input_ids=torch.tensor([ids], device=base.device), cache=cache, use_cache=True)
    return SharedPrefix(ids=ids, layers=tuple((layer.keys, layer.values) for layer in cache.layers))


def pad_token(base: BaseModel) -> int:
    """A token to fill up with; what it is makes no difference to the tokens before it."""
    found = getattr(base.tokenizer, "pad_token_id", None)
    return 0 if found is None else int(found)


def padded(base: BaseModel, sequences: Sequence[Ids], answers: Sequence[int] | None) -> Sequences:
    """Rows padded on the right, on the base's device; ``answers``: how many tokens at each end are predicted."""
    padded = pad_sequences(sequences, answers, pad_token(base))
    device = base.device
    return Sequences(
        ids_BT=padded.ids_BT.to(device), mask_BT=padded.mask_BT.to(device), predicts_BT=padded.predicts_BT.to(device)
    )


def continued(base: BaseModel, sequences: Sequences, prefix: SharedPrefix, cache: DynamicCache) -> Tensor:
    """Hidden states (B x T x D) of rows that follow a prefix; the cache then holds the rows too."""
    hidden_BTD: Tensor = base.body(
        input_ids=sequences.ids_BT,
        attention_mask=nn.functional.pad(sequences.mask_BT, (len(prefix.ids), 0), value=1),
        cache=cache,
        use_cache=True,
    )[0]
    return hidden_BTD


def head_logits(base: BaseModel, hidden_PD: Tensor) -> Tensor:
    """Logits (P x W, float32) of hidden states."""
    return base.head_logits(hidden_PD)
