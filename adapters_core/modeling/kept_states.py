"""The states of a session's chunks, kept in a file instead of in memory.

Exact erasure needs every chunk's own state, for as long as the session lives. They are seldom read and many: with the
shipped generator 3 MiB each, so a stream of 170 chunks would need as much memory as the base itself.

The file has no name: it is gone with the last session that refers to it, and with the process whatever happens. It lies
where temporary files do (``TMPDIR``).
"""

import os
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from adapters_core.errors import StorageError
from adapters_core.modeling.digests import tensor_buffer
from adapters_core.modeling.state import ChunkState


class _Spool:
    """A nameless file to which tensors are appended; sessions that come from each other share it."""

    def __init__(self) -> None:
        with _storage_errors(), tempfile.TemporaryFile() as file:
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._end = 0
        self._lock = threading.Lock()

    def append(self, tensor: Tensor) -> int:
        """Write a tensor; gives where it begins."""
        data = tensor_buffer(tensor)
        with self._lock:
            start, self._end = self._end, self._end + len(data)
        with _storage_errors():
            done = 0
            while done < len(data):
                done += os.pwrite(self._descriptor, data[done:], start + done)
        return start

    def read_into(self, tensor: Tensor, start: int) -> None:
        """Fill a tensor with the bytes from a place on."""
        data = tensor_buffer(tensor)
        with _storage_errors():
            done = 0
            while done < len(data):
                got = os.preadv(self._descriptor, [data[done:]], start + done)
                if not got:
                    raise StorageError("the temporary file of chunk states must be whole, it was cut short")
                done += got


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"chunk states are kept in a temporary file in {tempfile.gettempdir()}, which failed: "
            f"{error.strerror or error}; nothing was left behind (TMPDIR names another folder)"
        ) from error


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """Where a chunk's state lies."""

    start: int
    shape: torch.Size
    tokens: int


class KeptStates(MutableMapping[str, ChunkState]):
    """Chunk states by commitment, in the order they came. What is read is a copy of its own."""

    def __init__(self, spool: _Spool | None = None, kept: Mapping[str, _Kept] | None = None) -> None:
        """Nothing yet, or what lies in a file already (:meth:`copy`).

        Raises:
            StorageError: no temporary file could be made.
        """
        self._spool = spool or _Spool()
        self._kept = dict(kept or {})

    def copy(self) -> "KeptStates":
        """The same states in a mapping of its own: nothing is read or written, the file is shared."""
        return KeptStates(self._spool, self._kept)

    def __setitem__(self, commitment: str, chunk: ChunkState) -> None:
        """Keep a state.

        Raises:
            StorageError: the temporary file could not be written (the disk is full, say).
        """
        start = self._spool.append(chunk.state_NKV)
        self._kept[commitment] = _Kept(start=start, shape=chunk.state_NKV.shape, tokens=chunk.tokens)

    def __getitem__(self, commitment: str) -> ChunkState:
        """Read a state.

        Raises:
            KeyError: there is none of that chunk.
            StorageError: the temporary file could not be read.
        """
        kept = self._kept[commitment]
        state_NKV = torch.empty(kept.shape, dtype=torch.float32)
        self._spool.read_into(state_NKV, kept.start)
        return ChunkState(commitment=commitment, tokens=kept.tokens, state_NKV=state_NKV)

    def __delitem__(self, commitment: str) -> None:
        """Forget a state: its bytes go with the file.

        Raises:
            KeyError: there is none of that chunk.
        """
        del self._kept[commitment]

    def __iter__(self) -> Iterator[str]:
        """Commitments, in order."""
        return iter(self._kept)

    def __len__(self) -> int:
        """How many."""
        return len(self._kept)

    def __contains__(self, commitment: object) -> bool:
        """Whether a chunk's state is kept, without reading it."""
        return commitment in self._kept
