"""Random adapters that change a base clearly, for tests of formats and engines."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from adapters_core.export.pair_rules import spectral_norm
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pair, Pairs, applied
from tests.tiny_model import VOCABULARY


def random_pairs(
    base: BaseModel,
    targets: Iterable[str],
    *,
    layers: Iterable[int] | None = None,
    rank: int = 8,
    size: float = 0.5,
    seed: int = 0,
) -> dict[str, Pair]:
    """Pairs whose deltas have about ``size`` times the spectral norm of the weights they are added to."""
    rng = torch.Generator().manual_seed(seed)
    pairs = {}
    for site in base.sites(targets, layers):
        a_RI = torch.randn(rank, site.d_in, generator=rng) / site.d_in**0.5
        b_OR = torch.randn(site.d_out, rank, generator=rng) / site.d_out**0.5
        norm = spectral_norm(base.module(site.path).get_parameter("weight"))
        pairs[site.path] = Pair(a_RI=a_RI, b_OR=b_OR * (size * norm))
    return pairs


def every_target(base: BaseModel) -> tuple[str, ...]:
    """Names of all linears of a decoder layer, fused ones too."""
    return tuple(
        path.rsplit(".", 1)[-1] for path, module in base.layers[0].named_modules() if isinstance(module, nn.Linear)
    )


def token_ids(rows: int = 2, length: int = 12) -> Tensor:
    """Ids of random bytes, the same in every call."""
    return torch.randint(0, VOCABULARY - 3, (rows, length), generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def logits(base: BaseModel, pairs: Pairs | None = None, ids_BT: Tensor | None = None) -> Tensor:
    """Logits of the base under an adapter."""
    with applied(base, pairs or {}):
        output: Tensor = base.model(token_ids() if ids_BT is None else ids_BT).logits
    return output
