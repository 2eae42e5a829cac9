"""The states of a session's chunks, kept in files instead of in memory.

Exact erasure needs every chunk's own state, for as long as the session lives. They are seldom read and many: with the
shipped generator 3 MiB each, so a stream of 170 chunks would need as much memory as the base itself.

States of a session that was read stay in the file they came from, each bound by its digest. New ones go to a temporary
file without a name (where ``TMPDIR`` says): it is gone with the last session that refers to it, and with the process
whatever happens. The room of a state that no session refers to any more is used again.
"""

import os
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from adapters_core.canonical import sha256_hex
from adapters_core.errors import IntegrityError, StorageError
from adapters_core.modeling.digests import tensor_buffer
from adapters_core.modeling.state import ChunkState


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A chunk's state that lies in a file already: float32, row by row."""

    commitment: str
    tokens: int
    start: int
    """Its first byte in the file."""
    sha256: str
    """Of its bytes."""


class _File:
    """An open file that states are read from, whatever becomes of its name."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def read_into(self, tensor: Tensor, start: int) -> None:
        """Fill a tensor with the bytes from a place on."""
        data = tensor_buffer(tensor)
        done = 0
        while done < len(data):
            try:
                got = os.preadv(self._descriptor, [data[done:]], start + done)
            except OSError as error:
                raise StorageError(f"a chunk's state could not be read back: {error.strerror}") from error
            if not got:
                raise IntegrityError("a chunk's state must be whole, its file was cut short")
            done += got


class _Spool(_File):
    """A nameless file that states are written to; sessions that come from each other share it."""

    def __init__(self) -> None:
        try:
            with tempfile.TemporaryFile() as file:
                super().__init__(os.dup(file.fileno()))
        except OSError as error:
            raise _not_kept(error) from error
        self._end = 0
        self._lock = threading.Lock()
        self._free: dict[int, deque[int]] = {}
        """Bytes -> where so many are free. Changed in single steps: what releases may run at any moment."""

    def append(self, tensor: Tensor) -> int:
        """Write a tensor; gives where it begins."""
        data = tensor_buffer(tensor)
        start = self._room(len(data))
        try:
            done = 0
            while done < len(data):
                done += os.pwrite(self._descriptor, data[done:], start + done)
        except OSError as error:
            self.release(start, len(data))
            raise _not_kept(error) from error
        return start

    def release(self, start: int, size: int) -> None:
        """The bytes from a place on may be written over."""
        self._free.setdefault(size, deque()).append(start)

    def _room(self, size: int) -> int:
        try:
            return self._free[size].pop()
        except (KeyError, IndexError):
            with self._lock:
                start, self._end = self._end, self._end + size
            return start


def _not_kept(error: OSError) -> StorageError:
    return StorageError(
        f"a chunk's state could not be kept in a temporary file: {error.strerror or error} (TMPDIR names their folder)"
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kept:
    """Where a chunk's state lies."""

    file: _File
    start: int
    shape: tuple[int, ...]
    tokens: int
    sha256: str | None = None
    """None: in a file that nobody else can write."""


class KeptStates(MutableMapping[str, ChunkState]):
    """Chunk states by commitment, in the order they came. What is read is a copy of its own."""

    def __init__(self, kept: Mapping[str, _Kept] | None = None, spool: _Spool | None = None) -> None:
        """Nothing yet, or what lies in files already (:meth:`copy`)."""
        self._kept = dict(kept or {})
        self._spool = spool

    @classmethod
    def in_file(cls, path: Path, shape: tuple[int, ...], stored: Iterable[Stored]) -> "KeptStates":
        """States that lie in a file: it is opened and nothing is copied.

        Args:
            path: of the file. It may be renamed or removed meanwhile; what is read is checked against its digest.
            shape: of every state, N x K x V.
            stored: what lies where.

        Raises:
            StorageError: the file cannot be opened.
        """
        try:
            file = _File(os.open(path, os.O_RDONLY))
        except OSError as error:
            raise StorageError(f"{path} must be readable: {error.strerror}") from error
        return cls(
            {
                one.commitment: _Kept(file=file, start=one.start, shape=shape, tokens=one.tokens, sha256=one.sha256)
                for one in stored
            }
        )

    def copy(self) -> "KeptStates":
        """The same states in a mapping of its own: nothing is read or written, files are shared."""
        return KeptStates(self._kept, self._spool)

    def __setitem__(self, commitment: str, chunk: ChunkState) -> None:
        """Keep a state.

        Raises:
            StorageError: the temporary file could not be written (the disk is full, say).
        """
        spool = self._spool = self._spool or _Spool()
        start = spool.append(chunk.state_NKV)
        kept = _Kept(file=spool, start=start, shape=tuple(chunk.state_NKV.shape), tokens=chunk.tokens)
        finalizer = weakref.finalize(kept, spool.release, start, chunk.state_NKV.nbytes)
        finalizer.atexit = False  # the file goes with the process
        self._kept[commitment] = kept

    def __getitem__(self, commitment: str) -> ChunkState:
        """Read a state.

        Raises:
            KeyError: there is none of that chunk.
            IntegrityError: its file was changed since it was read first.
            StorageError: its file could not be read.
        """
        kept = self._kept[commitment]
        state_NKV = torch.empty(kept.shape, dtype=torch.float32)
        kept.file.read_into(state_NKV, kept.start)
        if kept.sha256 is not None and (found := sha256_hex(tensor_buffer(state_NKV))) != kept.sha256:
            raise IntegrityError(f"the state of chunk {commitment[:12]} must have sha256 {kept.sha256}, got {found}")
        return ChunkState(commitment=commitment, tokens=kept.tokens, state_NKV=state_NKV)

    def __delitem__(self, commitment: str) -> None:
        """Forget a state.

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
