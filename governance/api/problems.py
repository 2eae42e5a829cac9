"""Errors of the API as problem+json (RFC 9457); the code is stable, the detail is a sentence for people."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from adapters_core.errors import (
    AccessError,
    BusyError,
    DeniedError,
    ErasedError,
    IllegalTransitionError,
    InputError,
    PersonalDataError,
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
_CODES = {
    400: "malformed",
    404: "unknown_address",
    405: "method_not_allowed",
    411: "length_required",
    415: "media_type",
}
_LOG = logging.getLogger(__name__)


def register(api: NinjaAPI) -> None:
    """Let every error be answered as a problem."""
    api.add_exception_handler(RingiError, _ours)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(AuthenticationError, _stranger)
    api.add_exception_handler(HttpError, _other)
    api.add_exception_handler(RequestDataTooBig, _too_large)
    for kind in (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        api.add_exception_handler(kind, _malformed)
    api.add_exception_handler(Http404, _nowhere)
    api.add_exception_handler(Exception, _unforeseen)


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
    # What was sent may be quoted, and may hold half of a pair, which is no text that could be sent back.
    text = json.dumps(stated, ensure_ascii=False).encode("utf-8", "replace")
    answer = HttpResponse(text, status=status, content_type=TYPE)
    if status == 401:  # noqa: PLR2004  the status that wants this header
        answer["WWW-Authenticate"] = "Bearer"
    return answer


def refused(status: int, detail: str) -> HttpResponse:
    """A problem of the request itself rather than of what it asks for."""
    return problem(status, _CODES[status], detail)


def too_large(limit: int) -> HttpResponse:
    """A problem of size."""
    return problem(413, TooLargeError.code, f"a request here must have at most {limit} bytes: send it in parts")


def _ours(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    if not isinstance(error, RingiError):
        raise error
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    more: dict[str, object] = {"reason": error.reason_code} if isinstance(error, DeniedError) else {}
    if isinstance(error, PersonalDataError):
        more["found"] = error.found
    return problem(status, error.code, str(error), **more)


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    found = error.errors if isinstance(error, ValidationError) else []
    errors = [{"field": ".".join(map(str, one["loc"])), "detail": one["msg"]} for one in found]
    return problem(422, "invalid_input", "fields must be as the description of the API says", errors=errors)


def _stranger(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    return problem(401, AccessError.code, "a request must bear a token: Authorization: Bearer ringi_...")


def _other(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    status = error.status_code if isinstance(error, HttpError) else 500
    detail = "a body must be JSON in UTF-8 (RFC 8259)" if status == 400 else str(error)  # noqa: PLR2004  of its parser
    return problem(status, _CODES.get(status, "invalid_input"), detail)


def _too_large(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    return problem(413, TooLargeError.code, str(error))


def _malformed(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    return refused(400, f"a request must be well formed: {error}")


def _nowhere(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    return refused(404, "there is no such address in this API")


def _unforeseen(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ANN401  django-ninja types each handler apart
    _LOG.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem(500, "error", "this should not have happened: nothing more is known here, the log says why")
