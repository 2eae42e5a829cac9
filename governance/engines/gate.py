"""The gate before any engine sees an adapter: its bytes are those of the ledger, and they can do no harm.

Engines do not check: vLLM answers 200 for keys that it does not know and applies nothing, and one adapter with a NaN
poisons the whole server. The shapes against the base were checked when the core wrote the file; here the file is that
file, which its digest shows.
"""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters_core.errors import UnsafeAdapterError
from adapters_core.ledger.records import Entry

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
NORM_TOLERANCE = 1e-2
"""Relative: the recorded norm was computed from the same pairs in another precision."""
LARGEST_RANK = 256
_PREFIX = "base_model.model."
_HEADER_LIMIT = 32 * 2**20
_FLOATS: Mapping[str, str] = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}

Floats = npt.NDArray[np.float32]


def check_adapter(folder: Path, generated: Entry, base: str) -> dict[str, Any]:
    """Check an adapter's folder against its entry; answers what was checked.

    Args:
        folder: whose files have the digests that the ledger names.
        generated: its ``adapter:generated`` entry.
        base: the digest of the base that the slot serves.

    Raises:
        UnsafeAdapterError: it does not pass, with every reason found.
    """
    data = generated.data
    reasons = [] if data["base"] == base else [f"it is for the base {data['base'][:16]}, the slot serves {base[:16]}"]
    try:
        tensors = read_tensors(folder / WEIGHTS)
        config = json.loads((folder / CONFIG).read_bytes())
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise UnsafeAdapterError(f"the adapter's files cannot be read: {error}") from error
    if not 0 < rank <= LARGEST_RANK or rank != alpha:
        reasons.append(f"rank and alpha must be equal and at most {LARGEST_RANK}, they are {rank} and {alpha}")
    reasons += _pair_reasons(tensors, data["norms"], rank)
    if reasons:
        raise UnsafeAdapterError("the gate refuses the adapter: " + "; ".join(reasons[:10]))
    return {"tensors": len(tensors), "sites": len(data["norms"]), "rank": rank, "base": base}


def read_tensors(path: Path) -> dict[str, Floats]:
    """The tensors of a safetensors file as float32.

    Raises:
        ValueError: it is none, or holds other types than floats.
        OSError: it cannot be read.
    """
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    if not 0 < length <= min(_HEADER_LIMIT, len(raw) - 8):
        raise ValueError("its header is not that of a safetensors file")
    header, body = json.loads(raw[8 : 8 + length]), memoryview(raw)[8 + length :]
    return {name: _tensor(entry, body) for name, entry in header.items() if name != "__metadata__"}


def _tensor(entry: Mapping[str, Any], body: memoryview) -> Floats:
    start, end = entry["data_offsets"]
    part = body[start:end]
    if entry["dtype"] == "BF16":
        wide = np.frombuffer(part, dtype="<u2").astype(np.uint32) << 16
        return wide.view(np.float32).reshape(entry["shape"])
    if entry["dtype"] not in _FLOATS:
        raise ValueError(f"a tensor of type {entry['dtype']}")
    return np.frombuffer(part, dtype=_FLOATS[entry["dtype"]]).astype(np.float32).reshape(entry["shape"])


def _pair_reasons(tensors: Mapping[str, Floats], norms: Mapping[str, Any], rank: int) -> list[str]:
    reasons = [f"{name} holds NaN or infinity" for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
    wanted = {f"{_PREFIX}{site}.lora_{side}.weight" for site in norms for side in "AB"}
    reasons += [f"{name} is missing" for name in sorted(wanted - set(tensors))]
    reasons += [f"{name} belongs to no site that was recorded" for name in sorted(set(tensors) - wanted)]
    if reasons:
        return reasons
    for site, recorded in norms.items():
        a, b = (tensors[f"{_PREFIX}{site}.lora_{side}.weight"] for side in "AB")
        if a.ndim != 2 or b.ndim != 2 or a.shape[0] != rank or b.shape[1] != rank:  # noqa: PLR2004  matrices
            reasons.append(f"{site} must have the rank {rank}, its shapes are {a.shape} and {b.shape}")
        elif not math.isclose(_norm(a, b), recorded["frobenius"], rel_tol=NORM_TOLERANCE, abs_tol=1e-6):
            reasons.append(f"{site} has the norm {_norm(a, b):.4g}, the ledger says {recorded['frobenius']:.4g}")
    return reasons


def _norm(a: Floats, b: Floats) -> float:
    """Frobenius norm of B A, without the product: trace((B^T B)(A A^T))."""
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    return math.sqrt(max(0.0, float(np.einsum("ij,ij->", wide_b.T @ wide_b, wide_a @ wide_a.T))))
