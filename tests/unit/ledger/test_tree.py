"""The tree that grows a leaf at a time against RFC 9162's definitions, written here a second time and plainly."""

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.errors import InputError, IntegrityError
from adapters_core.ledger.chain import Frontier, Place, empty_root, leaf_hash, node_hash
from adapters_core.ledger.tree import Nodes, consistent, frontier_at, includes, prove_consistency, prove_inclusion

LEAVES = [leaf_hash(str(i).encode()) for i in range(70)]


def plain_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, word by word."""
    if not leaves:
        return empty_root()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(plain_root(leaves[:k]), plain_root(leaves[k:]))


def grown(count: int) -> tuple[Frontier, Nodes]:
    frontier, rows = Frontier(), {}
    for index, leaf in enumerate(LEAVES[:count]):
        frontier, completed = frontier.push(leaf)
        rows[index] = (leaf, b"".join(completed))

    def nodes(wanted: Iterable[Place]) -> Mapping[Place, bytes]:
        return {place: place.pick(*rows[place.seq]) for place in wanted}

    return frontier, nodes


sizes = st.integers(1, len(LEAVES))


@given(sizes)
def test_the_grown_root_is_the_defined_root(size: int) -> None:
    frontier, nodes = grown(size)

    assert frontier.root() == plain_root(LEAVES[:size])
    assert frontier_at(nodes, size) == frontier


def test_the_empty_tree_has_the_defined_root() -> None:
    assert Frontier().root() == plain_root([])


@given(sizes, st.data())
def test_every_leaf_is_proved_in_every_tree(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    _, nodes = grown(len(LEAVES))
    root = plain_root(LEAVES[:size])
    path = prove_inclusion(nodes, index, size)

    assert includes(path, index=index, size=size, leaf=LEAVES[index], root=root)
    assert not includes(path, index=index, size=size, leaf=LEAVES[index - 1] if size > 1 else b"", root=root)
    assert not includes((*path, b"x" * 32), index=index, size=size, leaf=LEAVES[index], root=root)
    assert not includes(path, index=size, size=size, leaf=LEAVES[index], root=root)
    for place in range(len(path)):
        bent = (*path[:place], b"\0" * 32, *path[place + 1 :])
        assert not includes(bent, index=index, size=size, leaf=LEAVES[index], root=root)


@given(sizes, sizes)
def test_a_later_tree_is_proved_to_extend_an_earlier_one(one: int, other: int) -> None:
    first, second = sorted((one, other))
    _, nodes = grown(len(LEAVES))
    roots = {"first_root": plain_root(LEAVES[:first]), "second_root": plain_root(LEAVES[:second])}
    path = prove_consistency(nodes, first, second)

    assert consistent(path, first=first, second=second, **roots)
    assert not consistent(path, first=first, second=second, first_root=b"x", second_root=roots["second_root"])
    assert not consistent(path, first=first, second=second, first_root=roots["first_root"], second_root=b"x")
    for place in range(len(path)):
        bent = (*path[:place], b"\0" * 32, *path[place + 1 :])
        assert not consistent(bent, first=first, second=second, **roots)


@given(sizes, sizes, st.integers(0, len(LEAVES) - 1))
def test_no_proof_leads_from_a_tree_with_another_leaf(one: int, other: int, changed: int) -> None:
    first, second = sorted((one, other))
    _, nodes = grown(len(LEAVES))
    forged = [*LEAVES[:changed], b"\x01" * 32, *LEAVES[changed + 1 :]]
    if changed < first:
        path = prove_consistency(nodes, first, second)
        root = plain_root(LEAVES[:second])

        assert not consistent(path, first=first, second=second, first_root=plain_root(forged[:first]), second_root=root)


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 2), (0, 0)])
def test_a_leaf_that_is_not_there_is_refused(index: int, size: int) -> None:
    with pytest.raises(InputError, match="a leaf of a tree"):
        prove_inclusion(grown(5)[1], index, size)


@pytest.mark.parametrize(("first", "second"), [(0, 3), (4, 3)])
def test_consistency_of_impossible_sizes_is_refused(first: int, second: int) -> None:
    with pytest.raises(InputError, match="1 <= first <= second"):
        prove_consistency(grown(5)[1], first, second)


def test_a_row_without_its_subtrees_is_named() -> None:
    with pytest.raises(IntegrityError, match="entry 3 must hold"):
        Place(seq=3, level=2).pick(LEAVES[3], b"\0" * 32)
