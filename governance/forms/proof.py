"""A fresh proof of who one is, on the form that is signed: password or one-time code, or a passkey a moment ago.

A form that is signed is a ProofForm; its view hands ``form.actor`` to the action, and calls ``actors.spend_proof`` when
the action has succeeded, so that one proof signs one thing.
"""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.core import ratelimit
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from governance.actors import actor_of
from governance.policy.actors import Actor


class ProofForm(forms.Form):
    """Asks for the proof, and checks it; after ``is_valid()``, ``actor`` is the person with the proof.

    A person who used their passkey a moment ago (the page of allauth, ``mfa_reauthenticate_webauthn``) leaves it empty.
    """

    proof = forms.CharField(
        label=_("Password or one-time code"),
        help_text=_("Your signature needs a fresh proof that it is you. It is used for this one action."),
        max_length=500,
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **more: Any) -> None:  # noqa: ANN401  Django's signature
        super().__init__(*args, **more)
        self.request = request
        self.fields["proof"].required = actor_of(request).confirmed is None
        self.order_fields([name for name in self.fields if name != "proof"])

    @property
    def actor(self) -> Actor:
        """Who signs."""
        return actor_of(self.request)

    def clean(self) -> dict[str, Any]:
        """Check the proof last: a form with other mistakes does not use it up."""
        cleaned = super().clean() or {}
        written = cleaned.get("proof")
        if written and not self.errors:
            try:
                confirm(self.request, written)
            except ValidationError as error:
                self.add_error("proof", error)
        return cleaned


def confirm(request: HttpRequest, written: str) -> None:
    """Check a password or one-time code, and record that the person proved who they are.

    Raises:
        ValidationError: it is wrong, or was guessed too often.
    """
    user = request.user
    if not isinstance(user, User):
        raise ValidationError(_("Please sign in again."))
    if not ratelimit.consume(request, action="reauthenticate", user=user):
        raise ValidationError(_("Too many wrong attempts. Wait fifteen minutes, then try again."))
    method = _method(user, written)
    if method is None:
        raise ValidationError(_("This is neither your password nor your current one-time code."))
    ratelimit.clear(request, action="reauthenticate", user=user)
    named = {"method": "password"} if method == "password" else {"method": "mfa", "type": "totp"}
    record_authentication(request, user, **named, reauthenticated=True)


def _method(user: User, written: str) -> str | None:
    if user.has_usable_password() and user.check_password(written):
        return "password"
    code = written.strip()
    device = Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).first()
    return "totp" if device and code.isdigit() and TOTP(device).validate_code(code) else None
