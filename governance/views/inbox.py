"""Home: what waits for the person who signed in."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.actors import actor_of, with_roles
from governance.installation import installation
from governance.selectors.inboxes import inbox


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The inbox; it also greets people without any role, and tells them what to do."""
    ledger = installation().ledger
    with ledger.read() as reader:
        found = inbox(reader, with_roles(reader, actor_of(request)), now=ledger.clock())
    return render(request, "governance/inbox_page.html", {"inbox": found})
