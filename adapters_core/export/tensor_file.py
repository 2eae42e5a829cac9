"""Tensors in the safetensors format, piece by piece.

The bytes are those that the safetensors library writes. Its writer needs the whole file in memory twice; the digest of
an adapter's weights needs none of it at once, and must not change with a library's version.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping

from torch import Tensor

from adapters_core.modeling.digests import tensor_buffer

_DTYPES = {"torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16"}
_METADATA = {"format": "pt"}
_ALIGNMENT = 8


def pieces(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """The file's bytes in order: length of the header (little endian, 8 bytes), header, then each tensor.

    Args:
        tensors: by name, of one floating point dtype.
    """
    names = sorted(tensors)
    header: dict[str, object] = {"__metadata__": _METADATA}
    start = 0
    for name in names:
        tensor = tensors[name]
        end = start + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _DTYPES[str(tensor.dtype)], "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little")
    yield text
    for name in names:
        yield tensor_buffer(tensors[name])


def file_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """The whole file."""
    return b"".join(pieces(tensors))


def file_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the file, which is never held as a whole."""
    digest = hashlib.sha256()
    for piece in pieces(tensors):
        digest.update(piece)
    return digest.hexdigest()
