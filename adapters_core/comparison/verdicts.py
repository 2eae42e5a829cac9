"""Whether one candidate is better than another: paired by question, tested, never guessed.

better, worse   the mean paired difference is not 0: sign-flip permutation p <= 0.05 and an interval without 0
unchanged       neither, and the whole interval lies within what makes no difference in practice (MARGINS)
incomparable    everything else, with the reason; also where the questions asked leave it open ("undecided")
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from adapters_core.comparison.records import (
    LOWER_IS_BETTER,
    MARGINS,
    SHARE_MARGIN,
    Answered,
    Candidate,
    Question,
    Score,
    Suite,
    Verdict,
    Word,
)
from adapters_core.evaluation.intervals import Difference, bootstrap_interval, paired_difference

LEVEL = 0.05
FEWEST = 6
"""Units below which the test cannot answer yes: the smallest p of n signs is 2 / 2**n, above 0.05 for n < 6."""
SEED = 0
Unit = Literal["document", "question"]


def judge(mine: Candidate, other: Candidate, *, suite: Suite, metric: str) -> Verdict:
    """A candidate against another one by a metric of a suite."""
    if mine.base != other.base:
        return Verdict(word="incomparable", reason="different_base")
    first, second = values_of(mine.answers, suite, metric), values_of(other.answers, suite, metric)
    for values, candidate, reason in ((first, mine, "not_measured"), (second, other, "other_not_measured")):
        if not values:
            known = (suite, metric) in candidate.stated
            return Verdict(word="incomparable", reason="report_missing" if known else reason)
    return _judge_values(first, second, metric)


def _judge_values(mine: Mapping[Question, float], other: Mapping[Question, float], metric: str) -> Verdict:
    """Paired values of two candidates, by question."""
    common = sorted(mine.keys() & other.keys())
    if not common:
        return Verdict(word="incomparable", reason="no_common_questions")
    unit, clusters = _units(common)
    first, second = [mine[question] for question in common], [other[question] for question in common]
    difference = paired_difference(first, second, seed=SEED, clusters=clusters)
    if difference is None or len(set(clusters)) < FEWEST:
        return Verdict(word="incomparable", reason="too_few", difference=difference, unit=unit, questions=len(common))
    word, reason = _word(difference, metric)
    return Verdict(word=word, reason=reason, difference=difference, unit=unit, questions=len(common))


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


def _word(difference: Difference, metric: str) -> tuple[Word, str]:
    if _shown(difference):
        less = difference.interval.value < 0
        return "better" if less == (metric in LOWER_IS_BETTER) else "worse", "shown"
    low, high, margin = difference.interval.low, difference.interval.high, MARGINS.get(metric, SHARE_MARGIN)
    if low is not None and high is not None and -margin <= low and high <= margin:
        return "unchanged", "same"
    return "incomparable", "undecided"


def _shown(difference: Difference) -> bool:
    low, high = difference.interval.low, difference.interval.high
    apart = low is not None and high is not None and (low > 0 or high < 0)
    return apart and difference.p_value is not None and difference.p_value <= LEVEL
