"""Errors of the API as problem+json (RFC 9457); the code is stable, the detail is a sentence for people."""

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from adapters_core.errors import (
    AccessError,
    BusyError,
    DeniedError,
    ErasedError,
    IllegalTransitionError,
    InputError,
    RingiError,
    TooLargeError,
    UnknownAdapterError,
    UnknownSubjectError,
)

TYPE = "application/problem+json"
STATUS: tuple[tuple[type[RingiError], int], ...] = (
    (DeniedError, 403),
    (AccessError, 401),
    (UnknownSubjectError, 404),
    (UnknownAdapterError, 404),
    (ErasedError, 410),
    (IllegalTransitionError, 409),
    (TooLargeError, 413),
    (InputError, 422),
    (BusyError, 503),
)
"""The first class that an error belongs to decides."""


def register(api: NinjaAPI) -> None:
    """Let every error be answered as a problem."""
    api.add_exception_handler(RingiError, _ours)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(AuthenticationError, _stranger)
    api.add_exception_handler(HttpError, _other)


def problem(status: int, code: str, detail: str, **more: object) -> HttpResponse:
    """An answer that says what went wrong."""
    stated: Mapping[str, object] = {
        "type": f"urn:ringi:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }
    answer = HttpResponse(json.dumps(stated, ensure_ascii=False), status=status, content_type=TYPE)
    if status == 401:  # noqa: PLR2004  the status that wants this header
        answer["WWW-Authenticate"] = "Bearer"
    return answer


def _ours(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    if not isinstance(error, RingiError):
        raise error
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    more = {"reason": error.reason_code} if isinstance(error, DeniedError) else {}
    return problem(status, error.code, str(error), **more)


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    found = error.errors if isinstance(error, ValidationError) else []
    errors = [{"field": ".".join(map(str, one["loc"])), "detail": one["msg"]} for one in found]
    return problem(422, "invalid_input", "fields must be as the schema says", errors=errors)


def _stranger(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    return problem(401, AccessError.code, "a request must bear a token: Authorization: Bearer ringi_...")


def _other(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    status = error.status_code if isinstance(error, HttpError) else 500
    return problem(status, "invalid_input", str(error))
