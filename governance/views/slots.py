"""Slots: the list, one of them, a new one."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from adapters_core.errors import DeniedError, IllegalTransitionError
from adapters_core.ledger import people_queries, slot_queries
from adapters_core.ledger.transactions import Reader
from governance.actors import actor_of
from governance.forms.slots import SlotForm
from governance.policy.actions import Action
from governance.policy.reasons import REASONS
from governance.policy.rules import who
from governance.selectors.drifts import drifts_of
from governance.selectors.slot_pages import change, known_bases, slot_view, way_back
from governance.services import references
from governance.services.create_slot import create_slot
from governance.views import refusals
from governance.views.forbidding import forbid
from governance.views.numbers import place_in
from governance.views.reading import reading

PAGE = 20
DRIFTS = 5
ACTIONS = (Action.DEPLOY, Action.ROLL_BACK, Action.KILL_SWITCH, Action.BREAK_GLASS)


@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """All slots, and the deployments that are under way."""
    with reading(request) as sight:
        views = [slot_view(sight.reader, row, sight.at) for row in slot_queries.slots(sight.reader)]
        context = {
            "actor": sight.actor,
            "views": views,
            "pending": slot_queries.pending_deployments(sight.reader),
            "may_create": who(sight.actor, Action.CREATE_SLOT) is None,
        }
    return render(request, "governance/slot_list.html", context)


@require_safe
def show(request: HttpRequest, name: str) -> HttpResponse:
    """One slot."""
    with reading(request) as sight:
        row = slot_queries.slot(sight.reader, name)
        rows = slot_queries.timeline(sight.reader, name, before=place_in(request), limit=PAGE + 1)
        back = way_back(sight.reader, sight.actor, row, sight.at)
        blocked = {action.value: who(sight.actor, action) for action in ACTIONS}
        context = {
            "actor": sight.actor,
            "view": slot_view(sight.reader, row, sight.at),
            "rows": rows[:PAGE],
            "next": rows[PAGE - 1].seq if len(rows) > PAGE else None,
            "back": back,
            "change": change(sight.reader, row.adapter, back.adapter.digest if back.adapter else None)
            if back
            else None,
            "may": {name: code is None for name, code in blocked.items()},
            "why_not": next((str(REASONS[code]) for code in blocked.values() if code), ""),
            "drifts": drifts_of(sight.reader, row, limit=DRIFTS),
            "at": sight.at,
        }
    return render(request, "governance/slot_page.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """A new slot."""
    if request.method == "POST":
        forbid(request, Action.CREATE_SLOT, references.slot("new"))
    with reading(request) as sight:
        choices = {"bases": known_bases(sight.reader), "policies": _policies(sight.reader)}
        code = who(sight.actor, Action.CREATE_SLOT)
    if request.method != "POST":
        return _form(request, SlotForm(**choices, initial={"engine": "core"}), why_not=REASONS[code] if code else "")
    form = SlotForm(request.POST, **choices)
    if not form.is_valid():
        return _form(request, form, status=refusals.BAD)
    given = form.cleaned_data
    try:
        create_slot(actor_of(request), **given)
    except (DeniedError, IllegalTransitionError) as error:
        text, status = refusals.said(error)
        return _form(request, form, refused=text, status=status)
    messages.success(request, _("The slot was created. It serves the bare base until something is deployed."))
    return HttpResponseRedirect(reverse("slot", args=[given["name"]]))


def _policies(reader: Reader) -> list[tuple[str, str]]:
    return [(one.subject.id, f"{one.subject.id} v{one.data['version']}") for one in people_queries.policies(reader)]


def _form(request: HttpRequest, form: SlotForm, *, status: int = 200, **more: Any) -> HttpResponse:  # noqa: ANN401
    return render(request, "governance/slot_form.html", {"form": form, **more}, status=status)
