"""Which candidate to take: the adapter that is shown to be better, else, honestly, that none is.

Questions on the contexts decide, by the deciding metric. Those that have nothing to do with them show harm: of adapters
of which none is better, one that does none is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters_core.comparison.records import Candidate, Code, Reason, Recommendation, Suite
from adapters_core.comparison.verdicts import Verdicts

_MISSING = frozenset({"not_measured", "other_not_measured", "report_missing"})


def choose(candidates: Sequence[Candidate], verdicts: Verdicts, bare: Candidate | None = None) -> Recommendation:
    """Which adapter to take.

    Args:
        candidates: what is compared; baselines are never taken, but may turn out to be better.
        verdicts: of all pairs of them, and of each with ``bare``.
        bare: the base without the context, where it was asked the same questions.
    """
    free = [one for one in candidates if one.kind == "adapter" and one.barred is None]
    if not free:
        return Recommendation(take=None, code="all_barred")
    duels = _Duels(free=tuple(free), verdicts=verdicts, bare=bare)
    if apart := duels.apart:
        unmeasured = {found.verdict.reason for found in apart} <= _MISSING
        return Recommendation(take=None, code="not_measured" if unmeasured else "incomparable", reasons=apart)
    first = duels.best
    found = Recommendation(
        take=first.key,
        code="only" if len(free) == 1 else "best" if duels.beats_all(first) else duels.tie_code,
        reasons=tuple(duels.reason(first, other) for other in free if other is not first),
        against_bare=duels.reason(first, bare) if bare else None,
        harm=duels.harm(first),
        beaten_by=tuple(
            one.key for one in candidates if one.kind == "baseline" and duels.reason(first, one).verdict.word == "worse"
        ),
    )
    return _held_back(found)


def _is_apart(found: Reason) -> bool:
    """Whether nothing can be said of a pair; where the test leaves it open, neither beats the other."""
    return found.verdict.word == "incomparable" and not found.verdict.tied


def _held_back(found: Recommendation) -> Recommendation:
    """Nothing is recommended that is not shown to be better than doing nothing."""
    bare = found.against_bare
    if bare and (bare.verdict.word == "worse" or bare.verdict.tied):
        return replace(found, take=None, code="no_gain")
    if found.code == "only" and (bare is None or _is_apart(bare)):
        return replace(found, take=None, code="not_measured")
    return found


@dataclass(frozen=True, kw_only=True)
class _Duels:
    """The adapters that can be taken, pair by pair."""

    free: tuple[Candidate, ...]
    verdicts: Verdicts
    bare: Candidate | None

    def reason(self, mine: Candidate, other: Candidate, suite: Suite = "context") -> Reason:
        return Reason(mine=mine.key, other=other.key, suite=suite, verdict=self.verdicts[mine.key, other.key, suite])

    def against_others(self, one: Candidate) -> tuple[Reason, ...]:
        return tuple(self.reason(one, other) for other in self.free if other is not one)

    def beats_all(self, one: Candidate) -> bool:
        return all(found.verdict.word == "better" for found in self.against_others(one))

    def harm(self, one: Candidate) -> Reason | None:
        """Where it answers unrelated questions worse than the base does."""
        found = self.reason(one, self.bare, "general") if self.bare else None
        return found if found and found.verdict.word == "worse" else None

    @property
    def apart(self) -> tuple[Reason, ...]:
        """Pairs of which nothing can be said."""
        return tuple(found for one in self.free for found in self.against_others(one) if _is_apart(found))

    @property
    def best(self) -> Candidate:
        winner = next((one for one in self.free if self.beats_all(one)), None)
        return winner or min(self._spared, key=lambda one: (one.norm_total is None, one.norm_total or 0.0, one.key))

    @property
    def tie_code(self) -> Code:
        return "least_change" if len(self._spared) == len(self._unbeaten) else "least_harm"

    @property
    def _unbeaten(self) -> Sequence[Candidate]:
        # Paired tests need not be transitive: where each is beaten by another, all of them stay in.
        beaten = [one for one in self.free if any(found.verdict.word == "worse" for found in self.against_others(one))]
        return [one for one in self.free if one not in beaten] or self.free

    @property
    def _spared(self) -> Sequence[Candidate]:
        """Those that do no harm; all of them where each does."""
        return [one for one in self._unbeaten if self.harm(one) is None] or self._unbeaten
