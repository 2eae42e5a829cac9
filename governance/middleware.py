"""What holds for every page: its language, its time zone, who may keep a copy, and how errors look."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import timezone, translation
from django.utils.cache import add_never_cache_headers

from adapters_core.errors import (
    AccessError,
    BusyError,
    ErasedError,
    IllegalTransitionError,
    InputError,
    RingiError,
    UnknownAdapterError,
    UnknownSubjectError,
)
from governance import zones
from governance.views import errors

Answer = Callable[[HttpRequest], HttpResponse]


class LanguageMiddleware(LocaleMiddleware):
    """The language that the person chose, else Japanese: what the browser prefers is often left as it was installed."""

    def process_request(self, request: HttpRequest) -> None:
        """Switch to the chosen language."""
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        language = chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
        translation.activate(language)
        request.LANGUAGE_CODE = language


class TimeZoneMiddleware:
    """The time zone that the person chose, else the installation's."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer in that zone."""
        chosen = zones.zone(request.COOKIES.get(zones.COOKIE, ""), default=settings.TIME_ZONE)
        with timezone.override(chosen):
            return self.get_response(request)


class PrivatePagesMiddleware:
    """Pages of signed-in people are kept by nobody: not by a proxy, and not by the browser after signing out."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and forbid copies."""
        response = self.get_response(request)
        if request.user.is_authenticated and not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response


class ErrorPagesMiddleware:
    """An error raised on purpose becomes a page that says what must hold and what to do, with debug on as well."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer; process_exception is called when the view raises."""
        response = self.get_response(request)
        # With debug on, Django answers an address that leads nowhere with a page for developers.
        nowhere = response.status_code == HTTPStatus.NOT_FOUND and request.resolver_match is None
        return errors.page_not_found(request) if nowhere else response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The page for an error that we know; None leaves the others to Django."""
        answer = next((page for kinds, page in _PAGES if isinstance(exception, kinds)), None)
        return answer(request, exception) if answer else None


_PAGES: tuple[tuple[tuple[type[Exception], ...], Callable[[HttpRequest, Exception], HttpResponse]], ...] = (
    ((Http404, UnknownSubjectError, UnknownAdapterError), errors.page_not_found),
    ((ErasedError,), errors.gone),
    ((IllegalTransitionError,), errors.conflict),
    ((PermissionDenied, AccessError), errors.permission_denied),
    ((SuspiciousOperation, InputError), errors.bad_request),
    ((BusyError,), errors.unavailable),
    ((RingiError,), errors.server_error),
)
"""The first that an error is one of: what is special stands before what is general."""
