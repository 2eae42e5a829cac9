"""Where the size of an adapter's change lies among the approved ones."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

ENOUGH = 5
"""With fewer approved adapters nothing is said."""
NORMAL = 1.4826
"""Median absolute deviation -> standard deviation, of normally distributed values."""


@dataclass(frozen=True, kw_only=True)
class NormPlace:
    """A norm among others."""

    norm: float
    population: int
    median: float | None = None
    distance: float | None = None
    """Above the median, in robust standard deviations; None with too few to compare with."""
    rank: float | None = None
    """The part of the others that are at most as large."""


def place(norm: float, approved: Sequence[float]) -> NormPlace:
    """Where a norm lies among those of the approved adapters of the same base."""
    if len(approved) < ENOUGH:
        return NormPlace(norm=norm, population=len(approved))
    ordered = sorted(approved)
    middle = median(ordered)
    # A population of one size has no spread: a hundredth of its size stands for it.
    spread = max(NORMAL * median(abs(value - middle) for value in ordered), 0.01 * middle, 1e-12)
    rank = bisect_right(ordered, norm) / len(ordered)
    return NormPlace(norm=norm, population=len(ordered), median=middle, distance=(norm - middle) / spread, rank=rank)
