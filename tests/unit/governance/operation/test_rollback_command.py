"""The rollback from the command line asks for all that the person proves who they are with."""

import io

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import cache
from django.core.management import CommandError

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
