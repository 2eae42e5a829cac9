"""What proves, for a signature, who somebody is: what a person can prove it by, and which proof is enough.

One factor is not enough for whom has two: a person with an authenticator app gives password and code. A passkey is
both in one. Whoever signs in through the identity provider signs in there once more (``max_age=0``).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest

from adapters_core.errors import AccessError
from governance.policy.rules import CONFIRMED_FOR

STEP_UP = "ringi_step_up"
"""In the state of a trip to the identity provider: when it began, in Unix seconds."""
SKEW = 60.0
"""Seconds by which the provider's clock may be behind ours."""
_TWO_FACTORS = frozenset({"passkey", "password+totp", "password+recovery_code", "oidc"})
PASSKEY_ELSEWHERE = (
    "who has a passkey gives more than a password, and a passkey cannot be shown here: "
    "sign in on the pages, or set up an authenticator app there as well"
)
FACTOR_MISSING = (
    "this installation asks for a second factor, and this account has none: set up an authenticator app on the pages"
)
Proof = Mapping[str, object]
"""A record of allauth's: {"method", "type", "at", "reauthenticated", ...}."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a person can prove with that it is them."""

    password: bool
    code: bool
    """An authenticator app is set up."""
    passkey: bool
    sign_on: bool
    """They come through the identity provider."""

    @property
    def written(self) -> bool:
        """Whether they can prove it by what they write on a form, as this installation wants it."""
        return self.password and (self.code or not settings.SIGN_WITH_SECOND_FACTOR)


def means_of(user: User) -> Means:
    """What this person has set up."""
    kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    return Means(
        password=user.has_usable_password(),
        code=Authenticator.Type.TOTP in kinds,
        passkey=Authenticator.Type.WEBAUTHN in kinds,
        sign_on=bool(settings.SOCIALACCOUNT_PROVIDERS) and SocialAccount.objects.filter(user=user).exists(),
    )


def needs_code(means: Means) -> bool:
    """Whether somebody outside of a browser gives a one-time code besides the password.

    Raises:
        AccessError: the password alone is not enough, and they have nothing else that could be given there.
    """
    if means.code:
        return True
    if means.passkey:
        raise AccessError(PASSKEY_ELSEWHERE)
    if settings.SIGN_WITH_SECOND_FACTOR:
        raise AccessError(FACTOR_MISSING)
    return False


def method(proof: Proof) -> str:
    """How somebody proved who they are, in the words of the ledger."""
    kind = str(proof.get("type") or proof.get("method") or "unknown")
    factor = {"webauthn": "passkey", "socialaccount": "oidc", "recovery_codes": "recovery_code"}.get(kind, kind)
    return f"password+{factor}" if proof.get("with_password") else factor


def enough(proof: Proof, means: Means, *, signature: bool = True) -> bool:
    """Whether a proof is good for a signature of this person, or for changing what they sign with."""
    if not proof.get("reauthenticated"):
        return False
    stated = method(proof)
    alone = means.written if signature else means.password
    return stated in _TWO_FACTORS or (stated == "password" and alone and not means.code)


def fresh_proofs(
    request: HttpRequest, user: User, *, after: float = 0.0, signature: bool = True
) -> list[dict[str, Any]]:
    """The proofs of the last minutes that are enough, oldest first; ``after``: what was used up until then."""
    oldest = max(after, time.time() - CONFIRMED_FOR.total_seconds())
    recent = [one for one in get_authentication_records(request, user) if one["at"] > oldest]
    if not any(one.get("reauthenticated") for one in recent):
        return []
    means = means_of(user)
    return [one for one in recent if enough(one, means, signature=signature)]


def record_step_up(request: HttpRequest, login: SocialLogin) -> bool:
    """Record that somebody signed in at the identity provider once more; False where the provider does not say so.

    It must be the same person, and the provider must state that they signed in after they were sent there.
    """
    user, began = request.user, (login.state.get("data") or {}).get(STEP_UP)
    same = isinstance(user, User) and login.is_existing and login.user.pk == user.pk
    stated = (login.account.extra_data or {}).get("id_token") or {}
    signed_in = stated.get("auth_time")
    if not same or not isinstance(began, int | float) or not isinstance(signed_in, int | float):
        return False
    if not began - SKEW <= signed_in <= time.time() + SKEW:
        return False
    provider = login.account.provider
    record_authentication(request, user, method="socialaccount", provider=provider, reauthenticated=True)
    return True


def take_code(user: User, code: str) -> str | None:
    """What a code is of, None where it is of nothing; it is used up by this."""
    devices = {device.type: device for device in Authenticator.objects.filter(user=user)}
    totp, recovery = (devices.get(kind) for kind in (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES))
    if totp and TOTP(totp).validate_code(code):
        return "totp"
    return "recovery_codes" if recovery and RecoveryCodes(recovery).validate_code(code) else None
