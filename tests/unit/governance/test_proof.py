"""The proof that a signature asks for: all factors that a person has, checked, locked against guessing, used once."""

import time
from datetime import UTC, datetime

import pytest
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.totp.internal.auth import yield_hotp_counters_from_time as counters
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.http import HttpRequest
from django.test import RequestFactory, override_settings

from governance.actors import actor_of, spend_proof
from governance.forms.proof import ConfirmForm, ProofForm
from tests.cast import PASSWORD, YUKI, sign_up

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_earlier_attempts() -> None:
    cache.clear()


@pytest.fixture
def request_of_yuki() -> HttpRequest:
    request = RequestFactory().post("/")
    request.user = sign_up(YUKI)
    request.session = SessionStore()
    return request


@pytest.fixture
def secret(request_of_yuki: HttpRequest) -> str:
    """Of the authenticator app that Yuki has set up."""
    drawn = str(generate_totp_secret())
    TOTP.activate(request_of_yuki.user, drawn)
    return drawn


def form(request: HttpRequest, written: str = "", code: str = "") -> ProofForm:
    return ProofForm({"proof": written, "code": code}, request=request)


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(iter(counters())))))


def test_the_password_proves_who_signs(request_of_yuki: HttpRequest) -> None:
    signed = form(request_of_yuki, PASSWORD)

    assert signed.is_valid()
    assert signed.actor.confirmed is not None
    assert (datetime.now(UTC) - signed.actor.confirmed).total_seconds() < 60
    assert signed.actor.method == "password"


def test_who_has_an_authenticator_app_gives_password_and_code(request_of_yuki: HttpRequest, secret: str) -> None:
    signed = form(request_of_yuki, PASSWORD, code_of(secret))

    assert signed.is_valid()
    assert signed.actor.method == "password+totp"


@pytest.mark.parametrize("given", ["password", "code", "wrong password", "wrong code"])
def test_one_of_two_factors_proves_nothing(request_of_yuki: HttpRequest, secret: str, given: str) -> None:
    code = code_of(secret)
    other = f"{(int(code) + 1) % 1_000_000:06d}"
    sent = {
        "password": (PASSWORD, ""),
        "code": ("", code),
        "wrong password": ("wrong", code),
        "wrong code": (PASSWORD, other),
    }

    assert not form(request_of_yuki, *sent[given]).is_valid()
    assert actor_of(request_of_yuki).confirmed is None


def test_a_code_is_taken_once(request_of_yuki: HttpRequest, secret: str) -> None:
    code = code_of(secret)
    assert form(request_of_yuki, PASSWORD, code).is_valid()
    spend_proof(request_of_yuki)

    again = form(request_of_yuki, PASSWORD, code)

    assert not again.is_valid()
    assert actor_of(request_of_yuki).confirmed is None


def test_a_wrong_password_does_not_use_the_code_up(request_of_yuki: HttpRequest, secret: str) -> None:
    code = code_of(secret)

    assert not form(request_of_yuki, "wrong", code).is_valid()
    assert form(request_of_yuki, PASSWORD, code).is_valid()


@pytest.mark.usefixtures("secret")
def test_a_recovery_code_stands_in_for_a_lost_device_once(request_of_yuki: HttpRequest) -> None:
    code = RecoveryCodes.activate(request_of_yuki.user).get_unused_codes()[0]

    signed = form(request_of_yuki, PASSWORD, code)
    assert signed.is_valid()
    assert signed.actor.method == "password+recovery_code"
    spend_proof(request_of_yuki)
    assert not form(request_of_yuki, PASSWORD, code).is_valid()


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("proof", [{"method": "password"}, {"method": "mfa", "type": "totp"}])
def test_what_other_pages_took_for_a_proof_does_not_sign(request_of_yuki: HttpRequest, proof: dict[str, str]) -> None:
    record_authentication(request_of_yuki, request_of_yuki.user, **proof, reauthenticated=True)

    assert actor_of(request_of_yuki).confirmed is None
    assert not form(request_of_yuki).is_valid()


def test_a_passkey_a_moment_ago_is_enough(request_of_yuki: HttpRequest, secret: str) -> None:
    assert secret
    record_authentication(request_of_yuki, request_of_yuki.user, method="mfa", type="webauthn", reauthenticated=True)

    signed = form(request_of_yuki)
    assert signed.is_valid()
    assert signed.actor.method == "passkey"


def test_a_proof_of_some_minutes_ago_is_asked_for_again(
    request_of_yuki: HttpRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert form(request_of_yuki, PASSWORD).is_valid()
    later = time.time() + 301
    monkeypatch.setattr(time, "time", lambda: later)

    assert actor_of(request_of_yuki).confirmed is None


@override_settings(SIGN_WITH_SECOND_FACTOR=True)
def test_an_installation_may_want_a_second_factor_of_everybody(request_of_yuki: HttpRequest) -> None:
    signed = form(request_of_yuki, PASSWORD)

    assert not signed.is_valid()
    assert actor_of(request_of_yuki).confirmed is None
    # With the password alone they may set one up, and nothing else.
    assert ConfirmForm({"proof": PASSWORD}, request=request_of_yuki).is_valid()
    assert actor_of(request_of_yuki).confirmed is None
    TOTP.activate(request_of_yuki.user, drawn := generate_totp_secret())
    assert form(request_of_yuki, PASSWORD, code_of(drawn)).is_valid()


def test_who_has_no_password_signs_nothing_with_a_written_one(request_of_yuki: HttpRequest) -> None:
    user = sign_up(YUKI)
    user.set_unusable_password()
    user.save()
    request_of_yuki.user = user

    signed = form(request_of_yuki, PASSWORD)

    assert not signed.is_valid()
    assert "proof" in signed.errors
    assert signed.lacks_proof_only


@pytest.mark.parametrize("written", ["", "wrong", "000000", PASSWORD + " "])
def test_anything_else_proves_nothing(request_of_yuki: HttpRequest, written: str) -> None:
    signed = form(request_of_yuki, written)

    assert not signed.is_valid()
    assert "proof" in signed.errors
    assert actor_of(request_of_yuki).confirmed is None


def test_a_proof_is_used_once(request_of_yuki: HttpRequest) -> None:
    assert form(request_of_yuki, PASSWORD).is_valid()
    spend_proof(request_of_yuki)

    assert actor_of(request_of_yuki).confirmed is None
    assert not form(request_of_yuki).is_valid()


def test_a_proof_that_was_just_given_is_not_asked_for_again(request_of_yuki: HttpRequest) -> None:
    assert form(request_of_yuki, PASSWORD).is_valid()

    assert form(request_of_yuki).is_valid()


def test_guessing_is_stopped_even_for_the_right_password(request_of_yuki: HttpRequest) -> None:
    for attempt in range(5):
        assert not form(request_of_yuki, f"wrong-{attempt}").is_valid()

    assert not form(request_of_yuki, PASSWORD).is_valid()


def test_guessing_codes_is_stopped_too(request_of_yuki: HttpRequest, secret: str) -> None:
    for _attempt in range(5):
        assert not form(request_of_yuki, PASSWORD, "0").is_valid()

    assert not form(request_of_yuki, PASSWORD, code_of(secret)).is_valid()
    assert Authenticator.objects.filter(user=request_of_yuki.user).exists()
