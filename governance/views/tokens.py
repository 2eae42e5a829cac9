"""Service tokens: issued with the secret shown once, and revoked."""

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from adapters_core.errors import DeniedError
from governance.actors import actor_of
from governance.forms.assurance import TokenForm
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.reasons import REASONS
from governance.selectors import token_reads
from governance.selectors.person_names import everybody
from governance.services import references
from governance.services.issue_token import issue_token, revoke_token
from governance.views.forbidding import forbid, may, only_for
from governance.views.numbers import place_in
from governance.views.reading import Sight, reading


@require_safe
def show_all(request: HttpRequest) -> HttpResponse:
    """All tokens; for administrators and auditors."""
    given = request.GET.get("before", "")
    with reading(request) as sight:
        _for_readers(sight)
        page = token_reads.tokens(sight.reader, sight.at, before=place_in(request))
        context = {
            "page": page,
            "may_issue": may(sight, Action.ISSUE_TOKEN),
            "first": "?" if given else "",
            "next": f"?before={page.next}" if page.next is not None else "",
        }
    return render(request, "governance/tokens_page.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def issue(request: HttpRequest) -> HttpResponse:
    """Issue a token; its secret is on this answer and nowhere else."""
    if request.method == "POST":
        forbid(request, Action.ISSUE_TOKEN, references.token("new"))
    with reading(request) as sight:
        only_for(sight, Action.ISSUE_TOKEN)
        people = [(one.id, one.name) for one in everybody(sight.reader) if one.id != sight.actor.id]
    form = TokenForm(request.POST if request.method == "POST" else None, people=people)
    if not form.is_valid():
        return render(request, "governance/token_new.html", {"form": form}, status=400 if form.is_bound else 200)
    given = form.cleaned_data
    expires = installation().ledger.clock() + timedelta(days=given["days"])
    token = issue_token(
        actor_of(request),
        name=given["name"],
        scopes=frozenset(given["scopes"]),
        expires=expires,
        holder=given["holder"] or None,
    )
    return render(request, "governance/token_issued.html", {"token": token, "expires": expires, **given})


@require_POST
def revoke(request: HttpRequest, token: str) -> HttpResponse:
    """Revoke a token at once."""
    revoke_token(actor_of(request), token=token)
    messages.success(request, _("The token was revoked: it opens nothing any more."))
    return HttpResponseRedirect(reverse("tokens"))


def _for_readers(sight: Sight) -> None:
    if not (sight.actor.holds("admin") or sight.actor.holds("auditor")):
        raise DeniedError(str(REASONS["role_missing"]), reason_code="role_missing")
