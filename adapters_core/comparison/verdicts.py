"""Whether candidates are better than one another: paired by question, tested, never guessed.

One metric is tested, which was fixed beforehand (``DECIDING``). For each suite the p-values of all pairs that are
compared are corrected together (Holm 1979): that any of several equal candidates is called better happens in at most
5 of 100 comparisons, however many there are.

better, worse   the mean paired difference is not 0: corrected sign-flip permutation p <= 0.05, an interval without 0
unchanged       neither, and the whole interval lies within what makes no difference in practice (MARGIN)
incomparable    everything else, with the reason; also where the questions asked leave it open ("undecided")
beside          another metric, whose difference is shown without a test
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal

from adapters_core.comparison.records import (
    DECIDING,
    LOWER_IS_BETTER,
    MARGIN,
    SUITES,
    Answered,
    Candidate,
    Question,
    Score,
    Suite,
    Verdict,
    Word,
)
from adapters_core.evaluation.intervals import Interval, bootstrap_interval, holm, paired_difference

LEVEL = 0.05
FEWEST = 6
"""Units below which the test cannot answer yes, even for a single pair: the smallest p of n signs is 2 / 2**n, above
0.05 for n < 6. Of more pairs more is asked: 7 units for 3 pairs, 8 for 6, 10 for 21, the most that are compared."""
SEED = 0
Unit = Literal["document", "question"]
Verdicts = Mapping[tuple[str, str, Suite], Verdict]
"""(key, key of the other, suite) -> the first one against the other by the deciding metric, for every pair."""
_MIRRORED: Mapping[Word, Word] = {"better": "worse", "worse": "better"}


def judge_all(candidates: Sequence[Candidate]) -> Verdicts:
    """Every candidate against every other one, both ways round; a key that comes twice counts once."""
    distinct = {one.key: one for one in candidates}.values()
    found: dict[tuple[str, str, Suite], Verdict] = {}
    for suite in SUITES:
        pairs = [(a, b, paired(a, b, suite=suite, metric=DECIDING)) for a, b in combinations(distinct, 2)]
        corrected = iter(holm([verdict.p_value for _a, _b, verdict in pairs if verdict.p_value is not None]))
        for a, b, verdict in pairs:
            known = verdict if verdict.p_value is None else _decided(replace(verdict, p_value=next(corrected)))
            found[a.key, b.key, suite] = known
            found[b.key, a.key, suite] = (
                _mirrored(known) if known.difference else paired(b, a, suite=suite, metric=DECIDING)
            )
    return found


def paired(mine: Candidate, other: Candidate, *, suite: Suite, metric: str) -> Verdict:
    """The measured difference of a pair by a metric, without a judgement: that is ``judge_all``'s, over all pairs.

    The p-value is that of this pair alone.
    """
    if mine.base != other.base:
        return Verdict(word="incomparable", reason="different_base")
    first, second = values_of(mine.answers, suite, metric), values_of(other.answers, suite, metric)
    for values, candidate, reason in ((first, mine, "not_measured"), (second, other, "other_not_measured")):
        if not values:
            known = (suite, metric) in candidate.stated
            return Verdict(word="incomparable", reason="report_missing" if known else reason)
    return _paired_values(first, second, metric)


def _paired_values(mine: Mapping[Question, float], other: Mapping[Question, float], metric: str) -> Verdict:
    common = sorted(mine.keys() & other.keys())
    if not common:
        return Verdict(word="incomparable", reason="no_common_questions")
    unit, clusters = _units(common)
    first, second = [mine[question] for question in common], [other[question] for question in common]
    difference = paired_difference(first, second, seed=SEED, clusters=clusters)
    shown = Verdict(
        word="beside",
        reason="beside",
        difference=difference.interval if difference else None,
        unit=unit,
        questions=len(common),
    )
    if metric != DECIDING:
        return shown
    if difference is None or len(set(clusters)) < FEWEST:
        return replace(shown, word="incomparable", reason="too_few")
    return replace(shown, word="incomparable", reason="undecided", p_value=difference.p_value)


def score_of(candidate: Candidate, *, suite: Suite, metric: str) -> Score:
    """A candidate's own figure with its interval, over all questions that it was asked."""
    values = values_of(candidate.answers, suite, metric)
    if not values:
        stated = candidate.stated.get((suite, metric))
        if stated is None:
            return Score(value=None)
        return Score(value=stated.value, low=stated.low, high=stated.high, count=stated.count)
    questions = sorted(values)
    _unit, clusters = _units(questions)
    interval = bootstrap_interval([values[question] for question in questions], seed=SEED, clusters=clusters)
    if interval is None:
        return Score(value=None)
    return Score(value=interval.value, low=interval.low, high=interval.high, count=interval.count)


def values_of(answers: Sequence[Answered], suite: Suite, metric: str) -> dict[Question, float]:
    """The measured values of a metric by question."""
    return {
        answered.question: answered.values[metric]
        for answered in answers
        if answered.question.suite == suite and metric in answered.values
    }


def _units(questions: Sequence[Question]) -> tuple[Unit, list[Question | str]]:
    """What stands for itself: documents where there are enough of them, else each question."""
    if len({question.document for question in questions}) >= FEWEST:
        return "document", [question.document for question in questions]
    return "question", list(questions)


def _decided(tested: Verdict) -> Verdict:
    """A tested pair with its corrected p-value, in a word."""
    interval = tested.difference
    if interval is None or interval.low is None or interval.high is None or tested.p_value is None:
        return tested
    if tested.p_value <= LEVEL and (interval.low > 0 or interval.high < 0):
        less = interval.value < 0
        return replace(tested, word="better" if less == (DECIDING in LOWER_IS_BETTER) else "worse", reason="shown")
    if interval.low >= -MARGIN and interval.high <= MARGIN:
        return replace(tested, word="unchanged", reason="same")
    return tested


def _mirrored(verdict: Verdict) -> Verdict:
    """The same pair seen from the other side."""
    return replace(
        verdict,
        word=_MIRRORED.get(verdict.word, verdict.word),
        difference=_negative(verdict.difference) if verdict.difference else None,
    )


def _negative(interval: Interval) -> Interval:
    low, high = interval.low, interval.high
    return replace(
        interval,
        value=-interval.value,
        low=None if high is None else -high,
        high=None if low is None else -low,
    )
