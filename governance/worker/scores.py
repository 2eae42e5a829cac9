"""From rows of questions to scores: means with intervals, recovery, retention, paired differences. Pure.

recovery    (none - adapter) / (none - prompt) of the mean answer NLL: 1 is as good as the context in the prompt
retention   exp(none - adapter) of the mean answer NLL of unrelated questions: 1 is unchanged, below 1 is harm
"""

import math
from collections.abc import Sequence
from typing import Any

from adapters_core.evaluation.intervals import Interval, bootstrap_interval, paired_difference
from adapters_core.evaluation.metrics import recovery as recovered
from adapters_core.service.measures_contract import QuestionScore

SEED = 0
METRICS = ("nll", "f1", "exact_match", "contains")


def scores(rows: Sequence[QuestionScore]) -> dict[str, Any]:
    """method -> metric -> {value, low, high, n}; a metric that was not measured is absent."""
    methods = dict.fromkeys(row.method for row in rows)
    return {method: _metrics([row for row in rows if row.method == method]) for method in methods}


def recovery(rows: Sequence[QuestionScore]) -> dict[str, Any] | None:
    """None where the prompt was not measured, or does not help."""
    none, adapter, prompt = (_losses(rows, method) for method in ("none", "adapter", "prompt"))
    if not (none and adapter and prompt):
        return None
    return stated(recovered(none=none, adapter=adapter, prompt=prompt, seed=SEED))


def retention(rows: Sequence[QuestionScore]) -> dict[str, Any] | None:
    """None where nothing was asked."""
    kept = [before - after for before, after in zip(_losses(rows, "none"), _losses(rows, "adapter"), strict=True)]
    found = bootstrap_interval(kept, seed=SEED)
    if found is None:
        return None
    bounds = [None if bound is None else math.exp(bound) for bound in (found.low, found.high)]
    return {"value": math.exp(found.value), "low": bounds[0], "high": bounds[1], "n": found.count}


def differences(rows: Sequence[QuestionScore]) -> dict[str, Any]:
    """method -> the adapter's NLL minus that method's, question by question, with a permutation test."""
    adapter = _losses(rows, "adapter")
    found = {}
    for method in dict.fromkeys(row.method for row in rows):
        if method == "adapter" or not adapter:
            continue
        difference = paired_difference(adapter, _losses(rows, method), seed=SEED)
        if difference is not None:
            found[method] = {**(stated(difference.interval) or {}), "p_value": difference.p_value}
    return found


def stated(interval: Interval | None) -> dict[str, Any] | None:
    """An interval as entries hold it."""
    if interval is None:
        return None
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": interval.count}


def _metrics(rows: Sequence[QuestionScore]) -> dict[str, Any]:
    found = {}
    for metric in METRICS:
        values = [value for row in rows if (value := getattr(row, metric)) is not None]
        if values:
            found[metric] = stated(bootstrap_interval(values, seed=SEED))
    return found


def _losses(rows: Sequence[QuestionScore], method: str) -> list[float]:
    return [row.nll for row in rows if row.method == method]
