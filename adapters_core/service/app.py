"""The ASGI app over one service: the same under uvicorn and on Ray Serve."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from adapters_core.errors import RingiError
from adapters_core.service.auth import BearerAuth
from adapters_core.service.core_service import CoreService
from adapters_core.service.intake import Intake
from adapters_core.service.journal import Journal
from adapters_core.service.problems import BY_STATUS, STATUS, Problem
from adapters_core.service.routes import answers, generation, measures, models, state
from adapters_core.service.streams import CallerGoneError

CLIENT_CLOSED = 499
"""Status of a request whose caller went away; nobody reads it but the journal."""


def create_app(service: CoreService) -> ASGIApp:
    """The app of a service; its shutdown finishes what was taken and ends the model's thread."""
    settings = service.settings

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(title="Ringi core", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    for module in (generation, measures, models, answers, state):
        app.include_router(module.router)
    app.add_exception_handler(RingiError, _ringi_problem)
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(CallerGoneError, _nobody)
    app.add_exception_handler(Exception, _ringi_problem)
    intake = Intake(app, body_bytes=settings.body_bytes, concurrent_requests=settings.concurrent_requests)
    return Journal(BearerAuth(intake, settings.token), service.metrics)


def _answer(request: Request, problem: Problem) -> Response:
    request.state.problem = problem.code
    status, headers, body = problem.answer(request.url.path, request.state.request_id)
    return Response(body, status_code=status, headers=headers)


def _ringi_problem(request: Request, error: Exception) -> Response:
    return _answer(request, Problem.of(error) if isinstance(error, RingiError) else Problem.unexpected())


def _validation_problem(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    malformed = any(one["type"] == "json_invalid" for one in found)
    # the values stay out: what is wrong is said, not what was sent
    errors = [
        {"field": ".".join(map(str, one["loc"][1:])), "message": str(one["msg"]).removeprefix("Value error, ")}
        for one in found
    ]
    detail = (
        "the body must be JSON" if malformed else "; ".join(f"{e['field'] or 'body'}: {e['message']}" for e in errors)
    )
    problem = Problem(
        status=400 if malformed else 422,
        code="invalid_input",
        title=STATUS["invalid_input"][1],
        detail=detail[:2000],
        errors=[] if malformed else errors[:20],
    )
    return _answer(request, problem)


def _http_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = BY_STATUS.get(status, "invalid_input")
    detail = str(error.detail) if isinstance(error, HTTPException) else ""
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return _answer(request, Problem(status=status, code=code, title=detail, detail=detail, headers=headers))


def _nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED)
