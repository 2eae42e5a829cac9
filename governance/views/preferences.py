"""How the pages look to one person: language and time zone, kept in cookies."""

import zoneinfo

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from governance import zones


@login_not_required
@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Keep the chosen language and go back."""
    response = _back(request)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES):
        _keep(response, settings.LANGUAGE_COOKIE_NAME, language)
    return response


@login_not_required
@require_POST
def set_time_zone(request: HttpRequest) -> HttpResponse:
    """Keep the chosen time zone and go back."""
    response = _back(request)
    zone = request.POST.get("time_zone", "")
    if zone in zoneinfo.available_timezones():
        _keep(response, zones.COOKIE, zone)
    return response


def _back(request: HttpRequest) -> HttpResponse:
    """To the page the form lies on, never to another site."""
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(target if safe else "/")


def _keep(response: HttpResponse, name: str, value: str) -> None:
    age, secure = settings.LANGUAGE_COOKIE_AGE, settings.LANGUAGE_COOKIE_SECURE
    response.set_cookie(name, value, max_age=age, secure=secure, httponly=True, samesite="Lax")
