"""The rollback from the command line asks for all that the person proves who they are with."""

import io

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import override_settings

from adapters_core.errors import AccessError
from governance.management.commands.rollback import Command
from tests.cast import MISAKI, PASSWORD, sign_up
from tests.unit.governance.test_proof import code_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]


@pytest.fixture(autouse=True)
def _no_earlier_attempts() -> None:
    cache.clear()


def write(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_a_password_is_enough_for_whom_has_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    sign_up(MISAKI)
    write(monkeypatch, PASSWORD)

    actor = Command()._actor(MISAKI.email)

    assert (actor.id, actor.method) == (MISAKI.id, "password")
    assert actor.confirmed is None, "it signs nothing"


def test_who_has_an_authenticator_app_writes_the_code_too(monkeypatch: pytest.MonkeyPatch) -> None:
    TOTP.activate(sign_up(MISAKI), secret := str(generate_totp_secret()))
    code = code_of(secret)
    write(monkeypatch, PASSWORD, code)
    assert Command()._actor(MISAKI.email).method == "password+totp"

    for given in (code, "", "000"):
        write(monkeypatch, PASSWORD, given)
        with pytest.raises(CommandError, match="one-time code"):
            Command()._actor(MISAKI.email)


def test_a_password_alone_is_not_enough_for_whom_has_a_passkey(monkeypatch: pytest.MonkeyPatch) -> None:
    Authenticator.objects.create(user=sign_up(MISAKI), type=Authenticator.Type.WEBAUTHN, data={})
    write(monkeypatch, PASSWORD)

    with pytest.raises(CommandError, match="set up an authenticator app"):
        call_command("rollback", "support", reason="誤った回答", email=MISAKI.email)


@override_settings(SIGN_WITH_SECOND_FACTOR=True)
def test_who_has_no_second_factor_is_turned_away_where_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    user = sign_up(MISAKI)
    write(monkeypatch, PASSWORD)
    with pytest.raises(AccessError, match="set up an authenticator app"):
        Command()._actor(MISAKI.email)

    TOTP.activate(user, secret := str(generate_totp_secret()))
    write(monkeypatch, PASSWORD, code_of(secret))
    assert Command()._actor(MISAKI.email).method == "password+totp"
