"""How llama.cpp names the linears of a base, and in which order it keeps their rows.

The names are gguf's own table. The row orders are what llama.cpp's rotary embedding and fused projections expect of
each architecture; a LoRA's B has the rows of the weight it is added to, so it is reordered alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import gguf
import torch
from jaxtyping import Int
from torch import Tensor

from adapters_core.errors import UnknownSiteError, UnsupportedModelError
from adapters_core.export.decoder import decoder_linears
from adapters_core.modeling.base_model import BaseModel

RowOrder = Callable[[int, int], Int[Tensor, "d_out"]]
"""From (rows, heads) to the Hugging Face row that stands at each GGUF row."""


@dataclass(frozen=True, kw_only=True)
class GgufLayout:
    """GGUF's view of one base."""

    architecture: str
    """``general.architecture``."""
    names: Mapping[str, str]
    """GGUF name (``blk.0.attn_q``) by module path."""
    rows: Mapping[str, Tensor]
    """Hugging Face row at each GGUF row, by module path; absent where the order is the same."""


@dataclass(frozen=True, kw_only=True)
class _Family:
    architecture: gguf.MODEL_ARCH
    rows: Mapping[str, tuple[str, RowOrder]] = field(default_factory=dict)
    """Configuration field that counts the heads, and row order, by leaf name."""


def interleaved_halves(d_out: int, heads: int) -> Int[Tensor, "d_out"]:
    """Rotary pairs side by side: (heads, 2, n) becomes (heads, n, 2)."""
    return torch.arange(d_out).reshape(heads, 2, -1).mT.flatten()


def queries_keys_values(d_out: int, heads: int) -> Int[Tensor, "d_out"]:
    """All queries, then all keys, then all values: (heads, 3, n) becomes (3, heads, n)."""
    return torch.arange(d_out).reshape(heads, 3, -1).transpose(0, 1).flatten()


_LLAMA = _Family(
    architecture=gguf.MODEL_ARCH.LLAMA,
    rows={
        "q_proj": ("num_attention_heads", interleaved_halves),
        "k_proj": ("num_key_value_heads", interleaved_halves),
    },
)
FAMILIES: Mapping[str, _Family] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _Family(architecture=gguf.MODEL_ARCH.QWEN2),
    "qwen3": _Family(architecture=gguf.MODEL_ARCH.QWEN3),
    "gemma": _Family(architecture=gguf.MODEL_ARCH.GEMMA),
    "phi3": _Family(architecture=gguf.MODEL_ARCH.PHI3),
    "gpt_neox": _Family(
        architecture=gguf.MODEL_ARCH.GPTNEOX,
        rows={"query_key_value": ("num_attention_heads", queries_keys_values)},
    ),
}
"""By Hugging Face's ``model_type``."""


def gguf_layout(base: BaseModel) -> GgufLayout:
    """GGUF's names and row orders for every decoder linear of a base.

    Raises:
        UnsupportedModelError: its architecture is not one whose layout is known (and tested on llama.cpp).
    """
    config = base.model.config
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise UnsupportedModelError(
            f"GGUF adapters can be written for {', '.join(FAMILIES)}; this base is {config.model_type!r}: "
            "export it in PEFT's format"
        )
    table = gguf.get_tensor_name_map(family.architecture, len(base.layers))
    names, rows = {}, {}
    for path, linear in decoder_linears(base).items():
        if name := table.get_name(path):
            names[path] = name
        heads, order = family.rows.get(path.rsplit(".", 1)[-1], (None, None))
        if heads and order:
            rows[path] = order(linear.out_features, getattr(config, heads))
    return GgufLayout(architecture=gguf.MODEL_ARCH_NAMES[family.architecture], names=names, rows=rows)


def gguf_name(layout: GgufLayout, path: str) -> str:
    """GGUF's name of a linear.

    Raises:
        UnknownSiteError: GGUF has none for it.
    """
    if path not in layout.names:
        raise UnknownSiteError(f"{path!r} has no name in GGUF's {layout.architecture}; known: {list(layout.names)[:7]}")
    return layout.names[path]
