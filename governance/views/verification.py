"""Verifying the ledger from the browser."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from governance.forms.audit import VerifyForm
from governance.selectors import audit_reads, verification
from governance.services.note_verified import note_verified
from governance.views.reading import reading


@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """GET tells what was verified when; POST verifies now."""
    form = VerifyForm(request.POST if request.method == "POST" else None)
    outcome = None
    with reading(request) as sight:
        if form.is_bound and form.is_valid():
            outcome = verification.run(sight.reader, verification.Wanted(**form.cleaned_data))
    if outcome:
        note_verified(outcome.report)
    with reading(request) as sight:
        stands = audit_reads.standing(sight.reader, sight.at)
    context = {"form": form, "outcome": outcome, "stands": stands, "levels": verification.LEVELS}
    return render(request, "governance/verify_page.html", context)
