"""V0, the fast way: one pass over the stored rows that holds as long as nothing is wrong. Imports no database."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from adapters_core.canonical import is_canonical
from adapters_core.ledger.chain import GENESIS, Frontier, leaf_hash
from adapters_core.ledger.records import stated_in
from adapters_core.ledger.verification.findings import Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEntry:
    """A row of the chain as it lies there, believed in nothing."""

    seq: int
    prev_hash: str
    leaf_hash: str
    nodes: bytes | None
    """None where the rows come from a pack, which holds none."""
    body: str


@dataclass(kw_only=True)
class Walk:
    """How far the pass has come. Not frozen: it is one running computation."""

    size: int = 0
    last_place: int = -1
    """The place of the last row that was taken."""
    head: str = GENESIS
    frontier: Frontier = field(default_factory=Frontier)
    origin: str | None = None
    roots: dict[int, tuple[str, str]] = field(default_factory=dict)
    """size -> (root, head) at the sizes that were asked for."""
    broken: bool = False
    """Something is wrong: the diagnosis must find out what."""
    findings: list[Finding] = field(default_factory=list)
    """What needs no diagnosis."""

    def step(self, row: StoredEntry, *, ask_root: bool) -> dict[str, Any] | None:
        """Take the next row; answers what its body states, None if it states nothing that can be read."""
        body = row.body.encode()
        leaf = leaf_hash(body)
        stated = parsed(row.body)
        self.frontier, completed = self.frontier.push(leaf)
        digest = leaf.hex()
        links = stated is not None and stated.get("seq") == self.size and stated.get("prev_hash") == self.head
        if not links or row.seq != self.size or row.prev_hash != self.head or row.leaf_hash != digest:
            self.broken = True
        if not self.broken and row.nodes is not None and row.nodes != b"".join(completed):
            self._note("changed_nodes", row.seq, "its stored tree nodes are not those of the entries below it")
        if stated is not None and not is_canonical(stated, row.body):
            self._note("not_canonical", row.seq, "its body is not in the canonical form of RFC 8785")
        if self.size == 0:
            self.origin = digest
        self.size, self.last_place, self.head = self.size + 1, row.seq, digest
        if ask_root:
            self.roots[self.size] = (self.frontier.root().hex(), digest)
        return stated

    def _note(self, code: Any, seq: int, detail: str) -> None:  # noqa: ANN401  # a Code
        self.findings.append(Finding(level="V0", code=code, what=f"entry {seq}", detail=detail, seq=seq))


def walk(rows: Iterable[StoredEntry], sizes: frozenset[int]) -> Walk:
    """Take all rows in their order; ``sizes``: where roots are wanted."""
    state = Walk()
    for row in rows:
        state.step(row, ask_root=state.size + 1 in sizes)
    return state


def parsed(body: str) -> dict[str, Any] | None:
    """What a body states, None if it is no JSON object."""
    try:
        stated = stated_in(body)
    except ValueError:
        return None
    return stated if isinstance(stated, dict) else None
