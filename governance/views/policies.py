"""Approval policies: what is asked before an adapter may be used."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from adapters_core.errors import InputError
from governance.actors import spend_proof
from governance.forms.assurance import PolicyForm, filled_in
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
    form = PolicyForm(request.POST if request.method == "POST" else None, request=request, initial=initial)
    if name:
        form.fields["name"].disabled = True
    if form.is_valid():
        try:
            set_policy(form.actor, name=form.cleaned_data["name"], policy=form.policy(before))
        except InputError as error:
            form.add_error(None, str(error))
        else:
            spend_proof(request)
            messages.success(
                request, _("The policy was set, and recorded. Open requests under the old version are void.")
            )
            return HttpResponseRedirect(reverse("policy", args=[form.cleaned_data["name"]]))
    return render(
        request, "governance/policy_change.html", {"form": form, "name": name}, status=400 if form.is_bound else 200
    )
