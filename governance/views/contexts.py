"""Pages about contexts: the list, one, and submitting."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from adapters_core.ledger.context_queries import ContextFilter
from governance.actors import actor_of
from governance.forms.contexts import ContextForm
from governance.policy.actions import Action
from governance.policy.subjects import Anything
from governance.selectors import context_reads
from governance.selectors.offers import offer
from governance.services import references
from governance.services.submit_context import submit_context
from governance.views.forbidding import forbid
from governance.views.numbers import place_in
from governance.views.reading import reading

STATES = ("active", "held", "erased")


@require_safe
def show_all(request: HttpRequest) -> HttpResponse:
    """The list."""
    text, state = request.GET.get("q", "").strip(), request.GET.get("state", "")
    states = (state,) if state in STATES else ()
    with reading(request) as read:
        page = context_reads.find(read.reader, ContextFilter(text=text or None, states=states), place_in(request))
        may_submit = offer(read.actor, Action.SUBMIT_CONTEXT, Anything(), at=read.at)
    context = {"actor": read.actor, "page": page, "q": text, "state": state, "may_submit": may_submit}
    return render(request, "governance/contexts_page.html", context)


@require_safe
def show(request: HttpRequest, context: UUID) -> HttpResponse:
    """One context."""
    with reading(request) as read:
        record = context_reads.record(read.reader, read.actor, str(context), now=read.at)
    return render(request, "governance/context_page.html", {"actor": read.actor, "record": record})


@require_http_methods(["GET", "HEAD", "POST"])
def submit(request: HttpRequest) -> HttpResponse:
    """The form, and what it sends."""
    if request.method == "POST":
        forbid(request, Action.SUBMIT_CONTEXT, references.context("new"))
    with reading(request) as read:
        may_submit = offer(read.actor, Action.SUBMIT_CONTEXT, Anything(), at=read.at)
    form = ContextForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        identifier = submit_context(
            actor_of(request),
            title=form.cleaned_data["title"],
            text=form.cleaned_data["text"],
            questions=form.cleaned_data["questions"],
            retention_until=form.cleaned_data["retention_until"],
            personal_data_reason=form.cleaned_data["personal_data_reason"],
        )
        messages.success(request, _("The context was submitted. Next: generate the adapter."))
        return redirect("context", identifier)
    found: tuple[context_reads.Place, ...] = ()
    if request.method == "POST":
        found, form = _found(form), _typed(request, form)
    context = {"actor": read.actor, "form": form, "places": found, "may_submit": may_submit}
    return render(request, "governance/context_new.html", context, status=422 if request.method == "POST" else 200)


def _found(form: ContextForm) -> tuple[context_reads.Place, ...]:
    """What the scan found in the text or file."""
    return context_reads.places(form.cleaned_data.get("text") or form.cleaned_data.get("file") or "")


def _typed(request: HttpRequest, form: ContextForm) -> ContextForm:
    """The form to be sent again, with a file's text in the field: browsers do not keep chosen files."""
    if not form.cleaned_data.get("file") or form.non_field_errors():
        return form
    data = request.POST.copy()
    data["text"] = form.cleaned_data["file"]
    again = ContextForm(data)
    again.full_clean()
    return again
