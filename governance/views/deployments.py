"""One deployment: what was asked for, how it went, what was read back."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.selectors.incidents import incident_of
from governance.selectors.slot_pages import deployment_view
from governance.selectors.timelines import happenings
from governance.views.reading import reading


@require_safe
def show(request: HttpRequest, identifier: str) -> HttpResponse:
    """The deployment; the page renews itself while it is under way."""
    with reading(request) as sight:
        view = deployment_view(sight.reader, identifier)
        context = {
            "actor": sight.actor,
            "view": view,
            "timeline": happenings(view.entries, {}),
            "incident": incident_of(sight.reader, identifier),
            "may": sight.actor.holds("admin"),
        }
    return render(request, "governance/deployment_page.html", context)
