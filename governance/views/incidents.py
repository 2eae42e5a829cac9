"""Incidents: what happened outside of the rules, and its review by a second person."""

from dataclasses import replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from adapters_core.errors import DeniedError, IllegalTransitionError
from governance.actors import spend_proof
from governance.forms.incidents import CloseIncidentForm
from governance.policy.actions import Action
from governance.selectors import incidents
from governance.services import references
from governance.services.close_incident import close_incident
from governance.views import refusals
from governance.views.forbidding import forbid
from governance.views.reading import reading


@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """Open ones first, then those that were closed."""
    with reading(request) as sight:
        views = incidents.incidents(sight.reader, now=sight.at, states=("open", "closed"))
    return render(request, "governance/incident_list.html", {"views": views})


@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, identifier: str) -> HttpResponse:
    """One incident; POST closes it."""
    if request.method != "POST":
        return _page(request, identifier)
    forbid(request, Action.CLOSE_INCIDENT, references.incident(identifier))
    with reading(request) as sight:
        incidents.incident(sight.reader, identifier, now=sight.at)
    form = CloseIncidentForm(request.POST, request=request)
    if not form.is_valid() and not form.lacks_proof_only:
        return _page(request, identifier, form=form, status=refusals.BAD)
    # Without a proof the rules are asked all the same: they refuse, and the ledger records the attempt.
    actor = form.actor if form.is_valid() else replace(form.actor, confirmed=None)
    given = {name: form.cleaned_data[name] for name in ("verdict", "found", "measures")}
    try:
        close_incident(actor, incident=identifier, **given)
    except (DeniedError, IllegalTransitionError) as error:
        text, status = refusals.said(error)
        return _page(request, identifier, form=form, refused=text, status=status)
    spend_proof(request)
    messages.success(request, _("The incident was closed, and the review recorded."))
    return HttpResponseRedirect(reverse("incident", args=[identifier]))


def _page(
    request: HttpRequest,
    identifier: str,
    *,
    form: CloseIncidentForm | None = None,
    refused: str = "",
    status: int = 200,
) -> HttpResponse:
    with reading(request) as sight:
        view = incidents.incident(sight.reader, identifier, now=sight.at)
        closing = incidents.closing(sight.reader, sight.actor, identifier, now=sight.at)
    shown = form or CloseIncidentForm(request=request)
    context = {"view": view, "closing": closing, "form": shown, "refused": refused}
    return render(request, "governance/incident_page.html", context, status=status)
