"""Requests whose work takes a while: the result when it is there, or its progress on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Literal, TypeVar

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from adapters_core.errors import RingiError
from adapters_core.service.contract import Progress
from adapters_core.service.core_service import CoreService
from adapters_core.service.problems import Problem
from adapters_core.service.streams import (
    EVENT_STREAM,
    KEEP_ALIVE,
    KEEP_ALIVE_SECONDS,
    Channel,
    event,
    event_response,
    unless_gone,
)
from adapters_core.service.turns import Job

T = TypeVar("T")
Tell = Callable[[int, int], None]
Done = Literal["done"]


def service_of(request: Request) -> CoreService:
    """The service behind an app."""
    service: CoreService = request.app.state.service
    return service


Service = Annotated[CoreService, Depends(service_of)]


async def answer_job(
    request: Request, begin: Callable[[Tell], Job[T]], finish: Callable[[T], Awaitable[BaseModel]]
) -> Response:
    """Begin a job and answer with its result; callers that accept an event stream are told of its progress.

    Args:
        request: whose caller waits, and may go.
        begin: checks the request and begins the job; runs beside the event loop, as it may read files.
        finish: makes the answer from the result.

    Raises:
        RingiError: what ``begin`` finds wrong, and (where no events were asked for) what the job fails with.
    """
    channel: Channel[Progress | Done] = Channel()
    job = await run_in_threadpool(begin, lambda done, total: channel.put(Progress(done=done, total=total)))
    if EVENT_STREAM in request.headers.get("accept", ""):
        return event_response(_events(request, job, channel, finish))
    result = await unless_gone(request, asyncio.wrap_future(job.future), give_up=job.cancel)
    return JSONResponse((await finish(result)).model_dump(mode="json"))


async def _events(
    request: Request, job: Job[T], channel: "Channel[Progress | Done]", finish: Callable[[T], Awaitable[BaseModel]]
) -> AsyncIterator[str]:
    waiting = asyncio.wrap_future(job.future)
    waiting.add_done_callback(lambda _: channel.put("done"))
    try:
        while (item := await channel.get_within(KEEP_ALIVE_SECONDS)) != "done":
            yield KEEP_ALIVE if item is None else event(item.model_dump(mode="json"), name="progress")
        answer = await finish(await waiting)
        yield event(answer.model_dump(mode="json"), name="result")
    except RingiError as error:
        request.state.problem = error.code
        yield event(Problem.of(error).to_json(request.state.request_id), name="error")
    except Exception:
        yield event(Problem.unexpected().to_json(request.state.request_id), name="error")
        raise
    finally:
        if not job.future.done():
            job.cancel()
