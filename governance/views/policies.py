"""Approval policies: what is asked before an adapter may be used."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from adapters_core.errors import InputError
from governance.actors import spend_proof
from governance.forms.assurance import MOST_STAGES, STAGES, PolicyForm, filled_in
from governance.policy.actions import Action
from governance.selectors import policy_reads
from governance.services import references
from governance.services.set_policy import set_policy
from governance.views.forbidding import forbid, may, only_for
from governance.views.reading import reading


@require_safe
def show_all(request: HttpRequest) -> HttpResponse:
    """The policies in force."""
    with reading(request) as sight:
        context = {"policies": policy_reads.policies(sight.reader), "may_set": may(sight, Action.SET_POLICY)}
    return render(request, "governance/policies_page.html", context)


@require_safe
def show(request: HttpRequest, name: str, version: int | None = None) -> HttpResponse:
    """One version of a policy."""
    with reading(request) as sight:
        context = {
            "policy": policy_reads.policy(sight.reader, name, version),
            "may_set": may(sight, Action.SET_POLICY),
        }
    return render(request, "governance/policy_page.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, name: str = "") -> HttpResponse:
    """A new version of a policy, or a new policy."""
    if request.method == "POST":
        forbid(request, Action.SET_POLICY, references.policy(name or "new"))
    with reading(request) as sight:
        only_for(sight, Action.SET_POLICY)
        before = policy_reads.policy(sight.reader, name).entry.data if name else None
    initial = filled_in(name, before) if before else {"expires_days": 90, "cool_down_hours": 24}
    count = _count(request, len(before["stages"]) if before else 0)
    sent = request.POST if request.method == "POST" else None
    form = PolicyForm(sent, request=request, initial=initial, count=count)
    if name:
        form.fields["name"].disabled = True
    if sent is not None and "add_stage" in sent:
        form = PolicyForm(request=request, initial=form.with_another_stage(), count=min(count + 1, MOST_STAGES))
        form.fields["name"].disabled = bool(name)
    elif form.is_valid():
        try:
            set_policy(form.actor, name=form.cleaned_data["name"], policy=form.policy(before))
        except InputError as error:
            form.add_error(None, str(error))
        else:
            spend_proof(request)
            messages.success(
                request, _("The policy was set, and recorded. Requests and approvals under the old version are void.")
            )
            return HttpResponseRedirect(reverse("policy", args=[form.cleaned_data["name"]]))
    context = {"form": form, "name": name, "may_add_stage": form.count < MOST_STAGES}
    return render(request, "governance/policy_change.html", context, status=400 if form.is_bound else 200)


def _count(request: HttpRequest, stages: int) -> int:
    """How many stages the form asks for: as many as were shown, or as the policy has."""
    shown = request.POST.get("stages", "")
    asked = int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 4 else 0  # noqa: PLR2004  a small number
    return min(max(asked, stages, STAGES), MOST_STAGES)
