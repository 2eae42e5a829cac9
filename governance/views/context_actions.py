"""What can be done with a context: generate, put under legal hold, erase."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from governance.actors import actor_of, spend_proof
from governance.forms.contexts import EraseContextForm, ReasonForm
from governance.policy.actions import Action
from governance.selectors import context_reads
from governance.services import references
from governance.services.erase_context import erase_context
from governance.services.generate import generate
from governance.services.hold_context import hold_context, release_context
from governance.views.forbidding import forbid
from governance.views.reading import reading
from governance.views.refusals import of_reason


@require_POST
def make_adapter(request: HttpRequest, context: UUID) -> HttpResponse:
    """Queue a generation."""
    forbid(request, Action.GENERATE, references.context(str(context)))
    name = request.POST.get("name", "")[:200]
    generate(actor_of(request), context=_known(request, context), name=name)
    messages.success(request, _("The adapter is being generated. You can leave this page."))
    return redirect("context", context)


@require_POST
def hold(request: HttpRequest, context: UUID) -> HttpResponse:
    """Put under legal hold."""
    forbid(request, Action.HOLD_CONTEXT, references.context(str(context)))
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, of_reason(form, _("Nothing was changed: a legal hold needs a reason.")))
        return redirect("context", context)
    hold_context(actor_of(request), context=_known(request, context), reason=form.cleaned_data["reason"])
    messages.success(request, _("The context is under legal hold: it cannot be erased until the hold ends."))
    return redirect("context", context)


@require_POST
def release(request: HttpRequest, context: UUID) -> HttpResponse:
    """End the legal hold."""
    forbid(request, Action.RELEASE_CONTEXT, references.context(str(context)))
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, of_reason(form, _("Nothing was changed: the end of a legal hold needs a reason.")))
        return redirect("context", context)
    release_context(actor_of(request), context=_known(request, context), reason=form.cleaned_data["reason"])
    messages.success(request, _("The legal hold has ended."))
    return redirect("context", context)


@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest, context: UUID) -> HttpResponse:
    """Say what an erasure does, and erase."""
    if request.method == "POST":
        forbid(request, Action.ERASE_CONTEXT, references.context(str(context)))
    with reading(request) as read:
        record = context_reads.record(read.reader, read.actor, str(context), now=read.at)
    if request.method == "POST" and not record.offers["erase_context"].allowed:
        erase_context(actor_of(request), context=str(context), legal_basis="-")  # is refused, and that is recorded
    form = EraseContextForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        retired = erase_context(form.actor, context=str(context), legal_basis=form.cleaned_data["legal_basis"])
        spend_proof(request)
        text = ngettext(
            "The context was erased; %(count)d adapter was retired.",
            "The context was erased; %(count)d adapters were retired.",
            len(retired),
        )
        messages.success(request, text % {"count": len(retired)})
        return redirect("context", context)
    page = {"actor": read.actor, "record": record, "form": form}
    return render(request, "governance/context_erase.html", page, status=422 if request.method == "POST" else 200)


def _known(request: HttpRequest, context: UUID) -> str:
    """The id, when the ledger has it; otherwise there is no such page."""
    with reading(request) as read:
        return context_reads.row(read.reader, str(context)).context
