"""Taps: forward pre-hooks that feed the state while the base runs.

Each tap reads a decoder layer's input (the residual stream before its first norm), turns it into keys and values in
one fused product and adds keys^T values to the state. Nothing else is kept: no hidden states, no logits; the base is
stopped before the body of the last layer that is tapped.

Shape letters: B rows, T tokens, N sites, n sites of a layer, D hidden, M = n (R1 + R2), K = R1, V = R2.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.hooks import hooked_before


class _StopForward(Exception):  # noqa: N818  # control flow, not an error
    """Ends a forward pass once every tap has been fed."""


Consumer = Callable[[list[int], Tensor, Tensor], None]
"""Takes the indices of a layer's sites, their keys (B x T x n x K) and their values (B x T x n x V).

Only products of a key and a value of the same row are meaningful (see :func:`keys_values`).
"""


def encode(
    base: BaseModel,
    generator: Generator,
    ids_BT: Int[Tensor, "b t"],
    mask_BT: Int[Tensor, "b t"] | None = None,
) -> Float[Tensor, "b n k v"]:
    """States of a batch of chunks, one forward pass of the base's body that stops early.

    Args:
        base: the frozen base; adapters applied to it act on the encoding (sequential mode).
        generator: the generator of this base.
        ids_BT: token ids, rows padded on the right.
        mask_BT: 1 for tokens, 0 for padding; None where nothing is padded.

    Returns:
        S of every row and site, float32. It carries gradients of the generator's tensors where they are enabled.
    """
    states_NBKV: list[Tensor | None] = [None] * len(generator.sites)
    tap(base, generator, ids_BT, mask_BT, partial(_accumulate, states_NBKV))
    return torch.stack([state for state in states_NBKV if state is not None], dim=1)


def _accumulate(states_NBKV: list[Tensor | None], members: list[int], k_BTnK: Tensor, v_BTnV: Tensor) -> None:
    s_XKV = torch.bmm(k_BTnK.permute(0, 2, 3, 1).flatten(0, 1), v_BTnV.permute(0, 2, 1, 3).flatten(0, 1))
    s_BnKV = s_XKV.unflatten(0, (-1, len(members)))
    for row, index in enumerate(members):
        states_NBKV[index] = s_BnKV[:, row]


def tap(
    base: BaseModel,
    generator: Generator,
    ids_BT: Int[Tensor, "b t"],
    mask_BT: Int[Tensor, "b t"] | None,
    consumer: Consumer,
) -> None:
    """Run the base over a batch and hand every layer's keys and values to a consumer, layer by layer."""
    taps = {
        base.layers[layer]: _Tap(generator, layer, mask_BT, consumer)
        for layer in sorted({site.layer for site in generator.sites})
    }
    with hooked_before(taps), suppress(_StopForward):
        base.body(input_ids=ids_BT, attention_mask=mask_BT, use_cache=False)


class _Tap:
    """Feeds the keys and values of one layer's input to a consumer; the last one ends the forward pass."""

    def __init__(self, generator: Generator, layer: int, mask_BT: Tensor | None, consumer: Consumer) -> None:
        self.generator = generator
        self.layer = layer
        self.members = generator.members(layer)
        self.last = all(site.layer <= layer for site in generator.sites)
        self.mask_BT = mask_BT
        self.consumer = consumer

    def __call__(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        h_BTD: Tensor = args[0] if args else kwargs["hidden_states"]
        weight_MD = self.generator.key_value_weight(self.layer, h_BTD.dtype)
        self.consumer(self.members, *keys_values(h_BTD, weight_MD, self.mask_BT, self.generator))
        if self.last:
            raise _StopForward


def keys_values(
    h_BTD: Float[Tensor, "b t d"],
    weight_MD: Float[Tensor, "m d"],
    mask_BT: Int[Tensor, "b t"] | None,
    generator: Generator,
) -> tuple[Float[Tensor, "b t n k"], Float[Tensor, "b t n v"]]:
    """Keys and values of one layer's sites, float32, row t the value of token t with the key it is paired with.

    With a value shift of s that is the key of token t - s (zero for the first s tokens), so that what a row says is
    about its own token. Keys at padding are zero.

    The norm's weight is folded into ``weight_MD``. Its 1 / rms is a scalar per token, and every use of a key is a
    product with the value of the same row: so both factors are put on the key, beside an unscaled ``v``, and neither a
    normalised copy of the hidden states nor one of the values is made.
    """
    config = generator.config
    norm_BT = torch.linalg.vector_norm(h_BTD, dim=-1, dtype=torch.float32)
    inverse_BT = (norm_BT.square() / h_BTD.shape[-1] + config.norm_eps).rsqrt()
    kv_BTM = nn.functional.linear(h_BTD, weight_MD).float()
    kv_BTnM = kv_BTM.unflatten(-1, (-1, config.key_size + config.value_size))
    k_BTnK, v_BTnV = kv_BTnM.split((config.key_size, config.value_size), dim=-1)
    own, before = slice(config.value_shift, None), slice(0, h_BTD.shape[1] - config.value_shift)
    scale_BT = inverse_BT[:, own] * inverse_BT[:, before]
    if mask_BT is not None:
        scale_BT = scale_BT * mask_BT[:, own]
    return _led(k_BTnK[:, before] * scale_BT[..., None, None], config.value_shift), v_BTnV


def _led(k_BTnK: Tensor, tokens: int) -> Tensor:
    """Keys with zeros for so many tokens before them."""
    return nn.functional.pad(k_BTnK, (0, 0, 0, 0, tokens, 0)) if tokens else k_BTnK
