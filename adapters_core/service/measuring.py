"""Questions asked of the model under adapters that are there already; suites whose documents get their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from adapters_core.errors import InputError
from adapters_core.evaluation.methods import Adapted
from adapters_core.evaluation.metrics import contains, exact_match, f1
from adapters_core.evaluation.question_files import Question, parse_squad
from adapters_core.evaluation.runner import evaluate
from adapters_core.evaluation.suites import Suite
from adapters_core.modeling.base_model import BaseModel
from adapters_core.pipeline import GenerationCore
from adapters_core.service.adapters import ResolvedModel
from adapters_core.service.measures_contract import (
    EvaluateRequest,
    QuestionIn,
    QuestionsAnswer,
    QuestionScore,
    SuiteAnswer,
)

SUITE_METHODS = ("none", "prompt", "adapter", "wrong")
"""Fine-tuning is no work for a process that answers others meanwhile."""
QUESTIONS_AT_ONCE = 32
"""Questions between two pauses for other work."""
Tell = Callable[[int, int], None]
"""Called with (questions done, questions in all) where no adapter is applied."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QuestionPlan:
    """Questions and the ways they are asked."""

    questions: tuple[Question, ...]
    ways: Mapping[str, Adapted]
    """By method."""
    adapter: str | None
    wrong: str | None


def plan_questions(
    base: BaseModel, request: EvaluateRequest, *, adapter: ResolvedModel | None, wrong: ResolvedModel | None
) -> QuestionPlan:
    """What a request asks for.

    Raises:
        InputError: an id comes twice.
    """
    questions = tuple(_question(place, given) for place, given in enumerate(request.questions))
    if len({question.id for question in questions}) != len(questions):
        raise InputError("each question must have an id of its own")
    ways = {"none": Adapted(base=base, pairs={}, context=None, seconds=0.0, nbytes=0)}
    if request.context is not None:
        ways["prompt"] = Adapted(base=base, pairs={}, context=request.context, seconds=0.0, nbytes=0)
    for name, model in (("adapter", adapter), ("wrong", wrong)):
        if model is not None:
            ways[name] = Adapted(base=base, pairs=model.pairs or {}, context=None, seconds=0.0, nbytes=0)
    return QuestionPlan(
        questions=questions,
        ways={name: ways[name] for name in request.methods or ways},
        adapter=adapter.digest if adapter else None,
        wrong=wrong.digest if wrong else None,
    )


def ask(plan: QuestionPlan, base: BaseModel, *, answers: bool, tell: Tell) -> QuestionsAnswer:
    """Ask all questions in all ways. Raises as :meth:`Adapted.score`."""
    total = len(plan.ways) * len(plan.questions)
    scores: list[QuestionScore] = []
    for method, adapted in plan.ways.items():
        for start in range(0, len(plan.questions), QUESTIONS_AT_ONCE):
            asked = plan.questions[start : start + QUESTIONS_AT_ONCE]
            losses = adapted.score(asked)
            said: Sequence[str | None] = adapted.answer(asked) if answers else [None] * len(asked)
            scores += [_score(*row, method) for row in zip(asked, losses, said, strict=True)]
            tell(len(scores), total)
    nll = {method: fmean(score.nll for score in scores if score.method == method) for method in plan.ways}
    return QuestionsAnswer(base=base.digest, adapter=plan.adapter, wrong=plan.wrong, nll=nll, questions=tuple(scores))


def parse_suite(request: EvaluateRequest, *, most: int) -> Suite:
    """The suite of a request.

    Raises:
        InputError: it is not in the format, or has more questions than the service takes.
    """
    suite = Suite(name="squad", documents=parse_squad(request.suite, place="suite"))
    asked = min(suite.question_count, request.limit or suite.question_count)
    if asked > most:
        raise InputError(f"an evaluation may ask at most {most} questions, got {asked}: set limit")
    return suite


def ask_suite(core: GenerationCore, suite: Suite, request: EvaluateRequest, *, tell: Tell) -> SuiteAnswer:
    """Evaluate a suite. Raises as :func:`evaluate`."""
    report = evaluate(
        core,
        suite,
        request.methods or SUITE_METHODS,
        limit=request.limit,
        seed=request.seed,
        answers=request.answers,
        progress=lambda done, total, _what: tell(done, total),
    )
    return SuiteAnswer(report=report.to_json())


def _question(place: int, given: QuestionIn) -> Question:
    return Question(
        id=given.id or str(place), question=given.question, answers=given.answers, remembered=given.remembered
    )


def _score(question: Question, nll: float, answer: str | None, method: str) -> QuestionScore:
    score = partial(QuestionScore, question=question.id, method=method, nll=nll, answer=answer)
    if answer is None:
        return score(f1=None, exact_match=None, contains=None, remembered=None)
    return score(
        f1=f1(answer, question.answers),
        exact_match=exact_match(answer, question.answers),
        contains=contains(answer, question.answers),
        remembered=contains(answer, question.remembered) if question.remembered else None,
    )
