"""The state: the sum of key-value outer products of all chunks seen, as an exact commutative group.

Each chunk's float32 state is rounded once to a fixed grid (2^-32, finer than float32 resolves above 2^-8) and summed
in 64-bit integers. Integer addition is associative and commutative and subtraction undoes it, so merging does not
depend on order and **erasing a chunk gives, bit for bit, the state that never saw it** (law 2), at a cost that does
not grow with the stream.

With ``decay < 1`` every new chunk first multiplies the total by ``decay``. That is not a group, so erasing replays the
chunks that remain; the result is again bit-identical to never having seen the chunk.

Shape letters: N sites, K = R1, V = R2.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from adapters_core.canonical import sha256_hex
from adapters_core.errors import InputError, MismatchError, NumericalError, UnknownChunkError
from adapters_core.modeling.digests import tensor_buffer

GRID_BITS = 32
_GRID = 2.0**GRID_BITS
CHUNK_LIMIT = 2.0**20
"""Largest magnitude of an entry of one chunk's state."""
TOTAL_LIMIT = 2.0**30
"""Largest magnitude of an entry of a total."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChunkState:
    """What one chunk adds to the state."""

    commitment: str
    """Keyed commitment of the chunk's text: its name inside a state."""
    tokens: int
    """Tokens it was encoded from."""
    state_NKV: Float[Tensor, "n k v"]
    """Its sum of key-value outer products, float32, on the grid."""

    def __post_init__(self) -> None:
        """Check the range, wherever the state came from.

        Raises:
            NumericalError: it holds NaN, infinite or very large values.
        """
        largest = _largest(self.state_NKV)
        if not largest < CHUNK_LIMIT:
            raise NumericalError(f"a chunk's state must be finite and below {CHUNK_LIMIT:.0f}, got {largest}")

    @classmethod
    def of(cls, state_NKV: Float[Tensor, "n k v"], *, commitment: str, tokens: int) -> "ChunkState":
        """Round a raw state to the grid.

        Raises:
            NumericalError: it holds NaN, infinite or very large values.
        """
        grid_NKV = torch.empty_like(state_NKV, dtype=torch.float32, device="cpu")
        for grid_KV, state_KV in zip(grid_NKV, state_NKV.detach(), strict=True):
            grid_KV.copy_(_on_grid(state_KV).div_(_GRID))
        return cls(commitment=commitment, tokens=tokens, state_NKV=grid_NKV)


@dataclass(frozen=True, kw_only=True)
class ChunkEntry:
    """A chunk that is part of a state."""

    commitment: str
    tokens: int


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """The exact sum of chunk states. Immutable: every operation returns a new one."""

    total_NKV: Int[Tensor, "n k v"]
    """Fixed-point total in units of 2^-32, int64."""
    entries: tuple[ChunkEntry, ...] = ()
    """The chunks in it, oldest first."""
    decay: float = 1.0
    """Factor on what was there before, at each new chunk; 1: a plain sum."""

    @classmethod
    def zero(cls, sites: int, key_size: int, value_size: int, *, decay: float = 1.0) -> "State":
        """The state that has seen nothing (the neutral element).

        Raises:
            InputError: decay outside (0, 1].
        """
        if not 0 < decay <= 1:
            raise InputError(f"decay must lie in (0, 1], got {decay}")
        return cls(total_NKV=torch.zeros(sites, key_size, value_size, dtype=torch.int64), decay=decay)

    @property
    def tokens(self) -> int:
        """Tokens seen."""
        return sum(entry.tokens for entry in self.entries)

    def value(self) -> Float[Tensor, "n k v"]:
        """The state as float64 numbers."""
        return self.total_NKV.double().div_(_GRID)

    def sha256(self) -> str:
        """Digest of the total's bytes: equal states, equal digests, whatever the order their chunks came in."""
        return sha256_hex(tensor_buffer(self.total_NKV))

    def add(self, chunk: ChunkState) -> "State":
        """With one more chunk.

        Raises:
            MismatchError: the chunk is in it already, or has another shape.
            NumericalError: the total would run over its range.
        """
        if any(entry.commitment == chunk.commitment for entry in self.entries):
            raise MismatchError(f"chunk {chunk.commitment[:12]} is part of this state already: a chunk counts once")
        self._require_shape(chunk.state_NKV)
        total_NKV = _checked(_fixed(chunk.state_NKV).add_(self._decayed()))
        entry = ChunkEntry(commitment=chunk.commitment, tokens=chunk.tokens)
        return replace(self, total_NKV=total_NKV, entries=(*self.entries, entry))

    def merge(self, other: "State") -> "State":
        """The state of both streams together: associative and commutative to the last bit.

        Raises:
            MismatchError: a chunk is in both, shapes differ, or one of them decays.
        """
        if self.decay != 1.0 or other.decay != 1.0:
            raise MismatchError("decaying states have an order and cannot be merged; replay their chunks instead")
        self._require_shape(other.total_NKV)
        if both := {e.commitment for e in self.entries} & {e.commitment for e in other.entries}:
            raise MismatchError(f"a chunk counts once, and {len(both)} are in both states, as {min(both)[:12]}")
        total_NKV = _checked(self.total_NKV + other.total_NKV)
        return replace(self, total_NKV=total_NKV, entries=self.entries + other.entries)

    def erase(self, chunk: ChunkState, *, remaining: Iterable[ChunkState] | None = None) -> "State":
        """Without one chunk, bit for bit as if it had never been seen.

        Args:
            chunk: the chunk's own state (kept, or encoded again from its text).
            remaining: the other chunks' states in their order; needed only where the state decays.

        Raises:
            UnknownChunkError: the chunk is not in this state.
            InputError: the state decays and the remaining chunks were not given, all and in order.
        """
        entries = tuple(entry for entry in self.entries if entry.commitment != chunk.commitment)
        if len(entries) == len(self.entries):
            raise UnknownChunkError(f"chunk {chunk.commitment[:12]} is not part of this state")
        if self.decay == 1.0:
            self._require_shape(chunk.state_NKV)
            return replace(self, total_NKV=self.total_NKV - _fixed(chunk.state_NKV), entries=entries)
        replayed = self.replay(remaining or ())
        if replayed.entries != entries:
            raise InputError(f"erasing from a decaying state replays its {len(entries)} other chunks, in their order")
        return replayed

    def replay(self, chunks: Iterable[ChunkState]) -> "State":
        """A state of the same shape and decay that has seen just these chunks."""
        state = State.zero(*self.total_NKV.shape, decay=self.decay)
        for chunk in chunks:
            state = state.add(chunk)
        return state

    def _decayed(self) -> Tensor:
        if self.decay == 1.0:
            return self.total_NKV
        return self.total_NKV.double().mul_(self.decay).round_().to(torch.int64)

    def _require_shape(self, tensor: Tensor) -> None:
        if tensor.shape != self.total_NKV.shape:
            raise MismatchError(f"states must have shape {tuple(self.total_NKV.shape)}, got {tuple(tensor.shape)}")


def _on_grid(state: Tensor) -> Tensor:
    """Whole multiples of the grid's step, float64."""
    return state.double().mul_(_GRID).round_()


def _fixed(state_NKV: Tensor) -> Tensor:
    """In fixed point, site by site: float64 copies of all sites at once would be the most that generation needs."""
    total_NKV = torch.empty_like(state_NKV, dtype=torch.int64)
    for total_KV, state_KV in zip(total_NKV, state_NKV, strict=True):
        total_KV.copy_(_on_grid(state_KV))
    return total_NKV


def _checked(total_NKV: Tensor) -> Tensor:
    if _largest(total_NKV) / _GRID >= TOTAL_LIMIT:
        raise NumericalError(
            f"a state's entries must stay below {TOTAL_LIMIT:.0f}: this stream is too long, or its keys are too large"
        )
    return total_NKV


def _largest(tensor: Tensor) -> float:
    """Largest magnitude, without a copy of the tensor; NaN where it holds one."""
    return float(max(abs(end.item()) for end in tensor.aminmax())) if tensor.numel() else 0.0
