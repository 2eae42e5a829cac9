"""Which candidate to take: the adapter that is shown to be better, else, honestly, that none is.

Questions on the contexts decide first; those that have nothing to do with them only where the first ones were asked of
both and show no difference. Within these, metrics decide in the order of METRICS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapters_core.comparison.records import METRICS, SUITES, Candidate, Reason, Recommendation, Suite
from adapters_core.comparison.verdicts import judge

_MISSING = ("not_measured", "other_not_measured", "report_missing")
_TELLING = (*_MISSING, "no_common_questions", "too_few", "same", "undecided")
Duels = Mapping[tuple[str, str], Reason]


def choose(candidates: Sequence[Candidate], bare: Candidate | None = None) -> Recommendation:
    """Which adapter to take.

    Args:
        candidates: what is compared; baselines are never taken, but may turn out to be better.
        bare: the base without the context, where it was asked the same questions.
    """
    free = [one for one in candidates if one.kind == "adapter" and one.barred is None]
    if not free:
        return Recommendation(take=None, code="all_barred")
    duels = {(a.key, b.key): duel(a, b) for a in free for b in free if a is not b}
    if apart := tuple(found for found in duels.values() if _is_apart(found)):
        unmeasured = {found.verdict.reason for found in apart} <= set(_MISSING)
        return Recommendation(take=None, code="not_measured" if unmeasured else "incomparable", reasons=apart)
    first = _best(free, duels)
    found = Recommendation(
        take=first.key,
        code="only" if len(free) == 1 else "best" if _beats_all(first, free, duels) else "least_change",
        reasons=tuple(duels[first.key, other.key] for other in free if other is not first),
        against_bare=duel(first, bare) if bare else None,
        harm=_harm(first, bare) if bare else None,
        beaten_by=tuple(
            one.key for one in candidates if one.kind == "baseline" and duel(first, one).verdict.word == "worse"
        ),
    )
    return _held_back(found)


def duel(mine: Candidate, other: Candidate) -> Reason:
    """What settles a pair: the first metric that shows a difference, else the one that says most on why none does."""
    found = settle(mine, other, SUITES[0])
    for suite in SUITES[1:]:
        if not found.verdict.tied:
            return found
        next_one = settle(mine, other, suite)
        found = next_one if next_one.verdict.word in {"better", "worse"} else found
    return found


def settle(mine: Candidate, other: Candidate, suite: Suite) -> Reason:
    """A pair by the questions of one suite."""
    found = [
        Reason(
            mine=mine.key,
            other=other.key,
            suite=suite,
            metric=metric,
            verdict=judge(mine, other, suite=suite, metric=metric),
        )
        for metric in METRICS
    ]
    shown = (one for one in found if one.verdict.word in {"better", "worse"})
    return next(shown, None) or max(found, key=_telling)


def _is_apart(found: Reason) -> bool:
    """Whether nothing can be said of a pair; where the test leaves it open, neither beats the other."""
    return found.verdict.word == "incomparable" and not found.verdict.tied


def _telling(reason: Reason) -> int:
    code = reason.verdict.reason
    return _TELLING.index(code) if code in _TELLING else -1


def _harm(mine: Candidate, bare: Candidate) -> Reason | None:
    found = settle(mine, bare, "general")
    return found if found.verdict.word == "worse" else None


def _held_back(found: Recommendation) -> Recommendation:
    """Nothing is recommended that is not shown to be better than doing nothing."""
    bare = found.against_bare
    if bare and (bare.verdict.word == "worse" or bare.verdict.tied):
        return replace(found, take=None, code="no_gain")
    if found.code == "only" and (bare is None or _is_apart(bare)):
        return replace(found, take=None, code="not_measured")
    return found


def _best(free: Sequence[Candidate], duels: Duels) -> Candidate:
    for one in free:
        if _beats_all(one, free, duels):
            return one
    unbeaten = [
        one
        for one in free
        if all(duels[one.key, other.key].verdict.word != "worse" for other in free if other is not one)
    ]
    # Paired tests need not be transitive: where each is beaten by another, all of them stay in.
    return min(unbeaten or free, key=lambda one: (one.norm_total is None, one.norm_total or 0.0, one.key))


def _beats_all(one: Candidate, free: Sequence[Candidate], duels: Duels) -> bool:
    return all(duels[one.key, other.key].verdict.word == "better" for other in free if other is not one)
