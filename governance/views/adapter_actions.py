"""What can be done with an adapter."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from governance.actors import actor_of
from governance.forms.contexts import ReasonForm
from governance.policy.actions import Action
from governance.selectors import adapter_dossiers
from governance.services import erase as erasing
from governance.services import evaluate as evaluating
from governance.services import extend as extending
from governance.services import references
from governance.services import retire as retiring
from governance.services.request_approval import request_approval
from governance.templatetags.places import address_of
from governance.views.adapters import request_form
from governance.views.forbidding import forbid
from governance.views.reading import reading
from governance.views.refusals import of_reason


@require_POST
def evaluate(request: HttpRequest, digest: str) -> HttpResponse:
    """Queue an evaluation."""
    evaluating.evaluate(actor_of(request), adapter=digest, suite=request.POST.get("suite", "context"))
    messages.success(request, _("The adapter is being evaluated. You can leave this page."))
    return redirect("adapter", digest)


@require_POST
def extend(request: HttpRequest, digest: str) -> HttpResponse:
    """Queue a new adapter that knows one more context."""
    name = request.POST.get("name", "")[:200]
    extending.extend(actor_of(request), adapter=digest, context=request.POST.get("context", ""), name=name)
    messages.success(request, _("A new adapter with the further context is being generated; this one stays as it is."))
    return redirect("adapter", digest)


@require_POST
def erase(request: HttpRequest, digest: str) -> HttpResponse:
    """Queue a new adapter that never saw one of the contexts, or some chunks."""
    chunks = tuple(request.POST.getlist("chunk"))
    context, name = request.POST.get("context", ""), request.POST.get("name", "")[:200]
    erasing.erase(actor_of(request), adapter=digest, context=context, chunks=chunks, name=name)
    if chunks:
        messages.success(request, _("A new adapter without these chunks is being generated; this one stays as it is."))
    else:
        messages.success(request, _("A new adapter without that context is being generated; this one stays as it is."))
    return redirect("adapter", digest)


@require_POST
def retire(request: HttpRequest, digest: str) -> HttpResponse:
    """Retire for good."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, of_reason(form, _("Nothing was changed: a retirement needs a reason.")))
        return redirect("adapter", digest)
    retiring.retire(actor_of(request), adapter=digest, reason=form.cleaned_data["reason"])
    messages.success(request, _("The adapter is retired: it is never deployed again."))
    return redirect("adapter", digest)


@require_POST
def ask(request: HttpRequest, digest: str) -> HttpResponse:
    """Request an approval."""
    forbid(request, Action.REQUEST, references.adapter(digest))
    with reading(request) as sight:
        found = adapter_dossiers.dossier(sight.reader, sight.actor, digest, now=sight.at)
    form = request_form(found, request.POST)
    allowed = found.offers[Action.REQUEST.value].allowed
    if allowed and not form.is_valid():
        return render(request, "governance/adapter_page.html", {"dossier": found, "form": form}, status=422)
    # Whoever may not is refused by the action itself, which records it.
    given = form.cleaned_data if form.is_valid() else {}
    identifier = request_approval(
        actor_of(request),
        adapter=digest,
        slot=given.get("slot", "-"),
        comment=given.get("comment", "-"),
    )
    messages.success(request, _("The approval was requested: the reviewers were told."))
    return redirect(address_of("request", identifier) or f"/adapters/{digest}/")
