"""What an answer is worth, and what an adapter recovers of the context it was generated from."""

import re
import string
from collections import Counter
from collections.abc import Hashable, Sequence

from adapters_core.errors import InputError
from adapters_core.evaluation.intervals import (
    LEVEL,
    RESAMPLES,
    Difference,
    Floats,
    Interval,
    bootstrap_interval,
    paired_difference,
    ratio_interval,
)

__all__ = [
    "Difference",
    "Interval",
    "bootstrap_interval",
    "contains",
    "exact_match",
    "f1",
    "normalise_answer",
    "paired_difference",
    "recovery",
    "specific_recovery",
]

_CJK = "\u2e80"  # from here on scripts are written without spaces


def normalise_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, without English articles, single spaces (rules of SQuAD 1.1)."""
    bare = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1.0 where the normalised prediction equals one of the normalised answers, else 0.0."""
    return float(any(normalise_answer(prediction) == normalise_answer(answer) for answer in _given(answers)))


def f1(prediction: str, answers: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over normalised words, best over the answers, in [0, 1]."""
    return max(
        _f1(normalise_answer(prediction).split(), normalise_answer(answer).split()) for answer in _given(answers)
    )


def contains(prediction: str, answers: Sequence[str]) -> float:
    """1.0 where one of the normalised answers stands in the normalised prediction as whole words, else 0.0.

    An answer of nothing but articles and punctuation is found nowhere. Scripts without spaces need no word edges.
    """
    said = normalise_answer(prediction)
    return float(any(_stands_in(normalise_answer(answer), said) for answer in _given(answers)))


def _given(answers: Sequence[str]) -> Sequence[str]:
    if isinstance(answers, str) or not answers:
        raise InputError(f"answers must be a sequence of at least one text, got {answers!r}")
    return answers


def _f1(said: list[str], gold: list[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    shared = (Counter(said) & Counter(gold)).total()
    return 2 * shared / (len(said) + len(gold))


def _stands_in(answer: str, said: str) -> bool:
    start = said.find(answer) if answer else -1
    while start >= 0:
        end = start + len(answer)
        if not _joined(said[start - 1 : start], answer[0]) and not _joined(answer[-1], said[end : end + 1]):
            return True
        start = said.find(answer, start + 1)
    return False


def _joined(left: str, right: str) -> bool:
    """Whether two neighbouring characters belong to one word."""
    return left.isalnum() and right.isalnum() and max(left, right) < _CJK


def recovery(
    *,
    none: Sequence[float] | Floats,
    adapter: Sequence[float] | Floats,
    prompt: Sequence[float] | Floats,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    clusters: Sequence[Hashable] | None = None,
) -> Interval | None:
    """Share of what the context in the prompt brings that the adapter brings too.

    ``(none - adapter) / (none - prompt)`` as a ratio of means of losses (lower is better), such as gold-answer
    NLL per token. 0: no effect; 1: as good as the prompt; below 0: harm.

    Returns:
        None where the prompt does not help (denominator not above 0) or there are no values. Bounds are None where
        more resamples than lie outside one end of the level have no ratio.

    Raises:
        InputError: lengths differ, or an option is out of its bounds.
        NumericalError: a value is not finite.
    """
    return ratio_interval([none, adapter, none, prompt], clusters, seed=seed, resamples=resamples, level=level)


def specific_recovery(
    *,
    none: Sequence[float] | Floats,
    prompt: Sequence[float] | Floats,
    adapter: Sequence[float] | Floats,
    wrong: Sequence[float] | Floats,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    clusters: Sequence[Hashable] | None = None,
) -> Interval | None:
    """Recovery that is due to this document and not to style: ``(wrong - adapter) / (none - prompt)``.

    ``wrong`` holds the losses under the adapter of another document. See :func:`recovery` for the rest.
    """
    return ratio_interval([wrong, adapter, none, prompt], clusters, seed=seed, resamples=resamples, level=level)
