"""The REST API for programs, put together: its routers, its addresses, and what each address takes."""

from collections.abc import Mapping

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, re_path, reverse

from governance.api import (
    adapters,
    administration,
    comparison,
    contexts,
    entries,
    jobs,
    ledger,
    oversight,
    problems,
    slots,
)
from governance.api import requests as approvals
from governance.api.callers import TokenBearer
from governance.api.description import SUMMARY, Api
from governance.api.guarding import BodyParser, Takes, guarded
from governance.services.submit_context import MAX_BYTES

TAKES: Mapping[str, Takes] = {
    # A character may be written as six bytes.
    "contexts": Takes(most=6 * MAX_BYTES),
    "contexts/file": Takes(kind="multipart/form-data", most=MAX_BYTES + 512 * 1024),
}
"""Addresses that take something else than a little JSON."""

api = Api(
    title="Ringi",
    version="1",
    description=SUMMARY,
    auth=TokenBearer(),
    parser=BodyParser(),
    docs_url=None,
    urls_namespace="api",
)
problems.register(api)
for _prefix, _router in (
    ("contexts", contexts.router),
    ("jobs", jobs.router),
    ("adapters", adapters.router),
    ("requests", approvals.router),
    ("slots", slots.router),
    ("deployments", slots.deployments),
    ("policies", administration.policies),
    ("people", administration.people),
    ("incidents", oversight.incidents),
    ("delegations", oversight.delegations),
    ("tokens", oversight.tokens),
    ("messages", oversight.messages),
    ("", entries.router),
    ("ledger", ledger.router),
    ("compare", comparison.router),
):
    api.add_router(_prefix, _router)


def addresses() -> list[URLPattern]:
    """The API's addresses; a token stands in for signing in."""
    found: list[URLPattern] = [pattern for pattern in api.urls[0] if isinstance(pattern, URLPattern)]
    for pattern in found:
        takes = TAKES.get(str(pattern.pattern), Takes())
        view = _start if pattern.name == "api-root" else pattern.callback
        pattern.callback = login_not_required(guarded(view, takes))
    return [*found, re_path(r"^.*$", login_not_required(guarded(_nowhere, Takes())), name="nowhere")]


def _start(request: HttpRequest) -> HttpResponse:
    """Where the description is."""
    return JsonResponse({"name": api.title, "version": api.version, "openapi": reverse("api:openapi-json")})


def _nowhere(request: HttpRequest) -> HttpResponse:
    """Programs are told in their own format that an address leads nowhere."""
    return problems.refused(404, "there is no such address in this API: see openapi.json")
