"""The point in time: what served where and when, approved by whom, on what evidence."""

from datetime import UTC
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from adapters_core.ledger import slot_queries
from governance.forms.slots import MomentForm
from governance.selectors.moments import served
from governance.views.reading import reading


@require_safe
def at(request: HttpRequest) -> HttpResponse:
    """Ask, or answer when slot and time are in the address."""
    status = 200
    with reading(request) as sight:
        slots = [(row.slot, f"{row.title} ({row.slot})") for row in slot_queries.slots(sight.reader)]
        now = timezone.localtime(sight.at).strftime("%Y-%m-%dT%H:%M:%S")
        asked = "slot" in request.GET or "time" in request.GET
        form = MomentForm(request.GET if asked else None, slots=slots, initial={"time": now})
        context: dict[str, object] = {"actor": sight.actor, "slots": slots}
        if asked and form.is_valid():
            moment = form.cleaned_data["time"]
            if moment > sight.at:
                form.add_error("time", _("That moment lies in the future."))
            else:
                context["answer"] = served(sight.reader, form.cleaned_data["slot"], moment)
                query = {"slot": form.cleaned_data["slot"], "time": moment.astimezone(UTC).isoformat()}
                context["permalink"] = request.build_absolute_uri(f"{reverse('at')}?{urlencode(query)}")
                local = timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M:%S")
                form = MomentForm(initial={**form.cleaned_data, "time": local}, slots=slots)
        if asked and form.errors:
            status = 400
        context["form"] = form
    return render(request, "governance/moment_page.html", context, status=status)
