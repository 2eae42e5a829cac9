"""Tensors in the safetensors format, piece by piece.

The bytes are those that the safetensors library writes, but for the order of several metadata, which is another one in
each of its runs. Its writer needs the whole file in memory twice; the digest of an adapter's weights needs none of it
at once, and must not change with a library's version.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from adapters_core.modeling.digests import tensor_buffer

_DTYPES = {torch.int64: "I64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
"""Their names in the header, in the order in which the library puts them."""
_METADATA: Mapping[str, str] = MappingProxyType({"format": "pt"})
_ALIGNMENT = 8
_LENGTH_BYTES = 8


class Layout(NamedTuple):
    """What a tensor will be, before it is there."""

    dtype: torch.dtype
    shape: tuple[int, ...]


def pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] = _METADATA) -> Iterator[bytes | memoryview]:
    """The file's bytes in order: length of the header (little endian, 8 bytes), header, then each tensor.

    Args:
        tensors: by name; int64, float32, float16 or bfloat16.
        metadata: texts by name; written in the order of the names.
    """
    layouts = {name: Layout(tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    return streamed(layouts, tensors.__getitem__, metadata)


def streamed(
    layouts: Mapping[str, Layout], tensor_of: Callable[[str], Tensor], metadata: Mapping[str, str] = _METADATA
) -> Iterator[bytes | memoryview]:
    """As :func:`pieces`, for tensors that are read one by one as their turn comes.

    Args:
        layouts: what each tensor is, by name.
        tensor_of: reads one of them.
        metadata: as in :func:`pieces`.
    """
    order = list(_DTYPES)
    names = sorted(layouts, key=lambda name: (order.index(layouts[name].dtype), name))
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    start = 0
    for name in names:
        dtype, shape = layouts[name]
        end = start + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": _DTYPES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(_LENGTH_BYTES, "little")
    yield text
    for name in names:
        yield tensor_buffer(tensor_of(name))


def starts(path: Path) -> dict[str, int]:
    """Where each tensor of a whole safetensors file begins, in bytes.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {name: _LENGTH_BYTES + length + tensor["data_offsets"][0] for name, tensor in header.items()}


def file_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """The whole file."""
    return b"".join(pieces(tensors))


def file_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the file, which is never held as a whole."""
    digest = hashlib.sha256()
    for piece in pieces(tensors):
        digest.update(piece)
    return digest.hexdigest()
