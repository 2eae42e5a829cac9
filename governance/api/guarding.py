"""What holds for every request before it is looked at: its size, its kind, its language; and every answer is JSON."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header
from ninja.parser import Parser

from governance.api import problems

View = Callable[..., HttpResponseBase]
LANGUAGES = ("en", "ja")
_REFUSED = 405


class BodyParser(Parser):
    """JSON as RFC 8259 has it: without NaN and infinity."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """What a body states.

        Raises:
            ValueError: it is no JSON.
        """
        found: dict[str, Any] = json.loads(request.body, parse_constant=_refuse)
        return found


@dataclass(frozen=True, kw_only=True)
class Takes:
    """What an address takes."""

    kind: str = "application/json"
    most: int = 64 * 1024
    """Bytes."""


def guarded(view: View, takes: Takes) -> View:
    """The view, behind these checks."""

    @functools.wraps(view)
    def answer(request: HttpRequest, **named: object) -> HttpResponseBase:
        with translation.override(language_of(request)):
            found = _refusal(request, takes) or view(request, **named)
        if found.status_code == _REFUSED:
            allowed = found.get("Allow", "")
            found = problems.refused(_REFUSED, f"this address takes {allowed}, got {request.method}")
            found["Allow"] = allowed
        return found

    return answer


def language_of(request: HttpRequest) -> str:
    """English, unless the program asks for Japanese first."""
    asked = (
        code.partition("-")[0] for code, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    )
    return next((code for code in asked if code in LANGUAGES), LANGUAGES[0])


def _refusal(request: HttpRequest, takes: Takes) -> HttpResponse | None:
    if request.method != "POST":
        return None
    given = request.headers.get("Content-Length") or ""
    if request.headers.get("Transfer-Encoding") and not given:
        return problems.refused(411, "a request with a body must state its Content-Length")
    length = int(given) if given.isascii() and given.isdecimal() else 0
    if length > takes.most:
        return problems.too_large(takes.most)
    if length and request.content_type != takes.kind:
        return problems.refused(415, f"a body here must be {takes.kind}, got {request.content_type or 'none stated'}")
    return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON knows no {constant}")
