"""One evaluation: every method takes every document in and is asked the same questions."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from adapters_core.errors import InputError
from adapters_core.evaluation.baselines import Measured, taken_over
from adapters_core.evaluation.finetuning import FULL_TRAINING, LORA_TRAINING, FineTuning, FullyTuned, LoraTuned
from adapters_core.evaluation.methods import (
    AdapterCache,
    AdapterSource,
    GeneratedAdapter,
    InPrompt,
    Method,
    NoContext,
    derangement,
)
from adapters_core.evaluation.metrics import contains, exact_match, f1
from adapters_core.evaluation.provenance import describe, evaluation_key, sampled
from adapters_core.evaluation.question_files import Question, SuiteDocument
from adapters_core.evaluation.report import AdaptationRow, QuestionRow, Report
from adapters_core.evaluation.suites import Suite
from adapters_core.evaluation.summaries import summarise

METHODS = ("none", "prompt", "adapter", "wrong", "lora", "full")
DEFAULT_METHODS = ("none", "prompt", "adapter", "wrong")
Progress = Callable[[int, int, str], None]
"""Called with (questions done, questions in all, what was done): a question counts once for every method."""


def no_progress(_done: int, _total: int, _what: str) -> None:
    """Report nothing."""


def evaluate(
    core: AdapterSource,
    suite: Suite,
    methods: Sequence[str | Method] = DEFAULT_METHODS,
    *,
    limit: int | None = None,
    seed: int = 0,
    answers: bool = False,
    lora: FineTuning = LORA_TRAINING,
    full: FineTuning = FULL_TRAINING,
    baselines: Sequence[Report] = (),
    progress: Progress = no_progress,
) -> Report:
    """Ask every question under every method.

    The control ``wrong`` always comes with ``adapter``: an adapter's gain means little without it. Recovery needs
    ``none`` and ``prompt`` among the methods.

    Args:
        core: base and generator.
        suite: documents and questions.
        methods: names out of :data:`METHODS`, or methods of your own.
        limit: most questions, drawn document by document by the seed; the control may use any document of the suite.
        seed: of the sample and the bootstrap.
        answers: also let the base answer, for F1, exact match and contains (slow: one pass a token).
        lora: how LoRA is trained on a context.
        full: how all weights are trained on a context.
        baselines: earlier reports whose rows of methods that know no generator are taken over.
        progress: told after each document and method.

    Raises:
        InputError: baselines of another base, other questions or another precision; an unknown or repeated method,
            no question, or a single document where a control is needed.
        ContextError: a document does not fit.
    """
    started, created = time.perf_counter(), datetime.now(UTC)
    asked = sampled(suite, limit, seed)
    chosen = choose_methods(core, suite, methods, seed=seed, lora=lora, full=full)
    known = taken_over(baselines, asked, core, [method.name for method in chosen], answers=answers)
    tally = _Tally(total=asked.question_count * len(chosen), answers=answers, progress=progress)
    for name, measured in known.items():
        tally.take_over(name, measured)
    for document in asked.documents:
        for method in chosen:
            if method.name not in known:
                tally.take(method, document)
    return Report(
        provenance=describe(
            core,
            asked,
            limit=limit,
            seed=seed,
            created_at=created.isoformat(timespec="milliseconds"),
            seconds=time.perf_counter() - started,
            reused={name: measured.code_version for name, measured in known.items()},
        ),
        methods=summarise(tally.in_order(chosen), tally.adaptations, seed=seed),
        questions=tuple(tally.questions),
        adaptations=tuple(tally.adaptations),
        norms={path: fmean(values) for path, values in tally.norms.items()},
    )


def choose_methods(
    core: AdapterSource,
    suite: Suite,
    asked: Sequence[str | Method],
    *,
    seed: int = 0,
    lora: FineTuning = LORA_TRAINING,
    full: FineTuning = FULL_TRAINING,
) -> tuple[Method, ...]:
    """Methods by name, ``wrong`` put right after ``adapter`` where it is missing; arguments as in :func:`evaluate`.

    Raises:
        InputError: an unknown or repeated method, or a single document where a control is needed.
    """
    names = [method if isinstance(method, str) else method.name for method in asked]
    if not names or len(set(names)) != len(names):
        raise InputError(f"methods must be distinct and at least one, got {names}")
    wanted: list[str | Method] = list(asked)
    if "adapter" in names and "wrong" not in names:
        wanted.insert(names.index("adapter") + 1, "wrong")
    cache = AdapterCache(source=core, key=evaluation_key(suite, seed))
    makers: dict[str, Callable[[], Method]] = {
        "none": lambda: NoContext(base=core.base),
        "prompt": lambda: InPrompt(base=core.base),
        "adapter": lambda: GeneratedAdapter(cache=cache),
        "wrong": lambda: GeneratedAdapter(cache=cache, name="wrong", stand_ins=derangement(suite.documents)),
        "lora": lambda: LoraTuned(base=core.base, training=lora),
        "full": lambda: FullyTuned(base=core.base, training=full),
    }
    if unknown := [m for m in wanted if isinstance(m, str) and m not in makers]:
        raise InputError(f"methods must be among {', '.join(makers)}, got {', '.join(map(str, unknown))}")
    return tuple(makers[method]() if isinstance(method, str) else method for method in wanted)


@dataclass(kw_only=True, eq=False)
class _Tally:
    """Rows as they come in."""

    total: int
    answers: bool
    progress: Progress

    def __post_init__(self) -> None:
        self.questions: list[QuestionRow] = []
        self.adaptations: list[AdaptationRow] = []
        self.norms: dict[str, list[float]] = {}

    def take(self, method: Method, document: SuiteDocument) -> None:
        """Adapt to a document and ask its questions."""
        with method.adapt(document) as adapted:
            started = time.perf_counter()
            losses = adapted.score(document.questions)
            said: Sequence[str | None] = [None] * len(losses)
            if self.answers:
                said = adapted.answer(document.questions)
            seconds = time.perf_counter() - started
            if adapted.adapter and method.name == "adapter":
                for path, norms in adapted.adapter.manifest.identity.norms.items():
                    self.norms.setdefault(path, []).append(norms.frobenius)
        rows = zip(document.questions, losses, said, strict=True)
        self.questions += [_row(document, method, *row) for row in rows]
        self.adaptations.append(
            AdaptationRow(
                document=document.name,
                method=method.name,
                seconds=adapted.seconds,
                nbytes=adapted.nbytes,
                adapter=adapted.adapter.digest if adapted.adapter else None,
                answer_seconds=seconds,
            )
        )
        self.progress(len(self.questions), self.total, f"{method.name}: {document.name}")

    def take_over(self, method: str, measured: Measured) -> None:
        """Rows that were measured before."""
        self.questions += measured.questions
        self.adaptations += measured.adaptations
        self.progress(len(self.questions), self.total, f"{method}: from an earlier report")

    def in_order(self, methods: Sequence[Method]) -> list[QuestionRow]:
        """All rows, method by method."""
        return [row for method in methods for row in self.questions if row.method == method.name]


def _row(document: SuiteDocument, method: Method, question: Question, nll: float, answer: str | None) -> QuestionRow:
    known = answer is not None and bool(question.remembered)
    return QuestionRow(
        document=document.name,
        question=question.id,
        method=method.name,
        nll=nll,
        answer=answer,
        f1=None if answer is None else f1(answer, question.answers),
        exact_match=None if answer is None else exact_match(answer, question.answers),
        contains=None if answer is None else contains(answer, question.answers),
        remembered=contains(answer, question.remembered) if known and answer is not None else None,
    )
