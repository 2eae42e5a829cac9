"""The chain and the tree over it: RFC 6962 leaf and node hashes, and a tree that grows by one leaf at a time.

leaf = SHA-256(0x00 || body), node = SHA-256(0x01 || left || right), and a body names the leaf hash before it, so the
same 32 bytes serve hash chain and Merkle tree. An append completes the subtrees that end at its leaf; their roots are
kept in the entry's own row. So no node is stored twice, and any root or proof needs at most some tens of rows.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adapters_core.errors import IntegrityError

GENESIS = "0" * 64
"""``prev_hash`` of entry 0."""
DIGEST_BYTES = 32


def leaf_hash(body: bytes) -> bytes:
    """SHA-256(0x00 || body), RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def empty_root() -> bytes:
    """Root of the tree without leaves: SHA-256 of nothing."""
    return hashlib.sha256(b"").digest()


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """The roots of the complete subtrees that a tree of ``size`` leaves consists of, largest (leftmost) first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def push(self, leaf: bytes) -> tuple["Frontier", tuple[bytes, ...]]:
        """The frontier with one leaf more, and the roots of the subtrees that it completed, smallest first.

        A leaf at index i completes one subtree for each trailing one bit of i.
        """
        peaks, completed, node, index = list(self.peaks), [], leaf, self.size
        while index & 1:
            node = node_hash(peaks.pop(), node)
            completed.append(node)
            index >>= 1
        return Frontier(size=self.size + 1, peaks=(*peaks, node)), tuple(completed)

    def root(self) -> bytes:
        """Merkle tree hash of all leaves."""
        return fold(self.peaks)


def fold(peaks: Iterable[bytes]) -> bytes:
    """Root over complete subtrees that stand side by side, largest first."""
    *rest, node = tuple(peaks) or (empty_root(),)
    for peak in reversed(rest):
        node = node_hash(peak, node)
    return node


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the root of a complete subtree is stored: in the row of its last leaf."""

    seq: int
    """The last leaf's index."""
    level: int
    """The subtree has 2**level leaves; level 0 is the leaf hash itself."""

    def pick(self, leaf: bytes, completed: bytes) -> bytes:
        """The root, from the row's leaf hash and the completed roots after one another.

        Raises:
            IntegrityError: the row does not hold it.
        """
        if self.level == 0:
            return leaf
        node = completed[(self.level - 1) * DIGEST_BYTES : self.level * DIGEST_BYTES]
        if len(node) != DIGEST_BYTES:
            raise IntegrityError(f"entry {self.seq} must hold the root of its subtree of level {self.level}")
        return node


def places(low: int, high: int) -> Iterator[Place]:
    """The complete subtrees that the leaves [low, high) consist of, left to right.

    ``low`` is a multiple of the largest power of two that is at most high - low (all ranges of RFC 9162 are so).
    """
    while low < high:
        level = (high - low).bit_length() - 1
        low += 1 << level
        yield Place(seq=low - 1, level=level)
