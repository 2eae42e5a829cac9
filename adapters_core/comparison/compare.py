"""Two to six candidates set beside each other."""

from collections.abc import Sequence
from dataclasses import replace

from adapters_core.comparison.choosing import choose
from adapters_core.comparison.records import (
    DECIDING,
    METRICS,
    SUITES,
    Candidate,
    Comparison,
    Score,
    ScoreRow,
    Suite,
    Verdict,
)
from adapters_core.comparison.verdicts import Verdicts, judge_all, paired, score_of
from adapters_core.errors import InputError

FEWEST, MOST = 2, 6


def compare(candidates: Sequence[Candidate], *, bare: Candidate | None = None) -> Comparison:
    """Set candidates beside each other; verdicts are against the first one.

    Args:
        candidates: two to six, each once.
        bare: the base without the context, where it was asked the same questions.

    Raises:
        InputError: too few, too many, one twice, or no adapter among them.
    """
    check_keys([one.key for one in candidates])
    if not any(one.kind == "adapter" for one in candidates):
        raise InputError("a comparison needs at least one adapter, got baselines only")
    verdicts = judge_all([*candidates, *([bare] if bare else [])])
    rows = (_row(candidates, suite, metric, verdicts) for suite in SUITES for metric in METRICS)
    measured = tuple(row for row in rows if any(score.value is not None for score in row.scores))
    return Comparison(candidates=tuple(candidates), rows=measured, recommendation=choose(candidates, verdicts, bare))


def check_keys(keys: Sequence[str]) -> None:
    """Two to six, each once.

    Raises:
        InputError: they are not.
    """
    if not FEWEST <= len(keys) <= MOST:
        raise InputError(f"a comparison takes {FEWEST} to {MOST} candidates, got {len(keys)}")
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise InputError(f"a comparison takes each candidate once, got more than once: {', '.join(repeated)}")


def _row(candidates: Sequence[Candidate], suite: Suite, metric: str, verdicts: Verdicts) -> ScoreRow:
    first, *others = candidates
    scores: list[Score] = [score_of(first, suite=suite, metric=metric)]
    for one in others:
        score = score_of(one, suite=suite, metric=metric)
        scores.append(replace(score, verdict=_against(one, first, suite, metric, verdicts)))
    return ScoreRow(suite=suite, metric=metric, scores=tuple(scores))


def _against(one: Candidate, first: Candidate, suite: Suite, metric: str, verdicts: Verdicts) -> Verdict:
    """The verdict that the choice looks at too; by any other metric, what is shown beside it."""
    if metric == DECIDING:
        return verdicts[one.key, first.key, suite]
    return paired(one, first, suite=suite, metric=metric)
