"""An adapter merged into the weights: a whole base folder with W + B A, for engines that take no adapters.

A merged model cannot be rolled back by unloading anything, and every slot needs all the weights again: export this way
only where an engine leaves no choice.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapters_core.errors import InputError, MismatchError, NumericalError
from adapters_core.export.decoder import decoder_linears
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.finite import all_finite
from adapters_core.modeling.lora import Pair, Pairs
from adapters_core.storage import atomic_folder


def write_merged(
    folder: Path, pairs: Pairs, base: BaseModel, *, dtype: torch.dtype | None = None, replace: bool = False
) -> None:
    """Write a Hugging Face folder whose weights hold the adapter; it appears whole or not at all.

    W + B A is accumulated in float32 and rounded once. The base in memory is not touched.

    Args:
        folder: where.
        pairs: the adapter, the scale baked into B.
        base: the base it belongs to.
        dtype: of the written weights; None: that of the base in memory.
        replace: whether an existing folder is replaced.

    Raises:
        InputError: a module shares its weight with another one, which the adapter does not change.
        MismatchError: a path is no decoder linear of this base, or a shape does not fit.
        NumericalError: a merged weight is not finite in that dtype.
        StorageError: the folder exists, or could not be written.
        BusyError: another process is writing it.
    """
    stored = dtype or base.dtype
    weights = merged_weights(pairs, base, dtype=stored)
    tensors = _all_tensors(base.model.state_dict(), weights, stored)
    model = copy.copy(base.model)  # saving writes into the configuration: a copy of that is all it gets to change
    model.config = copy.deepcopy(base.model.config)
    with atomic_folder(folder, replace=replace) as staging:
        model.save_pretrained(staging, state_dict=tensors)
        _set_dtype(staging / "config.json", stored)
        if base.tokenizer is not None:
            base.tokenizer.save_pretrained(staging)
        for path in staging.iterdir():
            path.chmod(0o644)  # safetensors writes for the owner alone


@torch.no_grad()
def merged_weights(pairs: Pairs, base: BaseModel, *, dtype: torch.dtype) -> dict[str, Tensor]:
    """W + B A of every pair, by the weight's name.

    Raises:
        InputError, MismatchError, NumericalError: as :func:`write_merged`.
    """
    linears = decoder_linears(base)
    if unknown := sorted(set(pairs) - set(linears)):
        raise MismatchError(f"every path must be a linear of a decoder layer of this base, got {unknown[:3]}")
    weights = {f"{path}.weight": linears[path].weight for path in pairs}
    if shared := _shared(weights, base.model.state_dict()):
        raise InputError(f"a weight that other modules use too cannot be merged into: {shared}")
    return {f"{path}.weight": _merged(path, pair, linears[path].weight, dtype) for path, pair in pairs.items()}


def _merged(path: str, pair: Pair, weight_OI: Tensor, dtype: torch.dtype) -> Tensor:
    fitted = pair.to(dtype=torch.float32, device=weight_OI.device)
    shape = (fitted.b_OR.shape[0], fitted.a_RI.shape[1])
    if shape != tuple(weight_OI.shape):
        raise MismatchError(f"{path} takes a delta of {tuple(weight_OI.shape)}, got {shape}")
    merged_OI = torch.addmm(weight_OI.float(), fitted.b_OR, fitted.a_RI).to(dtype)
    if not all_finite(merged_OI):
        raise NumericalError(f"the merged weight of {path} must be finite in {dtype}")
    return merged_OI


def _shared(weights: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    places = {tensor.data_ptr() for tensor in weights.values()}
    return sorted(name for name, t in state.items() if t.data_ptr() in places and name not in weights)


def _all_tensors(state: Mapping[str, Tensor], merged: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The model's tensors with the merged ones in their place; tied tensors stay one tensor."""
    cast: dict[int, Tensor] = {}
    tensors = {}
    for name, tensor in state.items():
        if name in merged:
            tensors[name] = merged[name]
        elif tensor.is_floating_point():
            tensors[name] = cast.setdefault(tensor.data_ptr(), tensor.to(dtype))
        else:
            tensors[name] = tensor
    return tensors


def _set_dtype(path: Path, dtype: torch.dtype) -> None:
    """Name the dtype that was written (transformers names that of the model in memory)."""
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = str(dtype).removeprefix("torch.")
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
