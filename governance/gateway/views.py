"""The OpenAI interface of slots: the model is a slot's name, the answer names the adapter that gave it."""

import asyncio
import json
from typing import Any

import httpx
from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from adapters_core.errors import (
    AccessError,
    BusyError,
    DeniedError,
    EngineError,
    InputError,
    RingiError,
    UnknownAdapterError,
)
from governance.gateway.forwarding import forward, open_client
from governance.gateway.pointing import BARE, Pointer, pointer, slots_served
from governance.installation import installation

ADAPTER_HEADER = "X-Ringi-Adapter"
DEPLOYMENT_HEADER = "X-Ringi-Deployment"
LONGEST_BODY = 4 * 2**20
_STATUS: tuple[tuple[type[RingiError], int], ...] = (
    (DeniedError, 403),
    (AccessError, 401),
    (UnknownAdapterError, 404),
    (InputError, 400),
    (BusyError, 503),
    (EngineError, 503),
)


@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class Completions(View):
    """Answers, whole or streamed."""

    http_method_names = ["post"]
    path = "/v1/completions"

    async def post(self, request: HttpRequest) -> HttpResponseBase:
        """Ask what the slot serves."""
        try:
            body = _body(request)
            found = await sync_to_async(_pointer, thread_sensitive=False)(request, str(body.get("model", "")))
            address = await sync_to_async(found.engine.address, thread_sensitive=False)(
                found.loaded_name, self.path, body
            )
            answer = await forward(_client(), address)
        except RingiError as error:
            return _problem(error)
        headers = {**_served_by(found), **answer.headers}
        if body.get("stream"):
            headers["Cache-Control"] = "no-cache"
            return StreamingHttpResponse(answer.pieces, status=answer.status, headers=headers)
        whole = b"".join([piece async for piece in answer.pieces])
        return HttpResponse(whole, status=answer.status, headers=headers)


class ChatCompletions(Completions):
    """The same, for conversations."""

    path = "/v1/chat/completions"


@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class Models(View):
    """What can be asked: the slots."""

    http_method_names = ["get"]

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        """List the slots with what each serves now."""
        try:
            rows = await sync_to_async(_slots, thread_sensitive=False)(request)
        except RingiError as error:
            return _problem(error)
        cards = [
            {
                "id": row.slot,
                "object": "model",
                "created": int(row.time.timestamp()),
                "owned_by": "ringi",
                "parent": row.base,
                "adapter": row.adapter,
            }
            for row in rows
        ]
        return JsonResponse({"object": "list", "data": cards})


def _pointer(request: HttpRequest, model: str) -> Pointer:
    here = installation()
    bearer = request.headers.get("authorization", "")
    return pointer(here.ledger, here.engines, authorization=bearer, model=model, now=here.ledger.clock())


def _slots(request: HttpRequest) -> Any:  # noqa: ANN401  rows of the ledger
    here = installation()
    return slots_served(here.ledger, authorization=request.headers.get("authorization", ""), now=here.ledger.clock())


def _body(request: HttpRequest) -> dict[str, Any]:
    if int(request.headers.get("content-length") or 0) > LONGEST_BODY:
        raise InputError(f"a request must have at most {LONGEST_BODY} bytes")
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise InputError("the body must be JSON") from error
    if not isinstance(found, dict):
        raise InputError("the body must be a JSON object")
    # How an adapter is applied is for the slot to say, not for who asks.
    return {name: value for name, value in found.items() if name not in {"lora", "cache_prompt"}}


def _served_by(found: Pointer) -> dict[str, str]:
    return {ADAPTER_HEADER: found.adapter or BARE, DEPLOYMENT_HEADER: found.deployment or ""}


def _client() -> httpx.AsyncClient:
    """The connections of this event loop."""
    held, loop = installation().connections, asyncio.get_running_loop()
    if loop not in held:
        held[loop] = open_client()
    return held[loop]


def _problem(error: RingiError) -> JsonResponse:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    stated = {"message": str(error), "type": type(error).__name__, "param": None, "code": error.code}
    answer = JsonResponse({"error": stated}, status=status)
    if status == 401:  # noqa: PLR2004  the status that wants this header
        answer["WWW-Authenticate"] = "Bearer"
    if status == 503:  # noqa: PLR2004  the status that may come with this header
        answer["Retry-After"] = "2"
    return answer
