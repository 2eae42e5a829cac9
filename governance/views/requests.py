"""Requests for approval: the list, one of them, its sheet, and words about it."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from adapters_core.errors import DeniedError, IllegalTransitionError
from adapters_core.ledger import request_queries, slot_queries
from adapters_core.ledger.records import Entry
from governance.actors import actor_of
from governance.forms.notes import CommentForm, WithdrawForm
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.rules import can
from governance.selectors.decision_choices import standpoints
from governance.selectors.request_pages import request_view
from governance.selectors.sheets import decision_sheet
from governance.services import placing, references
from governance.services.comment import comment
from governance.services.withdraw import withdraw
from governance.views import once, refusals
from governance.views.forbidding import forbid
from governance.views.numbers import place_in
from governance.views.reading import reading

PAGE = 50
STATES = (
    "requested",
    "in_review",
    "approved",
    "conditionally_approved",
    "sent_back",
    "rejected",
    "withdrawn",
    "expired",
    "voided",
)


@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """Requests, the newest first."""
    states = tuple(one for one in request.GET.getlist("state") if one in STATES)
    slot = request.GET.get("slot", "")
    with reading(request) as sight:
        mine = sight.actor.id if request.GET.get("mine") else None
        wanted = request_queries.RequestFilter(states=states, slot=slot or None, actor=mine)
        rows = request_queries.find_requests(sight.reader, wanted, before=place_in(request), limit=PAGE + 1)
        context = {
            "actor": sight.actor,
            "at": sight.at,
            "rows": [(row, placing.approved_until(sight.reader, row)) for row in rows[:PAGE]],
            "next": rows[PAGE - 1].seq if len(rows) > PAGE else None,
            "count": request_queries.count_requests(sight.reader, wanted),
            "slots": slot_queries.slots(sight.reader),
            "states": STATES,
            "chosen": {"states": states, "slot": slot, "mine": bool(mine)},
            "filtered": bool(states or slot or mine),
        }
    return render(request, "governance/request_list.html", context)


@require_safe
def show(request: HttpRequest, identifier: str) -> HttpResponse:
    """One request."""
    return _page(request, identifier)


@require_safe
def sheet(request: HttpRequest, identifier: str) -> HttpResponse:
    """The decision sheet, to be printed."""
    with reading(request) as sight:
        context = {
            "actor": sight.actor,
            "at": sight.at,
            "view": request_view(sight.reader, identifier, sight.at),
            "sheet": decision_sheet(sight.reader, identifier),
        }
    return render(request, "governance/request_sheet.html", context)


@require_POST
def say(request: HttpRequest, identifier: str) -> HttpResponse:
    """Comment."""
    forbid(request, Action.COMMENT, references.request(identifier))
    form = CommentForm(request.POST)
    if not form.is_valid():
        return _page(request, identifier, comment_form=form, status=refusals.BAD)
    words = form.cleaned_data["text"]
    return _carry_out(
        request,
        identifier,
        Action.COMMENT,
        lambda actor: comment(actor, request=identifier, text=words),
        _("Your comment was added."),
    )


@require_POST
def take_back(request: HttpRequest, identifier: str) -> HttpResponse:
    """Withdraw."""
    forbid(request, Action.WITHDRAW, references.request(identifier))
    form = WithdrawForm(request.POST)
    if not form.is_valid():
        return _page(request, identifier, withdraw_form=form, status=refusals.BAD)
    words = form.cleaned_data["comment"]
    return _carry_out(
        request,
        identifier,
        Action.WITHDRAW,
        lambda actor: withdraw(actor, request=identifier, comment=words),
        _("The request was withdrawn."),
    )


def _carry_out(
    request: HttpRequest, identifier: str, action: Action, work: Callable[[Actor], Entry], done: str
) -> HttpResponse:
    if once.repeated(request, action):
        text, status = refusals.sent_before()
        return _page(request, identifier, refused=text, status=status)
    try:
        work(actor_of(request))
    except (DeniedError, IllegalTransitionError) as error:
        text, status = refusals.said(error)
        return _page(request, identifier, refused=text, status=status)
    messages.success(request, done)
    return HttpResponseRedirect(reverse("request", args=[identifier]))


def _page(request: HttpRequest, identifier: str, *, status: int = 200, **more: Any) -> HttpResponse:  # noqa: ANN401
    with reading(request) as sight:
        view = request_view(sight.reader, identifier, sight.at)
        points = standpoints(sight.reader, sight.actor, identifier, sight.at)
        may: Mapping[str, object] = {
            action.value: can(sight.actor, action, view.case.facts, at=sight.at)
            for action in (Action.COMMENT, Action.WITHDRAW)
        }
        context = {
            "actor": sight.actor,
            "at": sight.at,
            "view": view,
            "points": points,
            "decidable": any(point.any for point in points),
            "blocked": next(iter(points[0].answers.values())).text,
            "may": may,
            "comment_form": CommentForm(),
            "withdraw_form": WithdrawForm(),
            "form_number": once.number(request),
            **more,
        }
    return render(request, "governance/request_page.html", context, status=status)
