"""The proof that a signature asks for: checked, locked against guessing, used once."""

from datetime import UTC, datetime

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.totp.internal.auth import yield_hotp_counters_from_time as counters
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.http import HttpRequest
from django.test import RequestFactory

from governance.actors import actor_of, spend_proof
from governance.forms.proof import ProofForm
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


def form(request: HttpRequest, written: str = "") -> ProofForm:
    return ProofForm({"proof": written}, request=request)


def test_the_password_proves_who_signs(request_of_yuki: HttpRequest) -> None:
    signed = form(request_of_yuki, PASSWORD)

    assert signed.is_valid()
    assert signed.actor.confirmed is not None
    assert (datetime.now(UTC) - signed.actor.confirmed).total_seconds() < 60
    assert signed.actor.method == "password"


def test_a_one_time_code_proves_it_too(request_of_yuki: HttpRequest) -> None:
    secret = generate_totp_secret()
    TOTP.activate(request_of_yuki.user, secret)
    assert Authenticator.objects.filter(user=request_of_yuki.user).exists()
    code = format_hotp_value(hotp_value(secret, next(iter(counters()))))

    signed = form(request_of_yuki, code)

    assert signed.is_valid()
    assert signed.actor.method == "totp"


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
