"""Pages of one's own account that differ from allauth's."""

import time

from allauth.account.internal.flows.reauthentication import resume_request
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base import AuthProcess
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from requests import RequestException

from adapters_core.errors import BusyError
from governance.forms.proof import ConfirmForm
from governance.proofs import STEP_UP
from governance.views import errors


def mail_address(request: HttpRequest) -> HttpResponse:
    """403: the address is the identity towards the ledger, and an administrator keeps it."""
    return errors.permission_denied(request, PermissionDenied())


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Confirm who one is, by all that a signature asks for; allauth's own page would take a password alone."""
    form = ConfirmForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        return resume_request(request) or redirect("inbox")
    context = {"form": form, "next": _inside(request, "")}
    return render(request, "governance/confirm_page.html", context, status=400 if form.is_bound else 200)


@require_safe
def sign_on_again(request: HttpRequest) -> HttpResponse:
    """To the identity provider, which must ask again who it is, and say when it did.

    Raises:
        BusyError: the provider gives no answer.
        Http404: this person does not come through a provider.
    """
    account = SocialAccount.objects.filter(user_id=request.user.pk).first()
    if account is None:
        raise Http404("no identity provider")
    provider = get_adapter().get_provider(request, provider=account.provider)
    asked = {**provider.get_auth_params(), "max_age": "0", "prompt": "login"}
    try:
        answer: HttpResponse = provider.redirect(
            request,
            process=AuthProcess.REDIRECT,
            next_url=_inside(request, "/"),
            data={STEP_UP: time.time()},
            auth_params=asked,
        )
    except RequestException as error:
        raise BusyError(_("the identity provider gives no answer: try again in a moment")) from error
    return answer


def _inside(request: HttpRequest, otherwise: str) -> str:
    """Where to go on, when it is an address of ours."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    inside = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if inside else otherwise
