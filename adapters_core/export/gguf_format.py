"""GGUF LoRA, the adapter file of llama.cpp: two pure functions between pairs and named arrays, and the file.

general.type = adapter, adapter.type = lora, general.architecture = that of the base
adapter.lora.alpha = r            llama.cpp multiplies by alpha / r; the scale lies in B
<name>.weight.lora_a  r x d_in    <name>.weight.lora_b  d_out x r, rows in llama.cpp's order
"""

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray

from adapters_core.errors import InputError, IntegrityError, MismatchError, NumericalError
from adapters_core.export.gguf_layout import GgufLayout, gguf_layout, gguf_name
from adapters_core.export.peft_format import uniform_rank
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.finite import all_finite
from adapters_core.modeling.lora import Pair, Pairs
from adapters_core.storage import atomic_file

BASE_DIGEST = "ringi.base_digest"
_SUFFIXES = {"A": ".weight.lora_a", "B": ".weight.lora_b"}
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_MATRIX = 2

Arrays = dict[str, NDArray[Any]]
"""float32, float16, or the bits of bfloat16 (which numpy has no type for) as uint16."""


class _Written(np.ndarray[Any, Any]):
    """An array that is written through Python's file, which tells when the disk is full.

    numpy's own ``tofile`` goes through a buffer of the C library whose last flush fails in silence: a file cut short.
    """

    def tofile(self, fid: Any, sep: str = "", format: str = "%s") -> None:  # noqa: A002, ANN401, ARG002  # numpy's names
        fid.write(self.tobytes())


def to_gguf_arrays(pairs: Pairs, layout: GgufLayout, *, dtype: torch.dtype = torch.float32) -> Arrays:
    """The pairs as llama.cpp names and orders them, widened with zeros to one uniform rank.

    Raises:
        UnknownSiteError: GGUF has no name for a module.
        InputError: another dtype than float32, bfloat16 and float16.
        NumericalError: a factor holds NaN or infinite values, or does in that dtype.
    """
    if dtype not in _DTYPES:
        raise InputError(f"GGUF adapters are written as one of {[str(d) for d in _DTYPES]}, got {dtype}")
    rank = uniform_rank(pairs)
    arrays = {}
    for path, pair in sorted(pairs.items()):
        name, wide = gguf_name(layout, path), pair.padded(rank).to(dtype=dtype, device=torch.device("cpu"))
        if not (all_finite(wide.a_RI) and all_finite(wide.b_OR)):
            raise NumericalError(f"the factors of {path} must be finite in {dtype}")
        b_OR = wide.b_OR[layout.rows[path]] if path in layout.rows else wide.b_OR
        arrays[name + _SUFFIXES["A"]] = _to_array(wide.a_RI)
        arrays[name + _SUFFIXES["B"]] = _to_array(b_OR)
    return arrays


def from_gguf_arrays(arrays: Mapping[str, NDArray[Any]], layout: GgufLayout, *, alpha: float) -> dict[str, Pair]:
    """Inverse of :func:`to_gguf_arrays` (padding stays), the scale alpha / r taken into B.

    Raises:
        IntegrityError: a name is no linear of this layout, or a site has only one of its factors.
    """
    paths = {name: path for path, name in layout.names.items()}
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, array in arrays.items():
        factor = next((f for f, suffix in _SUFFIXES.items() if key.endswith(suffix)), None)
        path = paths.get(key.removesuffix(_SUFFIXES[factor])) if factor else None
        if factor is None or path is None:
            raise IntegrityError(
                f"tensors must be '<name>.weight.lora_a' or '_b' of {layout.architecture}, got {key!r}"
            )
        found.setdefault(path, {})[factor] = _to_tensor(array)
    if halves := sorted(path for path, factors in found.items() if len(factors) != len(_SUFFIXES)):
        raise IntegrityError(f"every site needs lora_a and lora_b, only one of them is there for {halves[:3]}")
    return {path: _pair(path, factors, layout, alpha) for path, factors in sorted(found.items())}


def write_gguf_lora(path: Path, pairs: Pairs, base: BaseModel, *, dtype: torch.dtype = torch.float32) -> None:
    """Write an adapter for llama.cpp; the file appears whole or not at all.

    Args:
        path: where, ending in ``.gguf``.
        pairs: what to write, the scale baked into B.
        base: the base they belong to.
        dtype: float32, bfloat16 or float16.

    Raises:
        UnsupportedModelError: the layout of the base's architecture is not known.
        IntegrityError, UnknownSiteError, InputError, NumericalError: as :func:`to_gguf_arrays`.
        StorageError: the file could not be written.
    """
    layout = gguf_layout(base)
    arrays = to_gguf_arrays(pairs, layout, dtype=dtype)
    with atomic_file(path) as staging:
        writer = gguf.GGUFWriter(staging, layout.architecture)
        try:
            writer.add_type(gguf.GGUFType.ADAPTER)
            writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
            writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(uniform_rank(pairs)))
            writer.add_string(BASE_DIGEST, base.digest)
            for name, array in arrays.items():
                _add(writer, name, array)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()


def read_gguf_lora(path: Path, base: BaseModel) -> dict[str, Pair]:
    """Read an adapter that was written for llama.cpp, ours or another's.

    For files at hand, not for uploads: gguf's reader believes the counts in a header, so a forged one can keep it busy.

    Raises:
        InputError: no such file.
        UnsupportedModelError: the layout of the base's architecture is not known.
        MismatchError: it was made for another base.
        IntegrityError: it is cut short, no GGUF LoRA, or a tensor is no half of a pair of this base.
    """
    if not path.is_file():
        raise InputError(f"no GGUF adapter at {path}")
    layout = gguf_layout(base)
    try:
        reader = gguf.GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        arrays = {tensor.name: _stored_array(tensor) for tensor in reader.tensors}
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, OSError, struct.error) as error:
        raise IntegrityError(f"{path} is not a whole GGUF file: {error}") from error
    kind = (fields.get(gguf.Keys.General.TYPE), fields.get(gguf.Keys.Adapter.TYPE))
    if kind != (gguf.GGUFType.ADAPTER, "lora"):
        raise IntegrityError(f"{path} must be an adapter of type lora, got {kind}")
    if (found := fields.get(gguf.Keys.General.ARCHITECTURE)) != layout.architecture:
        raise MismatchError(f"{path} is for architecture {found!r}, this base is {layout.architecture!r}")
    if (found := fields.get(BASE_DIGEST, base.digest)) != base.digest:
        raise MismatchError(f"{path} was made for the base {str(found)[:16]}, this one is {base.digest[:16]}")
    alpha = fields.get(gguf.Keys.Adapter.LORA_ALPHA, 0.0)
    if not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise IntegrityError(f"{path} must have a finite {gguf.Keys.Adapter.LORA_ALPHA}, got {alpha!r}")
    return from_gguf_arrays(arrays, layout, alpha=float(alpha))


def _to_array(factor: torch.Tensor) -> NDArray[Any]:
    plain = factor.detach().contiguous()
    return (plain.view(torch.uint16) if plain.dtype == torch.bfloat16 else plain).numpy()


def _to_tensor(array: NDArray[Any]) -> torch.Tensor:
    tensor = torch.from_numpy(np.array(array))
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor


def _add(writer: gguf.GGUFWriter, name: str, array: NDArray[Any]) -> None:
    if array.dtype == np.uint16:  # gguf takes what numpy has no type for as bytes
        writer.add_tensor(name, array.view(np.uint8).view(_Written), raw_dtype=gguf.GGMLQuantizationType.BF16)
    else:
        writer.add_tensor(name, array.view(_Written))


def _stored_array(tensor: gguf.ReaderTensor) -> NDArray[Any]:
    array = np.array(tensor.data)
    return array.view(np.uint16) if tensor.tensor_type == gguf.GGMLQuantizationType.BF16 else array


def _pair(path: str, factors: Mapping[str, torch.Tensor], layout: GgufLayout, alpha: float) -> Pair:
    a_RI, b_OR = factors["A"], factors["B"]
    if not (a_RI.ndim == b_OR.ndim == _MATRIX and a_RI.shape[0] == b_OR.shape[1] and a_RI.dtype in _DTYPES):
        raise IntegrityError(
            f"{path} needs float lora_a of rank x d_in and lora_b of d_out x rank, "
            f"got {a_RI.dtype} {tuple(a_RI.shape)} and {tuple(b_OR.shape)}"
        )
    if path in layout.rows:
        if b_OR.shape[0] != len(layout.rows[path]):
            raise IntegrityError(f"{path} has {len(layout.rows[path])} rows in this base, got {b_OR.shape[0]}")
        b_OR = b_OR[layout.rows[path].argsort()]
    scale = alpha / a_RI.shape[0] if alpha else 1.0  # llama.cpp's rule: no alpha, no scale
    return Pair(a_RI=a_RI, b_OR=b_OR if scale == 1.0 else b_OR * scale)
