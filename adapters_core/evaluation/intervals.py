"""How sure a mean, a difference or a ratio is: bootstrap intervals and a permutation test.

Nothing here invents a number: a ratio without a denominator is None, and an interval over a single cluster has no
bounds. Resampling is by cluster (document), since questions about one document stand or fall together.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapters_core.errors import InputError, NumericalError

Floats = npt.NDArray[np.float64]
RESAMPLES = 2_000
LEVEL = 0.95
_BLOCK = 2_000_000  # numbers drawn at a time: bounds the memory of a bootstrap


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A statistic with its percentile bootstrap interval."""

    value: float
    """The statistic over all values."""
    low: float | None
    """Lower bound; None: not known (a single cluster, or a ratio that is undefined in too many resamples)."""
    high: float | None
    """Upper bound; None together with ``low``."""
    level: float
    """Coverage that the bounds aim at, such as 0.95."""
    count: int
    """Values behind the statistic."""
    clusters: int
    """Independent groups of values, the units that were resampled."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Mean of paired differences."""

    interval: Interval
    """Mean difference, first minus second."""
    p_value: float | None
    """Two-sided, of a sign-flip permutation test by cluster: over all flips where they are no more than the resamples;
    None: a single cluster tells nothing."""


def bootstrap_interval(
    values: Sequence[float] | Floats,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    clusters: Sequence[Hashable] | None = None,
) -> Interval | None:
    """Mean with its percentile bootstrap interval (Efron 1979); None without values.

    Args:
        values: one number a question.
        seed: of the resampling; the same seed gives the same bounds.
        resamples: number of bootstrap samples.
        level: coverage, in (0, 1).
        clusters: the group (document) of each value; whole groups are drawn. None: each value is its own.

    Raises:
        InputError: lengths differ, or an option is out of its bounds.
        NumericalError: a value is not finite.
    """
    columns = _columns([values], clusters)
    if columns is None:
        return None
    totals = _resample(columns.sums, seed, resamples, level)
    return _interval(columns, float(columns.mean[0]), totals[:, 0] / totals[:, -1], level)


def paired_difference(
    first: Sequence[float] | Floats,
    second: Sequence[float] | Floats,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    clusters: Sequence[Hashable] | None = None,
) -> Difference | None:
    """Mean of ``first - second`` over the same questions, with interval and p-value; None without values.

    The p-value is two-sided: how often a mean at least as far from 0 arises when each cluster's difference keeps
    or flips its sign, in every way where these are at most ``resamples``, else by a coin; the observed case is counted
    in (so never 0).

    Raises:
        InputError: lengths differ, or an option is out of its bounds.
        NumericalError: a value is not finite.
    """
    columns = _columns([first, second], clusters)
    if columns is None:
        return None
    totals = _resample(columns.sums, seed, resamples, level)
    value = float(columns.mean[0] - columns.mean[1])
    interval = _interval(columns, value, (totals[:, 0] - totals[:, 1]) / totals[:, -1], level)
    return Difference(interval=interval, p_value=_sign_flip(columns.sums[:, 0] - columns.sums[:, 1], seed, resamples))


def ratio_interval(
    losses: Sequence[Sequence[float] | Floats],
    clusters: Sequence[Hashable] | None,
    *,
    seed: int,
    resamples: int,
    level: float,
) -> Interval | None:
    """``(a - b) / (c - d)`` of the means of four columns, all resampled together.

    Returns:
        None without values, or where the denominator is not above 0.

    Raises:
        InputError: lengths differ, or an option is out of its bounds.
        NumericalError: a value is not finite.
    """
    columns = _columns(losses, clusters)
    if columns is None:
        return None
    a, b, c, d = columns.mean
    if c - d <= 0:
        return None
    totals = _resample(columns.sums, seed, resamples, level)
    gained = totals[:, 2] - totals[:, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(gained > 0, (totals[:, 0] - totals[:, 1]) / gained, np.nan)
    return _interval(columns, float((a - b) / (c - d)), ratios, level)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values of tests that are read together, corrected step by step (Holm 1979): in the order given, at most 1.

    Whatever the tests have to do with each other, one at or below a level where nothing differs comes about with at
    most that probability.
    """
    ordered = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, least = [0.0] * len(p_values), 0.0
    for done, place in enumerate(ordered):
        least = max(least, min(1.0, (len(p_values) - done) * p_values[place]))
        corrected[place] = least
    return tuple(corrected)


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Aligned columns of values, added up by cluster."""

    sums: Floats
    """Clusters x (columns, and last the number of values)."""
    mean: Floats
    """Mean of each column over all values."""
    count: int


def _columns(values: Sequence[Sequence[float] | Floats], clusters: Sequence[Hashable] | None) -> _Columns | None:
    arrays = [np.asarray(column, dtype=np.float64) for column in values]
    lengths = sorted({column.size for column in arrays} | ({len(clusters)} if clusters is not None else set()))
    if any(column.ndim != 1 for column in arrays) or len(lengths) != 1:
        raise InputError(f"values and clusters must be flat and of one length, got lengths {lengths}")
    if lengths == [0]:
        return None
    table = np.stack([*arrays, np.ones(lengths[0])], axis=1)
    if not np.isfinite(table).all():
        raise NumericalError("values must be finite, got NaN or infinity: leave such questions out and say so")
    if clusters is None:
        sums = table
    else:
        places = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
        sums = np.zeros((len(places), table.shape[1]))
        np.add.at(sums, [places[cluster] for cluster in clusters], table)
    return _Columns(sums=sums, mean=table[:, :-1].mean(axis=0), count=lengths[0])


def _resample(sums: Floats, seed: int, resamples: int, level: float) -> Floats:
    """Column totals of ``resamples`` draws of the clusters with replacement: resamples x columns."""
    if resamples < 1 or not 0 < level < 1:
        raise InputError(f"resamples must be at least 1 and level in (0, 1), got {resamples} and {level}")
    generator = np.random.default_rng(seed)
    size = len(sums)
    block = max(1, _BLOCK // size)
    totals = []
    for done in range(0, resamples, block):
        drawn = generator.integers(size, size=(min(block, resamples - done), size))
        totals.append(np.stack([sums[:, column][drawn].sum(axis=1) for column in range(sums.shape[1])], axis=1))
    return np.concatenate(totals)


def _interval(columns: _Columns, value: float, resampled: Floats, level: float) -> Interval:
    tail = (1 - level) / 2
    known = resampled[np.isfinite(resampled)]
    low: float | None = None
    high: float | None = None
    if len(columns.sums) > 1 and known.size >= (1 - tail) * resampled.size:
        low, high = (float(bound) for bound in np.quantile(known, [tail, 1 - tail]))
    return Interval(value=value, low=low, high=high, level=level, count=columns.count, clusters=len(columns.sums))


def _sign_flip(differences: Floats, seed: int, resamples: int) -> float | None:
    if differences.size == 1:
        return None
    # A tiny margin: sums in another order differ in the last bit and must still count as equal.
    observed = abs(differences.sum()) * (1 - 1e-12)
    if 2**differences.size <= resamples:
        flips = 1.0 - 2.0 * (np.arange(2**differences.size)[:, None] >> np.arange(differences.size) & 1)
        return float((np.abs(flips @ differences) >= observed).mean())
    generator = np.random.default_rng(seed)
    block, extreme = max(1, _BLOCK // differences.size), 0
    for done in range(0, resamples, block):
        signs = generator.choice([-1.0, 1.0], size=(min(block, resamples - done), differences.size))
        extreme += int((np.abs(signs @ differences) >= observed).sum())
    return (extreme + 1) / (resamples + 1)
