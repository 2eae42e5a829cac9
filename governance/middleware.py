"""What holds for every page: its language, its time zone, who may keep a copy, and how errors look."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.locale import LocaleMiddleware
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import add_never_cache_headers
from django.utils.http import urlencode

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
from adapters_core.ledger import people_queries
from governance import bodies, zones
from governance.installation import installation
from governance.proofs import fresh_proofs
from governance.views import errors

Answer = Callable[[HttpRequest], HttpResponse]


class BodySizeMiddleware:
    """What is too large is refused before any of it is read."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer what is not."""
        if bodies.stated_length(request.headers.get("Content-Length") or "") > bodies.LARGEST:
            return HttpResponse(bodies.TOO_LARGE, status=bodies.STATUS, content_type="text/plain; charset=utf-8")
        return self.get_response(request)


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


class _BeforeViews:
    """What looks at a request once its view is known: ``process_view`` is called before the view."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer."""
        return self.get_response(request)


class SecondFactorsMiddleware(_BeforeViews):
    """Who adds or removes what they sign with proves first, by all they have, that it is them.

    allauth asks for one proof of any kind, and asks nothing of people who come through the identity provider.
    """

    def process_view(self, request: HttpRequest, view: object, args: object, named: object) -> HttpResponse | None:
        """The page that asks for the proof; None where none is needed, or one was given."""
        name = request.resolver_match.url_name if request.resolver_match else None
        user = request.user
        if name not in _GUARDED or not isinstance(user, User) or fresh_proofs(request, user, signature=False):
            return None
        return HttpResponseRedirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': request.path})}")


class FirstPasswordMiddleware(_BeforeViews):
    """A first password, which somebody else has seen, opens the page where one sets one's own, and nothing besides.

    The rules refuse it as well: this is how a person learns what to do.
    """

    def process_view(self, request: HttpRequest, view: object, args: object, named: object) -> HttpResponse | None:
        """The page that asks for another password; None where none is needed, or that page is asked for."""
        name = request.resolver_match.url_name if request.resolver_match else None
        user = request.user
        # Programs bring their own proof with each request; a session counts for nothing there.
        if name in _OPEN or not isinstance(user, User) or request.path.startswith(_FOR_PROGRAMS):
            return None
        try:
            with installation().ledger.read() as reader:
                first = people_queries.password_of(reader, user.username).first
        except RingiError as error:
            return _page_for(request, error)
        return HttpResponseRedirect(reverse("account_change_password")) if first else None


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
        return _page_for(request, exception)


def _page_for(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    answer = next((page for kinds, page in _PAGES if isinstance(exception, kinds)), None)
    return answer(request, exception) if answer else None


_GUARDED = frozenset(
    {
        "account_set_password",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_deactivate_totp",
        "mfa_download_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_remove_webauthn",
        "mfa_view_recovery_codes",
    }
)
"""Pages of allauth that change, or show, what a person signs with."""
_OPEN = frozenset({"account_change_password", "account_logout", "healthz", "set-language", "set-time-zone"})
"""What a first password opens."""
_FOR_PROGRAMS = ("/api/", "/v1/")
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
