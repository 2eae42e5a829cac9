"""Confirming who one is, outside of a form that is signed: before changing one's factors, and at a provider."""

import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.core.cache import cache
from django.test import Client, override_settings

from adapters_core.errors import LedgerError
from adapters_core.ledger import queries
from adapters_core.ledger.records import Subject
from governance import accounts
from tests.cast import PASSWORD, YUKI, sign_up
from tests.factories.identity_providers import Provider, identity_provider
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.test_proof import code_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]
CONFIRM = "/accounts/reauthenticate/"
CHANGING = [
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/totp/deactivate/",
    "/accounts/2fa/webauthn/add/",
    "/accounts/2fa/recovery-codes/",
    "/accounts/password/set/",
]
SIGNED = "/policies/standard/change"


@pytest.fixture(autouse=True)
def _no_earlier_attempts() -> None:
    cache.clear()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Configured as OIDC_ISSUER would when the process starts."""
    monkeypatch.setitem(registry.provider_map, "openid_connect", OpenIDConnectProvider)
    with (
        identity_provider() as running,
        override_settings(SOCIALACCOUNT_PROVIDERS=running.apps(), ROOT_URLCONF="tests.factories.sign_on_urls"),
    ):
        yield running


@pytest.fixture
def newcomer(browser_of: SignIn, provider: Provider) -> Client:
    """Yuki, who comes through the provider and has no password here."""
    user = sign_up(YUKI)
    SocialAccount.objects.create(user=user, provider="sign-on", uid=provider.sub)
    user.set_unusable_password()
    user.save()
    client = browser_of(YUKI)
    client.cookies["ringi_language"] = "en"
    return client


@pytest.mark.parametrize("address", CHANGING)
def test_what_one_signs_with_is_changed_after_a_proof(browser_of: SignIn, address: str) -> None:
    answer = browser_of(YUKI).get(address)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(CONFIRM)


def test_a_second_factor_is_not_taken_off_with_the_password_alone(browser_of: SignIn) -> None:
    TOTP.activate(sign_up(YUKI), secret := generate_totp_secret())
    client, off = browser_of(YUKI), "/accounts/2fa/totp/deactivate/"

    assert client.post(CONFIRM, {"proof": PASSWORD, "next": off}).status_code == 400
    assert client.post(off).headers["Location"].startswith(CONFIRM)
    assert Authenticator.objects.exists()

    sent = {"proof": PASSWORD, "code": code_of(secret), "next": off}
    assert client.post(CONFIRM, sent).headers["Location"] == off
    client.post(off)
    assert not Authenticator.objects.filter(type=Authenticator.Type.TOTP).exists()


def test_a_person_without_a_second_factor_sets_one_up_with_the_password(browser_of: SignIn) -> None:
    client, on = browser_of(YUKI), "/accounts/2fa/totp/activate/"

    assert client.post(CONFIRM, {"proof": PASSWORD, "next": on}).headers["Location"] == on
    assert client.get(on).status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/"])
def test_confirming_leads_to_no_other_site(browser_of: SignIn, target: str) -> None:
    answer = browser_of(YUKI).post(CONFIRM, {"proof": PASSWORD, "next": target})

    assert "evil" not in answer.headers["Location"]


def travel(client: Client, back: str = "/") -> str:
    """To the provider and back; answers where the provider was asked to go."""
    sent = client.get("/accounts/sign-on-again/", {"next": back})
    assert sent.status_code == 302
    asked = parse_qs(urlsplit(sent.headers["Location"]).query)
    callback = urlsplit(asked["redirect_uri"][0]).path
    answer = client.get(callback, {"code": "the-code", "state": asked["state"][0]})
    assert answer.headers["Location"] == back
    return sent.headers["Location"]


def confirmed(client: Client) -> bool:
    """Whether a signature would be taken now: the page that changes factors opens."""
    return client.get("/accounts/2fa/recovery-codes/").headers.get("Location", "").startswith(CONFIRM) is False


def test_the_provider_is_asked_to_let_the_person_sign_in_again(newcomer: Client) -> None:
    assert not confirmed(newcomer)
    asked = parse_qs(urlsplit(travel(newcomer, "/requests/")).query)

    assert asked["max_age"] == ["0"]
    assert asked["prompt"] == ["login"]
    assert confirmed(newcomer)
    assert newcomer.session["account_authentication_methods"][-1]["method"] == "socialaccount"


@pytest.mark.parametrize("said", ["an hour ago", "nothing"])
def test_a_sign_in_of_before_is_no_fresh_proof(newcomer: Client, provider: Provider, said: str) -> None:
    provider.auth_time = {"an hour ago": time.time() - 3600, "nothing": None}[said]

    travel(newcomer)

    assert not confirmed(newcomer)
    assert "did not say" in newcomer.get("/").text


def test_somebody_else_at_the_provider_confirms_nothing(newcomer: Client, provider: Provider) -> None:
    provider.sub = "somebody-else"

    travel(newcomer)

    assert not confirmed(newcomer)
    assert newcomer.session["_auth_user_id"] == str(sign_up(YUKI).pk)


def test_who_has_no_provider_is_not_sent_to_one(browser_of: SignIn) -> None:
    assert browser_of(YUKI).get("/accounts/sign-on-again/").status_code == 404


def test_a_page_that_is_signed_shows_the_way_to_the_provider(newcomer: Client) -> None:
    page = newcomer.get(CONFIRM).text

    assert "/accounts/sign-on-again/" in page
    assert 'type="password"' not in page


def test_whose_first_sign_in_was_stopped_is_recorded_at_the_next_one(
    place: Place, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.sub = "of-somebody-new"

    def fail(*_arguments: object, **_named: object) -> None:
        raise LedgerError("the ledger takes no entry")

    def arrive() -> Client:
        client = Client()
        sent = client.post("/accounts/oidc/sign-on/login/")
        asked = parse_qs(urlsplit(sent.headers["Location"]).query)
        callback = urlsplit(asked["redirect_uri"][0]).path
        client.get(callback, {"code": "the-code", "state": asked["state"][0]})
        return client

    with monkeypatch.context() as broken:
        broken.setattr(accounts, "welcome_person", fail)
        assert "_auth_user_id" not in arrive().session

    for _ in range(2):
        assert "_auth_user_id" in arrive().session
    account = SocialAccount.objects.get(uid=provider.sub)
    with place.ledger.read() as db:
        [entry] = queries.history(db, Subject(kind="person", id=account.user.username))
    assert (entry.event, entry.data["issuer"]) == ("person:created", "sign-on")
