"""Everybody tries everything that is not theirs, straight from the rules' table: a new action is tried by itself."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from adapters_core.ledger import queries
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor, Standing
from governance.policy.reasons import REASONS
from governance.policy.rules import who
from tests.cast import AKIRA, HANAKO, MISAKI, NAOKO, SHIN, YUKI, Member, sign_up
from tests.factories.installations import START, Place, copy_template, installed
from tests.factories.scenes import Scene, attempts, make_scene
from tests.ledger_trace import traced

pytestmark = pytest.mark.django_db
PEOPLE = (HANAKO, YUKI, AKIRA, MISAKI, NAOKO, SHIN)
ACTIONS = tuple(action for action in Action if action is not Action.READ)
Browser = Callable[[Member], Client]


def refused_to(action: Action) -> list[tuple[Member, str]]:
    """Who of the cast may never do this, and the code of the reason."""
    found = []
    for member in PEOPLE:
        roles = tuple(Standing(name=role, since=START) for role in member.roles)
        if code := who(Actor(id=member.id, name=member.name, kind="person", roles=roles), action):
            found.append((member, code))
    return found


@pytest.fixture(scope="module")
def staged(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scene]:
    """A folder in which everything is under way."""
    folder = copy_template(template, tmp_path_factory.mktemp("scene") / "var")
    with installed(folder) as place:
        return folder, make_scene(place)


@pytest.fixture
def scene(staged: tuple[Path, Scene], tmp_path: Path) -> Iterator[tuple[Place, Scene]]:
    """A copy of it."""
    with installed(copy_template(staged[0], tmp_path / "var")) as place:
        place.clock.forward(hours=1)
        yield place, staged[1]


@pytest.fixture
def browser() -> Browser:
    """A browser that checks and sends the forms' tokens, in English."""

    def open_for(member: Member) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(sign_up(member), backend="allauth.account.auth_backends.AuthenticationBackend")
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
        client.get("/")
        return client

    return open_for


def send(client: Client, address: str, fields: Mapping[str, Any], *, token: bool = True) -> Any:
    csrf = {"csrfmiddlewaretoken": client.cookies[settings.CSRF_COOKIE_NAME].value} if token else {}
    return client.post(address, {**fields, **csrf})


def since(place: Place, size: int) -> list[Entry]:
    with place.ledger.read() as db:
        return [queries.entry(db, seq) for seq in range(size, queries.size(db))]


def size(place: Place) -> int:
    with place.ledger.read() as db:
        return queries.size(db)


def test_every_action_has_an_attempt(scene: tuple[Place, Scene]) -> None:
    assert set(attempts(scene[1])) == set(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_direct_post_of_whoever_may_not_is_refused_in_words_and_recorded(
    action: Action, scene: tuple[Place, Scene], browser: Browser
) -> None:
    place, under_way = scene
    address, fields = attempts(under_way)[action]
    for member, code in refused_to(action):
        before = size(place)

        answer = send(browser(member), address, fields)

        assert answer.status_code == 403, (member.roles, answer.status_code)
        with translation.override("en"):
            assert str(REASONS[code]) in answer.content.decode(), member.roles
        recorded = since(place, before)
        assert [(one.event, one.actor.id, one.data["action"], one.data["reason_code"]) for one in recorded] == [
            ("denied", member.id, action.value, code)
        ], member.roles


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_sent_without_the_forms_token_does_nothing(
    action: Action, scene: tuple[Place, Scene], browser: Browser
) -> None:
    place, under_way = scene
    address, fields = attempts(under_way)[action]
    before = size(place)
    for member in PEOPLE:
        answer = send(browser(member), address, fields, token=False)
        assert answer.status_code == 403
        assert "This form has expired" in answer.content.decode()
    assert size(place) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_whoever_is_not_signed_in_changes_nothing(action: Action, scene: tuple[Place, Scene]) -> None:
    place, under_way = scene
    address, fields = attempts(under_way)[action]
    before = size(place)

    answer = Client().post(address, fields)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/")
    assert size(place) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_no_other_method_does_what_the_form_does(action: Action, scene: tuple[Place, Scene], browser: Browser) -> None:
    place, under_way = scene
    address, fields = attempts(under_way)[action]
    allowed = next(member for member in PEOPLE if member not in {one for one, _code in refused_to(action)})
    client = browser(allowed)
    before = size(place)
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        query = {"_method": "POST", **fields} if method == "GET" else fields
        csrf = {"X-CSRFToken": client.cookies[settings.CSRF_COOKIE_NAME].value, "X-HTTP-Method-Override": "POST"}
        answer = client.generic(method, address, headers=csrf) if method != "GET" else client.get(address, query)
        assert answer.status_code in {200, 204, 302, 403, 405}, method
    assert size(place) == before


QUIET = {
    Action.TRY_OUT: "changes nothing",
    Action.GENERATE: "the same is under way already",
    Action.ERASE: "nothing would be left of its only context",
    **dict.fromkeys((Action.COMMENT, Action.WITHDRAW, Action.DELEGATE), "its form carries a number that counts once"),
    Action.SET_POLICY: "its form asks for more",
}
"""What writes nothing of what ``attempts`` sends, when it is sent by whoever may."""


@contextmanager
def transactions(place: Place) -> Iterator[list[int]]:
    """How many statements wrote in each transaction of the ledger that was committed meanwhile."""
    found: list[int] = []
    open_now: dict[Connection, int] = {}

    def heard(connection: Connection, statement: str) -> None:
        word = statement.split(maxsplit=1)[0].upper()
        if word in {"INSERT", "UPDATE", "DELETE", "REPLACE"}:
            open_now[connection] = open_now.get(connection, 0) + 1
        elif word == "COMMIT" and (count := open_now.pop(connection, 0)):
            found.append(count)
        elif word == "ROLLBACK":
            open_now.pop(connection, None)

    with traced(place.ledger.engine, heard):
        yield found


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_one_transaction_so_that_a_crash_leaves_all_of_it_or_nothing(
    action: Action, scene: tuple[Place, Scene], browser: Browser
) -> None:
    place, under_way = scene
    address, fields = attempts(under_way)[action]
    refused = {member for member, _code in refused_to(action)}
    for member in (next(one for one in PEOPLE if one not in refused), SHIN):
        client, before = browser(member), size(place)
        with transactions(place) as committed:
            send(client, address, fields)
        assert len(committed) == (0 if action in QUIET and member not in refused else 1), committed
        assert committed or size(place) == before


PAGES = (
    "/",
    "/contexts/",
    "/contexts/{context}",
    "/adapters/{adapter}/",
    "/adapters/{idle}/",
    "/requests/{request}/",
    "/requests/{request}/decide/",
    "/delegations/",
    "/slots/",
    "/slots/support/",
    "/incidents/{incident}/",
    "/policies/",
    "/people/",
    "/tokens/",
    "/jobs/",
    "/jobs/{job}/",
)


@pytest.mark.parametrize("member", PEOPLE, ids=lambda member: "+".join(member.roles) or "nobody")
def test_no_page_offers_what_is_not_for_the_role(member: Member, scene: tuple[Place, Scene], browser: Browser) -> None:
    _place, under_way = scene
    own = attempts(under_way)
    client = browser(member)
    sent_to = {own[action][0] for action in ACTIONS if member in {one for one, _code in refused_to(action)}}
    sent_to -= {own[action][0] for action in ACTIONS if member not in {one for one, _code in refused_to(action)}}
    for page in PAGES:
        shown = client.get(page.format(**under_way.__dict__)).content.decode()
        offered = [address for address in sent_to if f'action="{address}"' in shown]
        assert offered == [], (page, offered)
