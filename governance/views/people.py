"""People and their roles."""

import secrets

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from adapters_core.errors import DeniedError, InputError
from governance.actors import actor_of, spend_proof
from governance.forms.assurance import AccountForm, GrantForm, PersonForm, RevokeForm
from governance.policy.actions import Action
from governance.selectors import people_reads
from governance.services import references
from governance.services.create_person import create_person
from governance.services.give_account import give_account
from governance.services.grant_role import grant_role, revoke_role
from governance.services.make_account import has_account
from governance.views.forbidding import forbid, may, only_for
from governance.views.reading import reading


@require_safe
def show_all(request: HttpRequest) -> HttpResponse:
    """Everybody, with their roles."""
    with reading(request) as sight:
        context = {
            "people": people_reads.everybody(sight.reader, sight.at),
            "may_add": may(sight, Action.CREATE_PERSON),
            "hours": people_reads.cool_down_hours(sight.reader),
        }
    return render(request, "governance/people_page.html", context)


@require_safe
def show(request: HttpRequest, person: str) -> HttpResponse:
    """One person: roles, history, and what an administrator may change."""
    return _page(request, person)


@require_POST
def grant(request: HttpRequest, person: str) -> HttpResponse:
    """Grant a role."""
    forbid(request, Action.GRANT_ROLE, references.person(person))
    form = GrantForm(request.POST, request=request)
    if not form.is_valid():
        return _page(request, person, granting=form, status=400)
    try:
        grant_role(form.actor, person=person, role=form.cleaned_data["role"], reason=form.cleaned_data["reason"])
    except DeniedError as error:
        form.add_error(None, str(error))
        return _page(request, person, granting=form, status=403)
    spend_proof(request)
    messages.success(request, _("The role was granted, and recorded."))
    return HttpResponseRedirect(reverse("person", args=[person]))


@require_POST
def revoke(request: HttpRequest, person: str) -> HttpResponse:
    """Revoke a role."""
    forbid(request, Action.REVOKE_ROLE, references.person(person))
    with reading(request) as sight:
        known = people_reads.person(sight.reader, person, sight.at)
    form = RevokeForm(request.POST, held=tuple(one.role for one in known.held) if known else ())
    if not form.is_valid():
        return _page(request, person, revoking=form, status=400)
    try:
        revoke_role(
            actor_of(request), person=person, role=form.cleaned_data["role"], reason=form.cleaned_data["reason"]
        )
    except DeniedError as error:
        form.add_error(None, str(error))
        return _page(request, person, revoking=form, status=403)
    messages.success(request, _("The role was revoked, and recorded."))
    return HttpResponseRedirect(reverse("person", args=[person]))


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Add a person without any role; their first password is shown once."""
    if request.method == "POST":
        forbid(request, Action.CREATE_PERSON, references.person("new"))
    with reading(request) as sight:
        only_for(sight, Action.CREATE_PERSON)
    form = PersonForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "governance/person_new.html", {"form": form}, status=400 if form.is_bound else 200)
    password = _first_password()
    try:
        person = create_person(actor_of(request), password=password, **form.cleaned_data)
    except InputError as error:
        form.add_error("email", str(error))
        return render(request, "governance/person_new.html", {"form": form}, status=400)
    context = {"person": person, "password": password, **form.cleaned_data}
    return render(request, "governance/person_added.html", context)


@require_POST
def add_account(request: HttpRequest, person: str) -> HttpResponse:
    """Make the account of somebody who has none; their first password is shown once."""
    forbid(request, Action.CREATE_PERSON, references.person(person))
    with reading(request) as sight:
        known = people_reads.person(sight.reader, person, sight.at)
    if known is None:
        raise Http404(person)
    form = AccountForm(request.POST)
    if not form.is_valid():
        return _page(request, person, account=form, status=400)
    password, email = _first_password(), form.cleaned_data["email"]
    try:
        give_account(actor_of(request), person=person, name=known.name, email=email, password=password)
    except InputError as error:
        form.add_error("email", str(error))
        return _page(request, person, account=form, status=400)
    context = {"person": person, "password": password, "name": known.name, "email": email, "known": True}
    return render(request, "governance/person_added.html", context)


def _first_password() -> str:
    return "-".join(secrets.token_hex(3) for _part in range(3))


def _page(
    request: HttpRequest,
    person: str,
    *,
    granting: GrantForm | None = None,
    revoking: RevokeForm | None = None,
    account: AccountForm | None = None,
    status: int = 200,
) -> HttpResponse:
    with reading(request) as sight:
        known = people_reads.person(sight.reader, person, sight.at)
        if known is None:
            raise Http404(person)
        context = {
            "person": known,
            "granting": granting or GrantForm(request=request),
            "revoking": revoking or RevokeForm(held=tuple(one.role for one in known.held)),
            "account": account or AccountForm(),
            "has_account": has_account(person),
            "may_add": may(sight, Action.CREATE_PERSON),
            "may_change": may(sight, Action.GRANT_ROLE) and known.id != sight.actor.id,
            "own": known.id == sight.actor.id,
        }
    return render(request, "governance/person_page.html", context, status=status)
