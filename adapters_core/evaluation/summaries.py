"""From rows of questions to a method's figures: means with intervals, recovery, paired differences."""

from collections.abc import Callable, Sequence
from statistics import fmean

from adapters_core.errors import InputError
from adapters_core.evaluation.intervals import Difference, Interval, bootstrap_interval, paired_difference
from adapters_core.evaluation.metrics import recovery, specific_recovery
from adapters_core.evaluation.report import UNDEFINED, AdaptationRow, MethodSummary, QuestionRow, Recovery

Value = Callable[[QuestionRow], float | None]


def summarise(
    questions: Sequence[QuestionRow], adaptations: Sequence[AdaptationRow], *, seed: int
) -> tuple[MethodSummary, ...]:
    """The summary of every method, in the order of their first rows.

    Args:
        questions: rows of all methods; each method has the same questions in the same order.
        adaptations: rows of all methods and documents.
        seed: of the bootstrap, which draws whole documents.
    """
    names = tuple(dict.fromkeys(row.method for row in questions))
    rows = {name: [row for row in questions if row.method == name] for name in names}
    return tuple(
        MethodSummary(
            method=name,
            nll=_required(rows[name], seed),
            f1=_mean(rows[name], lambda row: row.f1, seed),
            exact_match=_mean(rows[name], lambda row: row.exact_match, seed),
            contains=_mean(rows[name], lambda row: row.contains, seed),
            remembered=_mean(rows[name], lambda row: row.remembered, seed),
            recovery=_recovery(rows, name, seed),
            specific_recovery=_specific_recovery(rows, name, seed),
            against={other: _difference(rows[name], rows[other], seed) for other in names if other != name},
            adapt_seconds=fmean(row.seconds for row in adaptations if row.method == name),
            adapt_bytes=fmean(row.nbytes for row in adaptations if row.method == name),
        )
        for name in names
    )


def _mean(rows: Sequence[QuestionRow], value: Value, seed: int) -> Interval | None:
    known = [(found, row.document) for row in rows if (found := value(row)) is not None]
    return bootstrap_interval([v for v, _ in known], clusters=[document for _, document in known], seed=seed)


def _required(rows: Sequence[QuestionRow], seed: int) -> Interval:
    interval = _mean(rows, lambda row: row.nll, seed)
    if interval is None:
        raise InputError("every method must have at least one question, got none")
    return interval


def _recovery(rows: dict[str, list[QuestionRow]], name: str, seed: int) -> Recovery:
    if name in ("none", "prompt") or not {"none", "prompt"} <= set(rows):
        return None
    found = recovery(
        none=_nll(rows["none"]),
        adapter=_nll(rows[name]),
        prompt=_nll(rows["prompt"]),
        clusters=[row.document for row in rows[name]],
        seed=seed,
    )
    return found or UNDEFINED


def _specific_recovery(rows: dict[str, list[QuestionRow]], name: str, seed: int) -> Recovery:
    if name != "adapter" or not {"none", "prompt", "wrong"} <= set(rows):
        return None
    found = specific_recovery(
        none=_nll(rows["none"]),
        prompt=_nll(rows["prompt"]),
        adapter=_nll(rows[name]),
        wrong=_nll(rows["wrong"]),
        clusters=[row.document for row in rows[name]],
        seed=seed,
    )
    return found or UNDEFINED


def _difference(first: Sequence[QuestionRow], second: Sequence[QuestionRow], seed: int) -> Difference:
    found = paired_difference(_nll(first), _nll(second), clusters=[row.document for row in first], seed=seed)
    if found is None:
        raise InputError("every method must have at least one question, got none")
    return found


def _nll(rows: Sequence[QuestionRow]) -> list[float]:
    return [row.nll for row in rows]
