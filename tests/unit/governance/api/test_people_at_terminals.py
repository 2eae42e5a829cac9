"""An administrator changes what a slot serves with address and password; nobody else does, and nothing else."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import cache
from django.test import Client, override_settings

from adapters_core.ledger import queries, slot_queries
from adapters_core.ledger.records import Entry
from tests.cast import AKIRA, HANAKO, MISAKI, NAOKO, PASSWORD, SHIN, YUKI, Member, sign_up
from tests.factories.installations import copy_template, installed
from tests.factories.worlds import populate
from tests.unit.governance.api.conftest import Filled
from tests.unit.governance.api.test_scopes import OPERATIONS
from tests.unit.governance.test_proof import code_of

pytestmark = pytest.mark.django_db
ACTS = {"rollback": "roll_back", "kill": "kill_switch", "deployments": "deploy"}


@pytest.fixture
def served(template: Path, tmp_path: Path) -> Iterator[Filled]:
    """An installation of this test alone in which ``support`` serves an adapter."""
    cache.clear()
    with installed(copy_template(template, tmp_path / "var")) as place:
        yield Filled(place=place, world=populate(place))


def call(member: Member, path: str, body: object = None, *, password: str = PASSWORD, code: str = "") -> Any:
    secret = b64encode(f"{member.email}:{password}".encode()).decode()
    headers = {"authorization": f"Basic {secret}", **({"x-ringi-code": code} if code else {})}
    client = Client(enforce_csrf_checks=True)
    if body is None:
        return client.get(f"/api/v1/{path}", headers=headers)
    return client.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)


def back(served: Filled, **more: object) -> dict[str, object]:
    return {"adapter": None, "seen": served.world.served, "reason": "誤った回答", **more}


def last(served: Filled) -> Entry:
    with served.place.ledger.read() as db:
        return queries.find_entries(db, limit=1)[0]


def test_an_administrator_rolls_back_and_follows_it(served: Filled) -> None:
    sign_up(MISAKI)
    assert call(MISAKI, "slots/support").json()["adapter"] == served.world.served

    answer = call(MISAKI, "slots/support/rollback", back(served))

    assert answer.status_code == 202
    assert answer.cookies == {}, "no session is begun"
    entry = last(served)
    assert (entry.event, entry.actor.id, entry.actor.kind) == ("deployment:requested", MISAKI.id, "person")
    assert entry.actor.auth is not None
    assert entry.actor.auth.method == "password"
    assert call(MISAKI, f"deployments/{answer.json()['deployment']}").json()["state"] == "requested"
    with served.place.ledger.read() as db:
        assert slot_queries.slot(db, "support").pending == answer.json()["deployment"]


def test_what_has_changed_since_is_refused_and_recorded(served: Filled) -> None:
    sign_up(MISAKI)

    answer = call(MISAKI, "slots/support/rollback", back(served, seen=None))

    assert (answer.status_code, answer.json()["reason"]) == (403, "stale_page")
    assert last(served).data["reason_code"] == "stale_page"


@pytest.mark.parametrize("member", [HANAKO, YUKI, AKIRA, NAOKO, SHIN], ids=lambda one: "+".join(one.roles) or "nobody")
@pytest.mark.parametrize("address", ACTS)
def test_whoever_is_no_administrator_is_refused_and_recorded(served: Filled, member: Member, address: str) -> None:
    sign_up(member)
    body = back(served) if address != "kill" else {"seen": served.world.served, "reason": "試す"}
    body |= {"adapter": served.world.served} if address == "deployments" else {}

    answer = call(member, f"slots/support/{address}", body)

    assert answer.status_code == 403
    entry = last(served)
    assert (entry.event, entry.actor.id, entry.data["action"]) == ("denied", member.id, ACTS[address])
    assert call(member, "slots/support").status_code == (200 if member.roles else 403)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_guessing_is_stopped_even_for_the_right_password(served: Filled, method: str) -> None:
    sign_up(MISAKI)
    before = last(served)
    tried = ("slots/support", None) if method == "GET" else ("slots/support/rollback", back(served))
    for _ in range(5):
        assert call(MISAKI, *tried, password="wrong").status_code == 401

    answer = call(MISAKI, "slots/support/rollback", back(served))

    assert answer.status_code == 401
    assert "fifteen minutes" in answer.json()["detail"]
    assert answer.headers["WWW-Authenticate"] == "Bearer", "no browser asks for a password"
    assert last(served) == before


def test_who_has_an_authenticator_app_sends_the_code_too_and_each_once(served: Filled) -> None:
    TOTP.activate(sign_up(MISAKI), secret := str(generate_totp_secret()))
    code = code_of(secret)
    for given in ("", "000000"):
        assert call(MISAKI, "slots/support/rollback", back(served), code=given).status_code == 401

    assert call(MISAKI, "slots/support/rollback", back(served), code=code).status_code == 202
    auth = last(served).actor.auth
    assert auth is not None
    assert auth.method == "password+totp"
    assert call(MISAKI, "slots/support", code=code).status_code == 401


@pytest.mark.parametrize("address", ACTS)
def test_a_password_alone_is_not_enough_for_whom_has_a_passkey(served: Filled, address: str) -> None:
    user = sign_up(MISAKI)
    Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data={})
    recovery = RecoveryCodes.activate(user).get_unused_codes()[0]
    signed_in = Client().post("/accounts/login/", {"login": MISAKI.email, "password": PASSWORD})
    assert signed_in.headers["Location"] == "/accounts/2fa/authenticate/"
    before = last(served)

    for code in ("", recovery):
        answer = call(MISAKI, f"slots/support/{address}", back(served), code=code)

        assert answer.status_code == 401
        assert "set up an authenticator app" in answer.json()["detail"]
    assert call(MISAKI, "slots/support").status_code == 401
    assert last(served) == before

    TOTP.activate(user, secret := str(generate_totp_secret()))
    assert call(MISAKI, "slots/support", code=code_of(secret)).status_code == 200


def test_who_has_no_second_factor_is_turned_away_where_one_is_asked_for(served: Filled) -> None:
    user, before = sign_up(MISAKI), last(served)
    with override_settings(SIGN_WITH_SECOND_FACTOR=True):
        answer = call(MISAKI, "slots/support/rollback", back(served))

        assert (answer.status_code, last(served)) == (401, before)
        assert "set up an authenticator app" in answer.json()["detail"]
        TOTP.activate(user, secret := str(generate_totp_secret()))
        assert call(MISAKI, "slots/support/rollback", back(served), code=code_of(secret)).status_code == 202


def test_a_wrong_password_learns_nothing_of_second_factors(served: Filled) -> None:
    Authenticator.objects.create(user=sign_up(MISAKI), type=Authenticator.Type.WEBAUTHN, data={})

    answer = call(MISAKI, "slots/support/rollback", back(served), password="wrong")

    assert "passkey" not in answer.json()["detail"]


@pytest.mark.usefixtures("served")
def test_guessing_codes_is_stopped_too() -> None:
    TOTP.activate(sign_up(MISAKI), secret := str(generate_totp_secret()))
    for _ in range(5):
        assert call(MISAKI, "slots/support", code="000000").status_code == 401

    assert "fifteen minutes" in call(MISAKI, "slots/support", code=code_of(secret)).json()["detail"]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("email", ["nobody@ringi.example", "", "\0", "佐藤", "a" * 5000])
def test_an_address_that_there_is_not_is_answered_like_a_wrong_password(email: str) -> None:
    member = Member(id="x", name="x", email=email, roles=())

    answer = call(member, "slots/support")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


@pytest.mark.usefixtures("served")
def test_whoever_comes_from_nowhere_is_not_counted_and_so_not_let_in() -> None:
    sign_up(MISAKI)
    secret = b64encode(f"{MISAKI.email}:{PASSWORD}".encode()).decode()

    answer = Client(REMOTE_ADDR="").get("/api/v1/slots/support", headers={"authorization": f"Basic {secret}"})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_a_person_calls_nothing_else(served: Filled) -> None:
    sign_up(MISAKI)
    own = {"slots/{name}", "slots/{name}/deployments", "slots/{name}/rollback", "slots/{name}/kill"}
    own |= {"deployments/{identifier}"}
    for one in OPERATIONS:
        if one.path not in own or (one.method, one.path) == ("GET", "slots/{name}/deployments"):
            answer = call(MISAKI, served.world.address(one.path), None if one.method == "GET" else one.body or {})
            # What is no multipart body is refused before anybody is looked at.
            assert answer.status_code == (415 if one.path == "contexts/file" else 401), one.path
