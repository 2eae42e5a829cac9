"""What must hold for every pair of an adapter; each rule gives its reasons, so that all can be told at once.

Shape letters: R rank, I = d_in, O = d_out, K vectors of a block.
"""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from adapters_core.errors import IntegrityError
from adapters_core.export.decoder import decoder_linears
from adapters_core.export.peft_format import DTYPES, split_key
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.finite import all_finite
from adapters_core.modeling.lora import Pair, Pairs, delta_norms

NORM_LIMIT = 4.0
"""Most that a delta's spectral norm may be, in spectral norms of the weight it is added to.

Measured on SmolLM2-135M-Instruct with random directions at every o_proj or down_proj (loss on neutral text, 3.6 nats
for the base): 0.3 costs at most 0.9 nats, 1 costs 0.4 (rank 8) to 7.6 (rank 32), 3 leaves a model that is worse than
guessing (12 nats and more). A generated adapter of rank 128 (o_proj, early in training) had a median of 0.57 and at
most 0.82. So the limit stops what can only be damage; what is subtler is found by evaluation."""
_POWER_STEPS = 6
_POWER_BLOCK = 8
_FLOAT16_MAX = 65504.0


def pair_reasons(
    pairs: Pairs,
    base: BaseModel,
    *,
    max_rank: int,
    norm_limit: float,
    weight_norms: Mapping[str, float] | None = None,
) -> list[str]:
    """Why an adapter's pairs must not be loaded; empty where nothing speaks against it."""
    if not pairs:
        return ["an adapter needs at least one pair, got none"]
    linears = decoder_linears(base)
    reasons = _rank_reasons(pairs, max_rank)
    for path, pair in sorted(pairs.items()):
        if wrong := _shape_reason(path, pair, linears.get(path)) or _value_reason(path, pair):
            reasons.append(wrong)
            continue
        allowed = norm_limit * ((weight_norms or {}).get(path) or spectral_norm(linears[path].weight))
        if (found := delta_norms(pair).spectral) > allowed:
            reasons.append(f"{path} may have a delta of spectral norm {allowed:.4g} at most, got {found:.4g}")
    return reasons


def weight_norms(base: BaseModel, paths: Iterable[str]) -> dict[str, float]:
    """Spectral norms of the weights at some paths, for :func:`pair_reasons`."""
    linears = decoder_linears(base)
    return {path: spectral_norm(linears[path].weight) for path in paths if path in linears}


@torch.no_grad()
def spectral_norm(weight_OI: Float[Tensor, "d_out d_in"]) -> float:
    """Largest singular value by block power iteration from a fixed start, in float32: a few percent low at most."""
    start = torch.Generator().manual_seed(0)
    w_OI = weight_OI.detach().float()
    v_IK = torch.randn(w_OI.shape[1], min(_POWER_BLOCK, *w_OI.shape), generator=start).to(w_OI.device)
    for _ in range(_POWER_STEPS):
        v_IK = torch.linalg.qr(w_OI.mT @ (w_OI @ v_IK)).Q
    return float(torch.linalg.matrix_norm(w_OI @ v_IK, ord=2))


def sort_tensors(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Pair], list[str]]:
    """The tensors that are whole pairs, and what is wrong with the others."""
    found: dict[str, dict[str, Tensor]] = {}
    reasons = []
    for key, tensor in tensors.items():
        try:
            path, factor = split_key(key)
        except IntegrityError as error:
            reasons.append(str(error))
        else:
            found.setdefault(path, {})[factor] = tensor
    pairs = {}
    for path, factors in sorted(found.items()):
        if wrong := _factor_reason(path, factors):
            reasons.append(wrong)
        else:
            pairs[path] = Pair(a_RI=factors["A"], b_OR=factors["B"])
    return pairs, reasons


def _factor_reason(path: str, factors: Mapping[str, Tensor]) -> str | None:
    if len(factors) == 1:
        return f"{path} has only lora_{next(iter(factors))}"
    if odd := [tensor.dtype for tensor in factors.values() if tensor.dtype not in DTYPES]:
        return f"{path} must be one of {[str(d) for d in DTYPES]}, got {odd}"
    a, b = factors["A"].shape, factors["B"].shape
    if not (len(a) == len(b) == 2 and a[0] == b[1] and a[0] > 0):  # noqa: PLR2004  # matrices
        return f"{path} needs lora_A of rank x d_in and lora_B of d_out x rank, got {tuple(a)} and {tuple(b)}"
    return None


def _rank_reasons(pairs: Pairs, max_rank: int) -> list[str]:
    ranks = sorted({pair.rank for pair in pairs.values()})
    reasons = []
    if len(ranks) > 1:
        reasons.append(f"all sites must have one rank, got {ranks}")
    if ranks[-1] > max_rank:
        reasons.append(f"the rank must be at most {max_rank}, got {ranks[-1]}")
    return reasons


def _shape_reason(path: str, pair: Pair, linear: nn.Linear | None) -> str | None:
    if linear is None:
        return f"{path} is no linear of a decoder layer of this base"
    expected, found = (linear.out_features, linear.in_features), (pair.b_OR.shape[0], pair.a_RI.shape[1])
    if expected != found:
        return f"{path} takes a delta of {expected[0]} x {expected[1]}, got {found[0]} x {found[1]}"
    if not pair.a_RI.shape[0] == pair.b_OR.shape[1] > 0:
        return f"{path} needs factors of one rank above 0, got {pair.a_RI.shape[0]} and {pair.b_OR.shape[1]}"
    return None


def _value_reason(path: str, pair: Pair) -> str | None:
    factors = (pair.a_RI, pair.b_OR)
    if odd := [tensor.dtype for tensor in factors if tensor.dtype not in DTYPES]:
        return f"{path} must be one of {[str(d) for d in DTYPES]}, got {odd}"
    if not all(all_finite(tensor) for tensor in factors):
        return f"{path} must be finite, it holds NaN or infinite values"
    if (largest := max(float(tensor.detach().abs().max()) for tensor in factors)) > _FLOAT16_MAX:
        return f"{path} must stay finite in float16, it holds {largest:.4g}"
    return None
