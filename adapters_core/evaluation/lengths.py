"""Recovery against the length of the context: from a sentence around the answer to many documents around one.

A context of n tokens holds the gold answer of its question: below the document's length it is a window of the document
around the answer, above it the document among other documents of the suite, at a random place. The control is a context
of the same length, made in the same way around another document, without the question's own.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters_core.data.documents import Document
from adapters_core.data.tokens import text_ids, text_spans
from adapters_core.errors import InputError
from adapters_core.evaluation.intervals import Interval, bootstrap_interval
from adapters_core.evaluation.methods import Adapted, AdapterSource
from adapters_core.evaluation.metrics import recovery, specific_recovery
from adapters_core.evaluation.question_files import Question, SuiteDocument
from adapters_core.evaluation.report import UNDEFINED, Recovery
from adapters_core.evaluation.suites import Suite
from adapters_core.modeling.lora import Pairs

LENGTHS = (16, 64, 256, 512, 1024, 2048, 4096, 8192)
_ROOM = 128
"""Tokens of the base's window left for a question and its answer."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class LengthPoint:
    """All methods at one length; intervals are resampled by context."""

    tokens: int
    """Of the contexts, on average."""
    questions: int
    none: Interval
    """Gold-answer NLL, nats per token, as all of these."""
    prompt: Interval | None
    """None: the context does not fit the base's window beside a question."""
    adapter: Interval
    wrong: Interval
    recovery: Recovery
    """None where there is no prompt to compare with, as below."""
    specific_recovery: Recovery


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A question and a context of the wanted length that holds its answer."""

    question: Question
    context: str
    control: str
    tokens: int


def measure_lengths(
    core: AdapterSource,
    suite: Suite,
    *,
    lengths: Sequence[int] = LENGTHS,
    questions: int = 24,
    seed: int = 0,
    progress: Progress = lambda _done, _total, _what: None,
) -> tuple[LengthPoint, ...]:
    """Measure every length.

    Args:
        core: base and generator.
        suite: documents and questions; questions whose answer is not in the text word for word are left out.
        lengths: tokens of the contexts, in any order; those that the suite's documents together do not reach are
            left out.
        questions: how many are asked at each length, each on a context of its own.
        seed: of the draw.
        progress: told after each length.

    Raises:
        InputError: a single document, or no question whose answer stands in its document.
    """
    asked = _askable(suite, questions, seed)
    points = []
    for done, length in enumerate(sorted(lengths), start=1):
        placer = _Placer(core=core, suite=suite, length=length, seed=seed)
        placed = [placer.place(document, question) for document, question in asked]
        fitting = [found for found in placed if found is not None]
        if fitting:
            points.append(_point(core, fitting, seed))
        progress(done, len(lengths), f"{length} tokens")
    return tuple(points)


def _askable(suite: Suite, count: int, seed: int) -> list[tuple[SuiteDocument, Question]]:
    found = [(d, q) for d in suite.documents for q in d.questions if q.answers[0] in d.text]
    if not found or len(suite.documents) < 2:  # noqa: PLR2004  # one and its control
        raise InputError(
            "lengths need at least 2 documents and a question whose answer stands in its document, "
            f"got {len(suite.documents)} and {len(found)}"
        )
    return random.Random(seed).sample(found, min(count, len(found)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Placer:
    """Makes contexts of a length for questions of a suite."""

    core: AdapterSource
    suite: Suite
    length: int
    seed: int

    def place(self, document: SuiteDocument, question: Question) -> _Placed | None:
        """A context that holds the question's answer, and its control; None: the suite has too little text."""
        rng = random.Random(f"{self.seed}/{document.name}/{question.id}/{self.length}")
        text = self._long_enough(document, rng, without=())
        start = text.index(document.text) + document.text.index(question.answers[0])
        context = self._window(text, (start, start + len(question.answers[0])), rng)
        other = rng.choice([d for d in self.suite.documents if d.name != document.name])
        around = self._long_enough(other, rng, without=(document.name,))
        start = around.index(other.text) + rng.randrange(len(other.text))
        control = self._window(around, (start, start + 1), rng)
        if context is None or control is None:
            return None
        return _Placed(question=question, context=context, control=control, tokens=self.length)

    def _long_enough(self, document: SuiteDocument, rng: random.Random, *, without: Sequence[str]) -> str:
        """The document with others of the suite before and after it, at least of the length where they suffice."""
        others = [other.text for other in self.suite.documents if other.name not in {document.name, *without}]
        rng.shuffle(others)
        parts, tokens = [document.text], _count(self.core, document.text)
        for other in others:
            if tokens >= self.length:
                break
            parts.insert(rng.randrange(len(parts) + 1), other)
            tokens += _count(self.core, other)
        return "\n\n".join(parts)

    def _window(self, text: str, answer: tuple[int, int], rng: random.Random) -> str | None:
        """So much of the text with the answer in it; None: the text or the length is too short for that."""
        _, spans = text_spans(self.core.base.require_tokenizer(), text)
        inside = [index for index, (start, end) in enumerate(spans) if end > answer[0] and start < answer[1]]
        first, last = max(0, inside[-1] - self.length + 1), min(inside[0], len(spans) - self.length)
        if first > last:
            return None
        begin = rng.randint(first, last)
        return text[spans[begin][0] : spans[begin + self.length - 1][1]]


def _count(core: AdapterSource, text: str) -> int:
    return len(text_ids(core.base.require_tokenizer(), text))


def _point(core: AdapterSource, placed: Sequence[_Placed], seed: int) -> LengthPoint:
    limit = core.base.max_context
    fits = limit is None or placed[0].tokens + _ROOM <= limit
    columns: dict[str, list[float]] = {name: [] for name in ("none", "prompt", "adapter", "wrong")}
    for found in placed:
        adapter, control = (
            core.generate([Document(name="context", text=text)], key=bytes(32)).adapter.pairs
            for text in (found.context, found.control)
        )
        ways: dict[str, tuple[Pairs, str | None]] = {
            "none": ({}, None),
            "adapter": (adapter, None),
            "wrong": (control, None),
        }
        if fits:
            ways["prompt"] = ({}, found.context)
        for name, (pairs, context) in ways.items():
            adapted = Adapted(base=core.base, pairs=pairs, context=context, seconds=0.0, nbytes=0)
            columns[name] += adapted.score([found.question])
    none, prompt, own, wrong = (columns[name] for name in ("none", "prompt", "adapter", "wrong"))
    share = specific = None
    if fits:
        share = _share(recovery(none=none, prompt=prompt, adapter=own, seed=seed))
        specific = _share(specific_recovery(none=none, prompt=prompt, adapter=own, wrong=wrong, seed=seed))
    return LengthPoint(
        tokens=placed[0].tokens,
        questions=len(placed),
        none=_mean(columns["none"], seed),
        prompt=_mean(columns["prompt"], seed) if fits else None,
        adapter=_mean(columns["adapter"], seed),
        wrong=_mean(columns["wrong"], seed),
        recovery=share,
        specific_recovery=specific,
    )


def _mean(values: Sequence[float], seed: int) -> Interval:
    found = bootstrap_interval(values, seed=seed)
    if found is None:
        raise InputError("a length needs at least one question, got none")
    return found


def _share(found: Interval | None) -> Recovery:
    return UNDEFINED if found is None else found
