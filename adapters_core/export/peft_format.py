"""PEFT's on-disk format: two pure functions between pairs and named tensors, and its configuration.

The export rule that every engine reads alike: the scale is baked into B, ``r == lora_alpha``, one uniform rank,
no rank or alpha patterns, no bias, full keys ``base_model.model.<module path>.lora_{A,B}.weight``.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from adapters_core.errors import IntegrityError
from adapters_core.modeling.lora import Pair, Pairs, export_rank

PREFIX = "base_model.model."
_SUFFIXES = {"A": ".lora_A.weight", "B": ".lora_B.weight"}


def to_peft_tensors(pairs: Pairs, *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The pairs as PEFT names them, widened with zeros to one uniform rank."""
    rank = uniform_rank(pairs)
    tensors = {}
    for path, pair in sorted(pairs.items()):
        wide = pair.padded(rank)
        tensors[f"{PREFIX}{path}{_SUFFIXES['A']}"] = wide.a_RI.detach().to("cpu", dtype).contiguous()
        tensors[f"{PREFIX}{path}{_SUFFIXES['B']}"] = wide.b_OR.detach().to("cpu", dtype).contiguous()
    return tensors


def from_peft_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Pair]:
    """Inverse of :func:`to_peft_tensors` (padding stays).

    Raises:
        IntegrityError: a key is not of this format, or a site has only one of its two factors.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        factor = next((f for f, suffix in _SUFFIXES.items() if key.endswith(suffix)), None)
        if factor is None or not key.startswith(PREFIX):
            raise IntegrityError(f"keys must be '{PREFIX}<module>.lora_A.weight' or '...lora_B.weight', got {key!r}")
        found.setdefault(key[len(PREFIX) : -len(_SUFFIXES[factor])], {})[factor] = tensor
    if halves := sorted(path for path, factors in found.items() if len(factors) != len(_SUFFIXES)):
        raise IntegrityError(f"every site needs lora_A and lora_B, only one of them is there for {halves[:3]}")
    return {path: Pair(a_RI=factors["A"], b_OR=factors["B"]) for path, factors in found.items()}


def peft_config(paths: Iterable[str], *, rank: int, base_name: str) -> dict[str, object]:
    """The content of ``adapter_config.json``."""
    paths = sorted(paths)
    layers = sorted({int(part) for path in paths for part in path.split(".") if part.isdigit()})
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
        "target_modules": sorted({path.rsplit(".", 1)[-1] for path in paths}),
        "task_type": "CAUSAL_LM",
        "use_rslora": False,
    }
    if layers and layers != list(range(layers[-1] + 1)):
        config |= {"layers_to_transform": layers, "layers_pattern": "layers"}
    return config


def uniform_rank(pairs: Pairs) -> int:
    """The export rank that holds every pair.

    Raises:
        IntegrityError: there are no pairs.
    """
    if not pairs:
        raise IntegrityError("an adapter needs at least one pair, got none")
    return export_rank(max(pair.rank for pair in pairs.values()))
