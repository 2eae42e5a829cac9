"""Comparing two to six candidates: which one to take, and choosing what to compare."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from adapters_core.comparison.compare import FEWEST, MOST
from adapters_core.errors import InputError
from governance.installation import installation
from governance.selectors.candidates import BETWEEN, parse_keys
from governance.selectors.comparison_choices import choices
from governance.selectors.comparison_pages import page_of
from governance.selectors.comparison_sheets import sheet
from governance.views.reading import reading

_SHORT = 12


@require_safe
def pick(request: HttpRequest) -> HttpResponse:
    """Choose what to compare."""
    chosen = tuple(dict.fromkeys(request.GET.getlist("c")))
    if request.GET.get("do") == "compare":
        try:
            keys = parse_keys(BETWEEN.join(key[:_SHORT] for key in chosen))
        except InputError as error:
            return _choices(request, chosen, problem=str(error), status=400)
        return HttpResponseRedirect(reverse("comparison", args=[BETWEEN.join(keys)]))
    return _choices(request, chosen)


@require_safe
def show(request: HttpRequest, keys: str) -> HttpResponse:
    """A comparison."""
    try:
        with reading(request) as sight:
            found = sheet(sight.reader, installation().master_key, parse_keys(keys))
    except (InputError, Http404) as error:
        status = 404 if isinstance(error, Http404) else 400
        chosen = tuple(part.strip().lower() for part in keys.split(BETWEEN) if part.strip())
        return _choices(request, chosen, problem=str(error), status=status)
    only = request.GET.get("only") == "differences"
    return render(request, "governance/comparison_page.html", {"sheet": found, "page": page_of(found, only=only)})


def _choices(request: HttpRequest, chosen: tuple[str, ...], *, problem: str = "", status: int = 200) -> HttpResponse:
    with reading(request) as sight:
        found = choices(
            sight.reader, text=request.GET.get("q", ""), chosen=chosen, after=request.GET.get("after") or None
        )
    context = {"choices": found, "problem": problem, "fewest": FEWEST, "most": MOST}
    return render(request, "governance/comparison_picker.html", context, status=status)
