"""That the ledger only grew between two sizes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adapters_core.errors import InputError
from adapters_core.ledger import queries
from adapters_core.ledger.chain import Place
from adapters_core.ledger.checkpoints import stored_frontier, stored_nodes
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.tree import consistent, prove_consistency


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """A proof by RFC 9162, section 2.1.4; hashes as hexadecimal digits."""

    first: int
    second: int
    first_root: str
    second_root: str
    path: tuple[str, ...]
    holds: bool
    """Whether the path leads to both roots."""


def consistency(reader: Reader, first: int, second: int) -> Consistency:
    """Prove that the first ``second`` entries begin with the first ``first``.

    Raises:
        InputError: the sizes are not 1 <= first <= second <= the ledger's.
    """
    size = queries.size(reader)
    if not 1 <= first <= second <= size:
        raise InputError(f"sizes must be 1 <= first <= second <= {size}, got {first} and {second}")

    def nodes(wanted: Iterable[Place]) -> Mapping[Place, bytes]:
        return stored_nodes(reader, wanted)

    path = prove_consistency(nodes, first, second)
    roots = [stored_frontier(reader, one).root() for one in (first, second)]
    return Consistency(
        first=first,
        second=second,
        first_root=roots[0].hex(),
        second_root=roots[1].hex(),
        path=tuple(node.hex() for node in path),
        holds=consistent(path, first=first, second=second, first_root=roots[0], second_root=roots[1]),
    )
