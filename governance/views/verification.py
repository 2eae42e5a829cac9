"""Verifying the ledger from the browser."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from governance.forms.audit import VerifyForm
from governance.selectors import audit_reads, job_reads, verification
from governance.services.note_verified import note_verified
from governance.services.verify_later import KIND, verify_later
from governance.views.reading import reading


@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """GET tells what was verified when; POST verifies now, or has a worker do it where that takes long."""
    form = VerifyForm(request.POST if request.method == "POST" else None)
    outcome = None
    with reading(request) as sight:
        wanted = verification.Wanted(**form.cleaned_data) if form.is_bound and form.is_valid() else None
        later = sight.actor if wanted and verification.takes_long(sight.reader, wanted) else None
        if wanted and not later:
            outcome = verification.run(sight.reader, wanted)
    if wanted and later:
        return HttpResponseRedirect(reverse("audit-verified", args=[verify_later(later, wanted.to_json()).job]))
    if outcome:
        note_verified(outcome.report)
    with reading(request) as sight:
        stands = audit_reads.standing(sight.reader, sight.at)
    context = {"form": form, "outcome": outcome, "stands": stands, "levels": verification.LEVELS}
    return render(request, "governance/verify_page.html", context)


@require_safe
def show_job(request: HttpRequest, job: str) -> HttpResponse:
    """A verification that a worker does: how far it has come, and in the end what it found."""
    with reading(request) as sight:
        view = job_reads.view(sight.reader, sight.actor, sight.at, job)
        if view.job.kind != KIND:
            raise Http404(f"the job {job} verifies nothing")
        stands = audit_reads.standing(sight.reader, sight.at)
    outcome = verification.outcome_from(view.job.result) if view.job.result else None
    context = {"form": VerifyForm(), "outcome": outcome, "stands": stands, "levels": verification.LEVELS}
    return render(request, "governance/verify_page.html", {**context, "view": view, "job": view.job})
