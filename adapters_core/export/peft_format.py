"""PEFT's on-disk format: two pure functions between pairs and named tensors, and its configuration.

The export rule that every engine reads alike: the scale is baked into B, ``r == lora_alpha``, one uniform rank,
no rank or alpha patterns, no bias, full keys ``base_model.model.<module path>.lora_{A,B}.weight``.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise

import torch
from torch import Tensor

from adapters_core.errors import InputError, IntegrityError, NumericalError
from adapters_core.modeling.finite import all_finite
from adapters_core.modeling.lora import Pair, Pairs, export_rank

PREFIX = "base_model.model."
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""Data types that engines take."""
_SUFFIXES = {"A": ".lora_A.weight", "B": ".lora_B.weight"}
_MATRIX = 2


def to_peft_tensors(pairs: Pairs, *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The pairs as PEFT names them, widened with zeros to one uniform rank.

    Raises:
        IntegrityError: there are no pairs.
        InputError: a rank above the largest of the export rule, or another dtype than :data:`DTYPES`.
        NumericalError: a factor holds NaN or infinite values, or does in that dtype.
    """
    if dtype not in DTYPES:
        raise InputError(f"adapters are written as one of {[str(d) for d in DTYPES]}, got {dtype}")
    rank = uniform_rank(pairs)
    tensors = {}
    for path, pair in sorted(pairs.items()):
        wide = pair.padded(rank)
        tensors[f"{PREFIX}{path}{_SUFFIXES['A']}"] = _stored(wide.a_RI, dtype, path)
        tensors[f"{PREFIX}{path}{_SUFFIXES['B']}"] = _stored(wide.b_OR, dtype, path)
    return tensors


def from_peft_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Pair]:
    """Inverse of :func:`to_peft_tensors` (padding stays).

    Raises:
        IntegrityError: a key is not of this format, a site has only one of its two factors, or they do not fit.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        path, factor = split_key(key)
        found.setdefault(path, {})[factor] = tensor
    if halves := sorted(path for path, factors in found.items() if len(factors) != len(_SUFFIXES)):
        raise IntegrityError(f"every site needs lora_A and lora_B, only one of them is there for {halves[:3]}")
    return {path: _pair(path, factors["A"], factors["B"]) for path, factors in sorted(found.items())}


def split_key(key: str) -> tuple[str, str]:
    """Module path and factor (``A`` or ``B``) of a tensor's name.

    Raises:
        IntegrityError: it is not of this format.
    """
    factor = next((f for f, suffix in _SUFFIXES.items() if key.endswith(suffix)), None)
    if factor is None or not key.startswith(PREFIX):
        raise IntegrityError(f"keys must be '{PREFIX}<module>.lora_A.weight' or '...lora_B.weight', got {key!r}")
    return key[len(PREFIX) : -len(_SUFFIXES[factor])], factor


def peft_config(paths: Iterable[str], *, rank: int, base_name: str) -> dict[str, object]:
    """The content of ``adapter_config.json``.

    Modules are named by their last part and the layers are listed, unless that would name a module without a pair:
    then every path is written out.
    """
    paths = sorted(paths)
    leaves = sorted({path.rsplit(".", 1)[-1] for path in paths})
    places = {(_layer(path), path.rsplit(".", 1)[-1]) for path in paths}
    layers = sorted({layer for layer, _ in places if layer is not None})
    config: dict[str, object] = {
        "base_model_name_or_path": base_name,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": paths,
        "task_type": "CAUSAL_LM",
        "use_rslora": False,
    }
    one_list = len({name for name, _ in layers}) == 1
    if one_list and len(paths) == len(places) == len(layers) * len(leaves):
        indices = [index for _, index in layers]
        config |= {"target_modules": leaves, "layers_to_transform": indices, "layers_pattern": layers[0][0]}
    return config


def uniform_rank(pairs: Pairs) -> int:
    """The export rank that holds every pair.

    Raises:
        IntegrityError: there are no pairs.
    """
    if not pairs:
        raise IntegrityError("an adapter needs at least one pair, got none")
    return export_rank(max(pair.rank for pair in pairs.values()))


def _stored(tensor: Tensor, dtype: torch.dtype, path: str) -> Tensor:
    stored = tensor.detach().to("cpu", dtype).contiguous()
    if not all_finite(stored):
        raise NumericalError(f"the factors of {path} must be finite in {dtype}")
    return stored


def _pair(path: str, a_RI: Tensor, b_OR: Tensor) -> Pair:
    if not (a_RI.ndim == b_OR.ndim == _MATRIX and a_RI.shape[0] == b_OR.shape[1] and a_RI.shape[0] > 0):
        raise IntegrityError(
            f"{path} needs lora_A of rank x d_in and lora_B of d_out x rank, "
            f"got {tuple(a_RI.shape)} and {tuple(b_OR.shape)}"
        )
    if not (a_RI.is_floating_point() and b_OR.is_floating_point()):
        raise IntegrityError(f"{path} needs factors of real numbers, got {a_RI.dtype} and {b_OR.dtype}")
    return Pair(a_RI=a_RI, b_OR=b_OR)


def _layer(path: str) -> tuple[str, int] | None:
    """Name of the list of layers, and index in it."""
    parts = path.split(".")
    return next(((before, int(part)) for before, part in pairwise(parts) if part.isdecimal()), None)
