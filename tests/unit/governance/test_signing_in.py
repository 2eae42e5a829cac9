"""Signing in: who gets in, who is kept out, and that guessing is stopped."""

from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from django.conf import settings
from django.contrib.auth.hashers import get_hasher
from django.test import Client

from tests.cast import HANAKO, PASSWORD, YUKI, sign_up

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def _no_earlier_attempts() -> None:
    from django.core.cache import cache

    cache.clear()


def sign_in(client: Client, password: str = PASSWORD, email: str = HANAKO.email, **more: str) -> Any:
    return client.post(LOGIN, {"login": email, "password": password, **more})


def test_a_person_signs_in_with_their_address() -> None:
    sign_up(HANAKO)
    client = Client()

    assert sign_in(client).headers["Location"] == "/"
    page = client.get("/").text
    assert HANAKO.name in page
    assert HANAKO.id not in page, "nobody is greeted by the name of their account"


def test_who_signs_out_is_told_so_in_the_words_of_the_pages() -> None:
    sign_up(HANAKO)
    client = Client()
    sign_in(client)

    client.post("/accounts/logout/")
    assert "サインアウトしました。" in client.get("/accounts/login/").text


@pytest.mark.parametrize("path", ["/", "/accounts/2fa/", "/accounts/password/change/"])
def test_a_stranger_is_asked_to_sign_in(path: str) -> None:
    answer = Client().get(path)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(LOGIN)


def test_the_session_before_signing_in_is_worth_nothing_after() -> None:
    sign_up(HANAKO)
    client = Client()
    session = client.session
    session["planted"] = "yes"
    session.save()
    before = str(session.session_key)
    client.cookies[settings.SESSION_COOKIE_NAME] = before

    sign_in(client)

    assert client.cookies[settings.SESSION_COOKIE_NAME].value != before
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = before
    assert thief.get("/").status_code == 302


def test_guessing_locks_the_address_even_for_the_right_password() -> None:
    sign_up(HANAKO)
    client = Client()
    for attempt in range(5):
        assert sign_in(client, f"wrong-{attempt}").status_code == 200

    locked = sign_in(Client(REMOTE_ADDR="198.51.100.7"))

    assert locked.status_code == 200
    assert Client().get("/").status_code == 302
    assert "_auth_user_id" not in client.session


def test_guessing_at_one_address_does_not_lock_another() -> None:
    sign_up(HANAKO)
    sign_up(YUKI)
    for attempt in range(5):
        sign_in(Client(), f"wrong-{attempt}")

    assert sign_in(Client(), email=YUKI.email).status_code == 302


def test_an_unknown_address_looks_like_a_wrong_password() -> None:
    sign_up(HANAKO)
    wrong, unknown = (
        sign_in(Client(), "wrong-password"),
        sign_in(Client(), "wrong-password", email="nobody@ringi.example"),
    )

    assert wrong.status_code == unknown.status_code == 200
    assert wrong.text.count("field-errors") == unknown.text.count("field-errors")
    assert wrong.context["form"].errors == unknown.context["form"].errors


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_signing_in_never_leads_to_another_site(target: str) -> None:
    sign_up(HANAKO)

    answer = sign_in(Client(), next=target)

    assert answer.status_code == 302
    assert "evil" not in answer.headers["Location"]


def test_nobody_makes_an_account_alone() -> None:
    answer = Client().post(
        "/accounts/signup/", {"email": "new@ringi.example", "password1": PASSWORD, "password2": PASSWORD}
    )

    assert answer.status_code == 200
    from django.contrib.auth.models import User

    assert not User.objects.filter(email="new@ringi.example").exists()


@pytest.mark.usefixtures("place")
def test_nobody_changes_their_own_address() -> None:
    sign_up(HANAKO)
    client = Client()
    sign_in(client)

    assert client.post("/accounts/email/", {"email": "x@ringi.example", "action_add": ""}).status_code == 403


@pytest.mark.usefixtures("place")
def test_signing_out_takes_a_form() -> None:
    sign_up(HANAKO)
    client = Client()
    sign_in(client)

    client.get("/accounts/logout/")
    assert client.get("/").status_code == 200
    client.post("/accounts/logout/")
    assert client.get("/").status_code == 302


def test_secrets_of_second_factors_are_stored_encrypted() -> None:
    adapter = get_adapter()
    stored = adapter.encrypt("JBSWY3DPEHPK3PXP")

    assert "JBSWY3DPEHPK3PXP" not in stored
    assert adapter.decrypt(stored) == "JBSWY3DPEHPK3PXP"


def test_passwords_are_kept_with_argon2() -> None:
    import governance.settings as ours

    assert ours.PASSWORD_HASHERS == ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    assert get_hasher("argon2").verify(PASSWORD, get_hasher("argon2").encode(PASSWORD, "saltsaltsalt"))


def test_a_browser_without_cookies_is_told_so() -> None:
    sign_up(HANAKO)
    client = Client(enforce_csrf_checks=True)

    answer = client.post(LOGIN, {"login": HANAKO.email, "password": PASSWORD}, headers={"accept-language": "en"})

    assert answer.status_code == 403
    assert "Cookie" in answer.text or "cookie" in answer.text.lower()
