"""Who is offered which pages, and whom the identity provider sends."""

from types import SimpleNamespace

import pytest
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.contrib.auth.models import User
from django.http import HttpRequest

from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.records import Subject
from governance.accounts import SignOnAdapter
from governance.page import navigation
from governance.policy.actors import ROLES
from governance.services.grant_role import grant_role
from tests.cast import HANAKO, MISAKI, SHIN
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn


def addresses(roles: frozenset[str] | None, path: str = "/") -> list[str]:
    return [one.address for section in navigation(path, roles) for one in section.places]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_offered_the_inbox(role: str) -> None:
    assert "/" in addresses(frozenset({role}))


def test_without_a_role_there_is_the_inbox_alone() -> None:
    assert addresses(frozenset()) == ["/"]


def test_roles_that_are_not_known_leave_nothing_out() -> None:
    assert set(addresses(frozenset(ROLES))) <= set(addresses(None))


def test_the_page_one_is_on_is_marked() -> None:
    marked = [one.address for section in navigation("/", None) for one in section.places if one.here]

    assert marked == ["/"]


@pytest.mark.usefixtures("place")
def test_the_header_names_the_person_and_their_role(browser_of: SignIn) -> None:
    page = browser_of(HANAKO).get("/").text

    assert HANAKO.name in page
    assert "エンジニア" in page
    assert "エンジニア" not in browser_of(SHIN).get("/").text


@pytest.mark.django_db
def test_whom_the_identity_provider_sends_is_recorded_once_and_has_no_role(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User(username="11111111-0000-4000-8000-000000000001", first_name="小林 誠")
    login = SimpleNamespace(user=user, account=SimpleNamespace(provider="sign-on"))
    monkeypatch.setattr(DefaultSocialAccountAdapter, "save_user", lambda *_arguments: user)

    SignOnAdapter().save_user(HttpRequest(), login)

    with place.ledger.read() as db:
        [entry] = queries.history(db, Subject(kind="person", id=user.username))
        assert people_queries.roles_of(db, user.username) == ()
    assert (entry.actor.kind, entry.data["name"]) == ("system", "小林 誠")
    grant_role(place.actor(MISAKI), person=user.username, role="engineer")
    SignOnAdapter().save_user(HttpRequest(), login)
    with place.ledger.read() as db:
        events = [entry.event for entry in queries.history(db, Subject(kind="person", id=user.username))]
    assert events == ["person:created", "role:granted"]
