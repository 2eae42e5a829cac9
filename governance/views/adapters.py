"""Pages about adapters: the list, the dossier, and its drawing."""

from typing import get_args

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from adapters_core.ledger.adapter_queries import AdapterFilter, Sort
from governance.forms.adapters import RequestForm
from governance.policy.words import STATE_NAMES
from governance.selectors import adapter_dossiers, adapter_reads
from governance.selectors.adapter_dossiers import AdapterDossier
from governance.selectors.norm_chart import norm_svg
from governance.views.reading import reading

STATES = tuple(list(STATE_NAMES)[: list(STATE_NAMES).index("retired") + 1])
SORTS: tuple[Sort, ...] = get_args(Sort)


@require_safe
def show_all(request: HttpRequest) -> HttpResponse:
    """The list."""
    asked = {name: request.GET.get(name, "").strip() for name in ("q", "state", "base", "context", "sort")}
    wanted = AdapterFilter(
        text=asked["q"] or None,
        states=(asked["state"],) if asked["state"] in STATES else (),
        base=asked["base"] or None,
        context=asked["context"] or None,
    )
    sort: Sort = next((one for one in SORTS if one == asked["sort"]), "newest")
    with reading(request) as sight:
        page = adapter_reads.find(sight.reader, wanted, sort=sort, after=request.GET.get("after") or None)
    first, following = request.GET.copy(), request.GET.copy()
    first.pop("after", None)
    following["after"] = page.next or ""
    context = {
        "page": page,
        "asked": {**asked, "sort": sort},
        "states": STATES,
        "sorts": SORTS,
        "filtered": any(asked[name] for name in ("q", "state", "base", "context")),
        "first": f"?{first.urlencode()}" if request.GET.get("after") else "",
        "next": f"?{following.urlencode()}" if page.next else "",
    }
    return render(request, "governance/adapters_page.html", context)


@require_safe
def show(request: HttpRequest, digest: str) -> HttpResponse:
    """The dossier."""
    with reading(request) as sight:
        found = adapter_dossiers.dossier(sight.reader, sight.actor, digest, now=sight.at)
    if request.headers.get("HX-Request") and not found.jobs:
        # The page asked because a job was under way: what it left is to be seen all over the page.
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(
        request, "governance/adapter_page.html", {"dossier": found, "at": sight.at, "form": request_form(found)}
    )


@require_safe
def norms(request: HttpRequest, digest: str) -> HttpResponse:
    """The drawing of the norms."""
    with reading(request) as sight:
        report = adapter_dossiers.norms(sight.reader, digest)
    return HttpResponse(norm_svg(report), content_type="image/svg+xml")


def request_form(found: AdapterDossier, data: object = None) -> RequestForm:
    """The form that asks for an approval."""
    said = gettext("%(title)s, policy %(policy)s")
    slots = [(one.slot, said % {"title": one.title, "policy": one.policy}) for one in found.slots]
    return RequestForm(data, slots=slots)
