"""What candidates cost, and from how many questions on an adapter is cheaper than its context in the prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters_core.comparison.records import Candidate, Cost
from adapters_core.evaluation.break_even import CostLine, crossing_point


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """One candidate."""

    key: str
    cost: Cost
    prompt: Cost | None
    """What its own context costs in the prompt; None for a baseline, and where that was not measured."""
    break_even: int | None
    """Questions from which on it takes less time than that; None: never, or not known."""
    known: bool
    """Whether a break-even could be worked out; then None above means never."""


def cost_rows(candidates: Sequence[Candidate], prompts: Mapping[str, Cost]) -> tuple[CostRow, ...]:
    """All candidates, each adapter against its own context in the prompt.

    Args:
        candidates: what is compared.
        prompts: key of an adapter -> what its context costs in the prompt, where that was measured.
    """
    return tuple(_row(one, prompts.get(one.key) if one.kind == "adapter" else None) for one in candidates)


def _row(candidate: Candidate, prompt: Cost | None) -> CostRow:
    mine = line(candidate.key, candidate.cost)
    reference = line("prompt", prompt) if prompt else None
    known = mine is not None and reference is not None
    even = crossing_point(mine, reference) if mine and reference else None
    return CostRow(key=candidate.key, cost=candidate.cost, prompt=prompt, break_even=even, known=known)


def line(name: str, cost: Cost) -> CostLine | None:
    """Seconds in all over the number of questions; None where they were not measured."""
    if cost.adapt_seconds is None or cost.query_seconds is None or cost.query_seconds <= 0:
        return None
    return CostLine(method=name, once=cost.adapt_seconds, per_query=cost.query_seconds)
