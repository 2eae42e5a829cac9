"""Changing what a slot serves: choose, see what changes, say why, confirm."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from adapters_core.errors import DeniedError, IllegalTransitionError
from adapters_core.ledger import slot_queries
from adapters_core.ledger.records import Entry
from governance.actors import actor_of, spend_proof
from governance.forms.slots import EmergencyForm, PlacementForm
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.selectors.slot_pages import BARE, candidate, candidates, change
from governance.services.break_glass import break_glass
from governance.services.deploy import deploy
from governance.services.kill_switch import kill_switch
from governance.services.roll_back import roll_back
from governance.views import refusals
from governance.views.reading import reading

Form = PlacementForm | EmergencyForm


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to change what a slot serves."""

    action: Action
    title: str | Promise
    consequence: str | Promise
    button: str | Promise
    danger: bool


WAYS: Mapping[str, Way] = {
    "deploy": Way(
        action=Action.DEPLOY,
        title=gettext_lazy("Deploy an approved adapter"),
        consequence=gettext_lazy(
            "The slot serves this adapter as soon as it is loaded, read back and checked. Until then it "
            "serves what it serves now."
        ),
        button=gettext_lazy("Deploy"),
        danger=False,
    ),
    "rollback": Way(
        action=Action.ROLL_BACK,
        title=gettext_lazy("Roll back"),
        consequence=gettext_lazy(
            "What served before is put back as soon as it is loaded, read back and checked. Nothing is "
            "deleted: you can deploy again."
        ),
        button=gettext_lazy("Roll back"),
        danger=True,
    ),
    "kill": Way(
        action=Action.KILL_SWITCH,
        title=gettext_lazy("Kill switch: back to the bare base"),
        consequence=gettext_lazy(
            "The slot serves the bare base at once, and a deployment that is under way is stopped."
        ),
        button=gettext_lazy("Serve the bare base"),
        danger=True,
    ),
    "break-glass": Way(
        action=Action.BREAK_GLASS,
        title=gettext_lazy("Break glass: deploy without an approval"),
        consequence=gettext_lazy(
            "The adapter is served without an approval. Reviewers, managers and auditors are told at once, "
            "and an incident stays open until it is reviewed."
        ),
        button=gettext_lazy("Break glass and deploy"),
        danger=True,
    ),
}


@require_http_methods(["GET", "HEAD", "POST"])
def place(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """GET chooses and shows what changes; POST asks for it."""
    way = WAYS.get(kind)
    if way is None:
        raise Http404(kind)
    if request.method != "POST":
        return _page(request, name, kind, way)
    form: Form = (
        EmergencyForm(request.POST, request=request)
        if way.action is Action.BREAK_GLASS
        else PlacementForm(request.POST)
    )
    # A proof that is missing is for the rules to refuse, so that the attempt is recorded.
    if not form.is_valid() and not (isinstance(form, EmergencyForm) and form.lacks_proof_only):
        return _page(request, name, kind, way, form=form, status=refusals.BAD)
    actor = actor_of(request) if form.is_valid() else replace(actor_of(request), confirmed=None)
    try:
        entry = _carry_out(actor, way.action, name, request.POST, form.cleaned_data["reason"])
    except (DeniedError, IllegalTransitionError) as error:
        text, status = refusals.said(error)
        return _page(request, name, kind, way, form=form, refused=text, status=status)
    if way.action is Action.BREAK_GLASS:
        spend_proof(request)
    messages.success(request, _("Recorded. The serving engine is being told."))
    return HttpResponseRedirect(reverse("deployment", args=[entry.subject.id]))


def _carry_out(actor: Actor, action: Action, slot: str, sent: Mapping[str, str], reason: str) -> Entry:
    given, seen = sent.get("adapter", ""), sent.get("seen") or None
    target = None if given in {"", BARE} else given
    if action is Action.KILL_SWITCH:
        return kill_switch(actor, slot=slot, seen=seen, reason=reason)
    if action is Action.ROLL_BACK:
        return roll_back(actor, slot=slot, adapter=target, seen=seen, reason=reason)
    if target is None:
        raise Http404(given)
    if action is Action.DEPLOY:
        return deploy(actor, slot=slot, adapter=target, seen=seen, reason=reason)
    return break_glass(actor, slot=slot, adapter=target, seen=seen, reason=reason)


def _page(
    request: HttpRequest,
    name: str,
    kind: str,
    way: Way,
    *,
    form: Form | None = None,
    status: int = 200,
    **more: Any,  # noqa: ANN401  what the template shows besides
) -> HttpResponse:
    given = request.POST.get("adapter") or request.GET.get("adapter", "")
    key = BARE if way.action is Action.KILL_SWITCH else given
    with reading(request) as sight:
        row = slot_queries.slot(sight.reader, name)
        digest = None if key in {"", BARE} else key
        chosen = candidate(sight.reader, sight.actor, way.action, row, digest, at=sight.at) if key else None
        shown: Form = form or (EmergencyForm(request=request) if way.action is Action.BREAK_GLASS else PlacementForm())
        context = {
            "actor": sight.actor,
            "slot": row,
            "kind": kind,
            "way": way,
            "chosen": chosen,
            "candidates": () if chosen else candidates(sight.reader, sight.actor, way.action, row, sight.at),
            "change": change(sight.reader, row.adapter, digest) if chosen else None,
            "form": shown,
            "signed": way.action is Action.BREAK_GLASS,
            **more,
        }
    return render(request, "governance/placement_page.html", context, status=status)
