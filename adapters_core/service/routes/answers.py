"""Completions and chat completions, whole or streamed."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from adapters_core.errors import RingiError
from adapters_core.service import openai_answers as forms
from adapters_core.service.answering import Answering
from adapters_core.service.decoding import Piece, Prompt
from adapters_core.service.openai_contract import ChatCompletion, ChatRequest, Completion, CompletionRequest
from adapters_core.service.problems import Problem
from adapters_core.service.routes.jobs import Service
from adapters_core.service.streams import event, event_response, unless_gone

router = APIRouter(tags=["inference"])
END = "data: [DONE]\n\n"


@router.post("/v1/chat/completions", response_model=ChatCompletion)
async def chat(body: ChatRequest, request: Request, service: Service) -> Response:
    """Answer a conversation."""
    model = await run_in_threadpool(service.shelf.resolve, body.model)
    prompt = await run_in_threadpool(service.answering.chat_prompt, body, model.pairs)
    heading = forms.Heading.new("chatcmpl", model.name)
    text = service.answering.token_text if body.logprobs else None
    if not body.stream:
        (pieces,) = await _whole(request, service.answering, [prompt])
        return _json(forms.chat_completion(heading, prompt, pieces, text))
    pieces_on_the_way = await _begun(request, service.answering, prompt)

    async def events() -> AsyncGenerator[str]:
        yield _event(forms.chat_opening(heading))
        count = 0
        async with aclosing(pieces_on_the_way):
            async for piece in pieces_on_the_way:
                count += 1
                if piece.text or piece.finish or text:
                    yield _event(forms.chat_chunk(heading, piece, text))
        if body.stream_options and body.stream_options.include_usage:
            yield _event(forms.chat_usage(heading, forms.usage([prompt], count)))

    return event_response(_to_the_end(request, events()))


@router.post("/v1/completions", response_model=Completion)
async def complete(body: CompletionRequest, request: Request, service: Service) -> Response:
    """Continue text, or several."""
    model = await run_in_threadpool(service.shelf.resolve, body.model)
    prompts = await run_in_threadpool(service.answering.completion_prompts, body, model.pairs)
    heading = forms.Heading.new("cmpl", model.name)
    text = service.answering.token_text if body.logprobs is not None else None
    if not body.stream:
        answers = await _whole(request, service.answering, prompts)
        choices = [forms.completion_choice(index, pieces, text) for index, pieces in enumerate(answers)]
        count = sum(map(len, answers))
        return _json(forms.completion(heading, choices, forms.usage(prompts, count)))
    pieces_on_the_way = await _begun(request, service.answering, prompts[0])

    async def events() -> AsyncGenerator[str]:
        count = offset = 0
        async with aclosing(pieces_on_the_way):
            async for piece in pieces_on_the_way:
                count += 1
                if piece.text or piece.finish or text:
                    choice = forms.completion_choice(0, [piece], text, offset=offset)
                    yield _event(forms.completion(heading, [choice]))
                offset += len(piece.text)
        if body.stream_options and body.stream_options.include_usage:
            yield _event(forms.completion(heading, [], forms.usage(prompts, count)))

    return event_response(_to_the_end(request, events()))


async def _whole(request: Request, answering: Answering, prompts: Sequence[Prompt]) -> list[list[Piece]]:
    """All pieces of all answers; given up together when the caller goes or one of them fails."""

    async def collect(prompt: Prompt) -> list[Piece]:
        async with aclosing(answering.pieces(prompt)) as pieces:
            return [piece async for piece in pieces]

    async def all_of_them() -> list[list[Piece]]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(collect(prompt)) for prompt in prompts]
        return [task.result() for task in tasks]

    try:
        return await unless_gone(request, all_of_them(), give_up=lambda: None)
    except* RingiError as errors:
        raise errors.exceptions[0] from None


async def _begun(request: Request, answering: Answering, prompt: Prompt) -> AsyncGenerator[Piece]:
    """An answer whose first piece is there: what fails before it is answered with a status of its own."""
    pieces = answering.pieces(prompt)
    first = await unless_gone(request, anext(pieces), give_up=lambda: None)

    async def all_pieces() -> AsyncGenerator[Piece]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return all_pieces()


async def _to_the_end(request: Request, events: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """The events of a stream, an error among them where one ends it, and the mark of the end."""
    try:
        async for item in events:
            yield item
    except RingiError as error:
        request.state.problem = error.code
        _, _, body = Problem.of(error).answer(request.url.path, request.state.request_id)
        yield event(json.loads(body))
    yield END


def _event(data: BaseModel) -> str:
    tree = data.model_dump(mode="json", exclude_none=True)
    for choice in tree["choices"]:
        choice.setdefault("finish_reason", None)  # absent fields say nothing, but this one says that it goes on
    return event(tree)


def _json(data: BaseModel) -> JSONResponse:
    return JSONResponse(data.model_dump(mode="json"))
