"""The Merkle tree of the stored entries: roots at any size, inclusion and consistency proofs (RFC 9162 section 2.1).

Making a proof reads some tens of rows. Checking one needs nothing but its numbers: the two checks are the algorithms of
RFC 9162, sections 2.1.3.2 and 2.1.4.2, and import no database.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from adapters_core.errors import InputError
from adapters_core.ledger.chain import Frontier, Place, fold, node_hash, places

Span = tuple[int, int]
"""Leaves [low, high)."""
Nodes = Callable[[Iterable[Place]], Mapping[Place, bytes]]
"""Looks up the roots of complete subtrees."""


def frontier_at(nodes: Nodes, size: int) -> Frontier:
    """The frontier of the tree of the first ``size`` leaves."""
    wanted = tuple(places(0, size))
    found = nodes(wanted)
    return Frontier(size=size, peaks=tuple(found[place] for place in wanted))


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees whose roots form PATH(index, D[size]), leaf first."""
    spans: list[Span] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            spans.append((middle, high))
            high = middle
        else:
            spans.append((low, middle))
            low = middle
    return spans[::-1]


def consistency_spans(first: int, second: int) -> list[Span]:
    """The subtrees whose roots form PROOF(first, D[second])."""
    spans: list[Span] = []
    low, high, whole = 0, second, True
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            spans.append((middle, high))
            high = middle
        else:
            spans.append((low, middle))
            low, whole = middle, False
    return [*([] if whole else [(low, high)]), *spans[::-1]]


def prove_inclusion(nodes: Nodes, index: int, size: int) -> tuple[bytes, ...]:
    """The audit path of a leaf in the tree of the first ``size`` leaves.

    Raises:
        InputError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise InputError(f"a leaf of a tree of {size} leaves has an index from 0 to {size - 1}, got {index}")
    return _hashes(nodes, inclusion_spans(index, size))


def prove_consistency(nodes: Nodes, first: int, second: int) -> tuple[bytes, ...]:
    """The proof that the tree of ``second`` leaves only added to the tree of ``first``.

    Raises:
        InputError: the sizes are not 1 <= first <= second.
    """
    if not 1 <= first <= second:
        raise InputError(f"consistency holds between sizes 1 <= first <= second, got {first} and {second}")
    return _hashes(nodes, consistency_spans(first, second))


def includes(path: Sequence[bytes], *, index: int, size: int, leaf: bytes, root: bytes) -> bool:
    """Whether the audit path leads from a leaf to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def consistent(path: Sequence[bytes], *, first: int, second: int, first_root: bytes, second_root: bytes) -> bool:
    """Whether the second tree begins with the first (RFC 9162, 2.1.4.2)."""
    if first == second:
        return not path and first_root == second_root
    if not 0 < first < second or not path:
        return False
    steps = list(path)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = steps[0]
    for c in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == first_root and sr == second_root and sn == 0


def _split(leaves: int) -> int:
    """The largest power of two below the number of leaves."""
    return 1 << ((leaves - 1).bit_length() - 1)


def _hashes(nodes: Nodes, spans: Sequence[Span]) -> tuple[bytes, ...]:
    parts = [tuple(places(*span)) for span in spans]
    found = nodes([place for part in parts for place in part])
    return tuple(fold([found[place] for place in part]) for part in parts)
