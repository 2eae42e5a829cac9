"""Delegations: lending one's approvals, and taking them back."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from adapters_core.errors import DeniedError, IllegalTransitionError
from governance.actors import actor_of
from governance.forms.notes import DelegationForm
from governance.policy.actions import Action
from governance.policy.rules import who
from governance.selectors.delegations import delegations
from governance.selectors.person_names import everybody
from governance.services import references
from governance.services.delegate import delegate
from governance.services.end_delegation import end_delegation
from governance.views import once, refusals
from governance.views.forbidding import forbid
from governance.views.reading import reading


@require_http_methods(["GET", "HEAD", "POST"])
def listed(request: HttpRequest) -> HttpResponse:
    """The delegations that stand; POST grants one."""
    if request.method != "POST":
        return _page(request)
    forbid(request, Action.DELEGATE, references.person(actor_of(request).id))
    with reading(request) as sight:
        form = DelegationForm(request.POST, people=everybody(sight.reader))
    if not form.is_valid():
        return _page(request, form=form, status=refusals.BAD)
    if once.repeated(request, Action.DELEGATE):
        text, status = refusals.sent_before()
        return _page(request, refused=text, status=status)
    try:
        delegate(
            actor_of(request),
            to=form.cleaned_data["to"],
            until=form.cleaned_data["until"],
            reason=form.cleaned_data["reason"],
        )
    except (DeniedError, IllegalTransitionError) as error:
        text, status = refusals.said(error)
        return _page(request, form=form, refused=text, status=status)
    messages.success(request, _("The delegation was recorded."))
    return HttpResponseRedirect(reverse("delegations"))


@require_POST
def end(request: HttpRequest, identifier: str) -> HttpResponse:
    """Take a delegation back."""
    try:
        end_delegation(actor_of(request), delegation=identifier)
    except (DeniedError, IllegalTransitionError) as error:
        text, status = refusals.said(error)
        return _page(request, refused=text, status=status)
    messages.success(request, _("The delegation was ended."))
    return HttpResponseRedirect(reverse("delegations"))


def _page(
    request: HttpRequest,
    *,
    form: DelegationForm | None = None,
    status: int = 200,
    **more: Any,  # noqa: ANN401
) -> HttpResponse:
    with reading(request) as sight:
        people = [one for one in everybody(sight.reader) if one.id != sight.actor.id]
        context = {
            "actor": sight.actor,
            "rows": delegations(sight.reader, sight.at),
            "may": who(sight.actor, Action.DELEGATE) is None,
            "ends_all": sight.actor.holds("admin"),
            "form": form or DelegationForm(people=people),
            "form_number": once.number(request),
            **more,
        }
    return render(request, "governance/delegation_list.html", context, status=status)
