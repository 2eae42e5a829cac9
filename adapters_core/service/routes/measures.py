"""Evaluation and attribution."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from adapters_core.errors import InputError, UnknownAdapterError
from adapters_core.explain import Attribution, attribute
from adapters_core.service.adapters import ResolvedModel
from adapters_core.service.core_service import CoreService
from adapters_core.service.measures_contract import (
    AttributeRequest,
    AttributionAnswer,
    EvaluateRequest,
    QuestionsAnswer,
    SuiteAnswer,
)
from adapters_core.service.measuring import ask, ask_suite, parse_suite, plan_questions
from adapters_core.service.routes.jobs import Service, Tell, answer_job
from adapters_core.service.turns import Job, Turn

router = APIRouter(tags=["measures"])


@router.post("/v1/evaluate", response_model=QuestionsAnswer | SuiteAnswer)
async def evaluate(body: EvaluateRequest, request: Request, service: Service) -> Response:
    """Ask questions under adapters, or evaluate a suite."""
    begin = _begin_questions if body.suite is None else _begin_suite
    return await answer_job(request, lambda tell: begin(body, service, tell), _as_it_is)


@router.post("/v1/attribute", response_model=AttributionAnswer)
async def attribution(body: AttributeRequest, request: Request, service: Service) -> Response:
    """Attribute an adapter, and an answer, to the context it was made from."""
    return await answer_job(request, lambda tell: _begin_attribution(body, service, tell), _attribution_answer)


def _begin_questions(body: EvaluateRequest, service: CoreService, tell: Tell) -> Job[BaseModel]:
    if len(body.questions) > service.settings.questions:
        raise InputError(
            f"an evaluation may ask at most {service.settings.questions} questions, got {len(body.questions)}"
        )
    base = service.core.base
    plan = plan_questions(base, body, adapter=_resolved(service, body.adapter), wrong=_resolved(service, body.wrong))

    def work(turn: Turn) -> BaseModel:
        return ask(plan, base, answers=body.answers, tell=_pausing(turn, tell))

    return service.scheduler.submit(work)


def _begin_suite(body: EvaluateRequest, service: CoreService, tell: Tell) -> Job[BaseModel]:
    suite = parse_suite(body, most=service.settings.questions)

    def work(turn: Turn) -> BaseModel:
        return ask_suite(service.core, suite, body, tell=_pausing(turn, tell))

    return service.scheduler.submit(work)


def _begin_attribution(body: AttributeRequest, service: CoreService, tell: Tell) -> Job[Attribution]:
    session = service.store.read(body.adapter)
    documents = service.documents(body.documents)

    def work(turn: Turn) -> Attribution:
        return attribute(
            service.core,
            session,
            documents,
            question=body.question,
            answer=body.answer,
            steps=body.steps,
            progress=_pausing(turn, tell),
        )

    return service.scheduler.submit(work)


def _resolved(service: CoreService, adapter: str | None) -> ResolvedModel | None:
    """An adapter by its name or by the digest of a session."""
    if adapter is None:
        return None
    try:
        return service.shelf.of_digest(adapter)
    except UnknownAdapterError:
        return service.shelf.resolve(adapter)


def _pausing(turn: Turn, tell: Tell) -> Tell:
    def told(done: int, total: int) -> None:
        tell(done, total)
        turn.pause()

    return told


async def _as_it_is(answer: BaseModel) -> BaseModel:
    return answer


async def _attribution_answer(found: Attribution) -> BaseModel:
    return AttributionAnswer.model_validate(found.to_json())
