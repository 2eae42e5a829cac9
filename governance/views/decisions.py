"""Deciding on a request in two steps: choose, then repeat what it means and sign with a fresh proof."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from adapters_core.errors import DeniedError, IllegalTransitionError
from adapters_core.ledger.records import Entry
from governance.actors import spend_proof
from governance.forms.decisions import DecisionForm
from governance.forms.proof import ProofForm
from governance.policy.actions import DECISIONS, Action
from governance.policy.actors import Actor
from governance.policy.words import ACTION_NAMES
from governance.selectors.decision_choices import ORDER, Standpoint, consequence, standpoints
from governance.selectors.request_pages import RequestView, request_view
from governance.services import references
from governance.services.approve import approve
from governance.services.approve_with_conditions import approve_with_conditions
from governance.services.reject import reject
from governance.services.send_back import send_back
from governance.views import refusals
from governance.views.forbidding import forbid
from governance.views.reading import Sight, reading


@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: HttpRequest, identifier: str) -> HttpResponse:
    """GET chooses; POST with ``step=review`` asks to confirm; POST with ``step=sign`` signs."""
    if request.method == "POST":
        sent = request.POST.get("decision", "")
        forbid(request, Action(sent) if sent in DECISIONS else Action.APPROVE, references.request(identifier))
    with reading(request) as sight:
        view = request_view(sight.reader, identifier, sight.at)
        points = standpoints(sight.reader, sight.actor, identifier, sight.at)
        if request.method != "POST":
            return _choose(request, sight, view, points)
        form = DecisionForm(request.POST, standpoints=points, row=view.row)
        if not form.is_valid():
            return _choose(request, sight, view, points, form=form, status=refusals.BAD)
        if request.POST.get("step") != "sign":
            return _confirm(request, sight, view, form, ProofForm(request=request))
    return _sign(request, identifier, form)


def _sign(request: HttpRequest, identifier: str, form: DecisionForm) -> HttpResponse:
    proof = ProofForm(request.POST, request=request)
    proven = proof.is_valid()
    # Without a proof the rules are asked all the same: they refuse, and the ledger records the attempt.
    actor = proof.actor if proven else replace(proof.actor, confirmed=None)
    try:
        _carry_out(actor, identifier, form)
    except (DeniedError, IllegalTransitionError) as error:
        return _refused(request, identifier, form, proof, error)
    finally:
        if proven:
            spend_proof(request)
    messages.success(request, _("Signed and recorded: %(decision)s.") % {"decision": ACTION_NAMES[form.action.value]})
    return HttpResponseRedirect(reverse("request", args=[identifier]))


def _carry_out(actor: Actor, identifier: str, form: DecisionForm) -> Entry:
    given, signature = form.cleaned_data, form.signature()
    match form.action:
        case Action.APPROVE:
            return approve(actor, request=identifier, signature=signature, comment=given["comment"])
        case Action.APPROVE_WITH_CONDITIONS:
            return approve_with_conditions(
                actor,
                request=identifier,
                signature=signature,
                conditions=given["conditions"],
                comment=given["comment"],
            )
        case Action.SEND_BACK:
            return send_back(
                actor, request=identifier, signature=signature, comment=given["comment"], required=given["required"]
            )
        case _:
            return reject(actor, request=identifier, signature=signature, comment=given["comment"])


def _refused(
    request: HttpRequest,
    identifier: str,
    form: DecisionForm,
    proof: ProofForm,
    error: DeniedError | IllegalTransitionError,
) -> HttpResponse:
    with reading(request) as sight:
        view = request_view(sight.reader, identifier, sight.at)
        if isinstance(error, DeniedError) and error.reason_code == "confirm_identity":
            return _confirm(request, sight, view, form, proof, status=refusals.FORBIDDEN)
        text, status = refusals.said(error)
        points = standpoints(sight.reader, sight.actor, identifier, sight.at)
        return _choose(request, sight, view, points, form=form, refused=text, status=status)


def _choose(
    request: HttpRequest,
    sight: Sight,
    view: RequestView,
    points: Sequence[Standpoint],
    *,
    form: DecisionForm | None = None,
    status: int = 200,
    **more: Any,  # noqa: ANN401  what the template shows besides
) -> HttpResponse:
    seen = {"stage": min(view.row.stage, len(view.row.stages)), "bound_digest": view.row.bound_digest}
    best = next((point for point in points if point.any), points[0])
    shown = form or DecisionForm(initial={**seen, "on_behalf_of": best.principal}, standpoints=points, row=view.row)
    choices = [
        {
            "action": action.value,
            "name": ACTION_NAMES[action.value],
            "answer": next(
                (point.answers[action] for point in points if point.answers[action]), points[0].answers[action]
            ),
            "consequence": consequence(action, view.row),
            "checked": shown["decision"].value() == action.value,
        }
        for action in ORDER
    ]
    context = {
        "actor": sight.actor,
        "at": sight.at,
        "view": view,
        "points": points,
        "choices": choices,
        "decidable": any(point.any for point in points),
        "form": shown,
        **more,
    }
    return render(request, "governance/decision_page.html", context, status=status)


def _confirm(
    request: HttpRequest,
    sight: Sight,
    view: RequestView,
    form: DecisionForm,
    proof: ProofForm,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "actor": sight.actor,
        "view": view,
        "form": form,
        "proof": proof,
        "decision": ACTION_NAMES[form.action.value],
        "consequence": consequence(form.action, view.row),
        "behalf": dict(form.fields["on_behalf_of"].choices).get(form.cleaned_data["on_behalf_of"])  # type: ignore[attr-defined]
        if form.cleaned_data["on_behalf_of"]
        else "",
        "conditional": form.action is Action.APPROVE_WITH_CONDITIONS,
        "danger": form.action in {Action.REJECT, Action.SEND_BACK},
    }
    return render(request, "governance/decision_confirm.html", context, status=status)
