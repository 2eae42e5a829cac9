"""What candidates cost, and from how many questions on an adapter is cheaper than the context in the prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters_core.comparison.records import Candidate, Cost
from adapters_core.evaluation.break_even import CostLine, crossing_point


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """One candidate."""

    key: str
    cost: Cost
    break_even: int | None
    """Questions from which on it takes less time than the prompt; None: never, or not known."""
    known: bool
    """Whether a break-even could be worked out; then None above means never."""


def cost_rows(candidates: Sequence[Candidate], prompt: Cost | None) -> tuple[CostRow, ...]:
    """All candidates against a prompt on the same context."""
    reference = line("prompt", prompt) if prompt else None
    rows = []
    for candidate in candidates:
        mine = line(candidate.key, candidate.cost) if candidate.kind == "adapter" else None
        known = mine is not None and reference is not None
        even = crossing_point(mine, reference) if mine and reference else None
        rows.append(CostRow(key=candidate.key, cost=candidate.cost, break_even=even, known=known))
    return tuple(rows)


def line(name: str, cost: Cost) -> CostLine | None:
    """Seconds in all over the number of questions; None where they were not measured."""
    if cost.adapt_seconds is None or cost.query_seconds is None or cost.query_seconds <= 0:
        return None
    return CostLine(method=name, once=cost.adapt_seconds, per_query=cost.query_seconds)
