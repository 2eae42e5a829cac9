"""A fresh proof of who one is, on the form that is signed: password and one-time code, or a passkey a moment ago.

A form that is signed is a ProofForm; its view hands ``form.actor`` to the action, and calls ``actors.spend_proof`` when
the action has succeeded, so that one proof signs one thing.
"""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.core import ratelimit
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from governance.actors import actor_of
from governance.policy.actors import Actor
from governance.proofs import Means, fresh_proofs, means_of, take_code

FIELDS = ("proof", "code")
NOTHING = Means(password=False, code=False, passkey=False, sign_on=False)


class ProofForm(forms.Form):
    """Asks for the proof, and checks it; after ``is_valid()``, ``actor`` is the person with the proof.

    A person with an authenticator app writes password and code. Who used their passkey or signed in at the identity
    provider a moment ago leaves both empty. Who can prove nothing on a form finds the way instead of the fields.
    """

    proof = forms.CharField(
        label=_("Password"),
        help_text=_("Your signature needs a fresh proof that it is you. It is used for this one action."),
        max_length=500,
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    code = forms.CharField(
        label=_("One-time code"),
        help_text=_("From your authenticator app, or a recovery code. Each code is taken once."),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    signature = True
    """Whether something is signed with it."""

    def __init__(self, *args: Any, request: HttpRequest, **more: Any) -> None:  # noqa: ANN401  Django's signature
        super().__init__(*args, **more)
        self.request = request
        self.means = means_of(request.user) if isinstance(request.user, User) else NOTHING
        self.written = self.means.written if self.signature else self.means.password
        self.fields["proof"].required = self.fields["code"].required = self.written and not self.proved
        if not self.written:
            self.fields["proof"].widget = forms.HiddenInput()
        if not (self.written and self.means.code):
            del self.fields["code"]
        self.order_fields([name for name in self.fields if name not in FIELDS])

    @property
    def actor(self) -> Actor:
        """Who signs."""
        return actor_of(self.request)

    @property
    def proved(self) -> bool:
        """Whether a proof was given a moment ago."""
        return self.actor.confirmed is not None

    @property
    def rest(self) -> list[forms.BoundField]:
        """The fields without the proof, to be drawn before it."""
        return [field for field in self.visible_fields() if field.name not in FIELDS]

    @property
    def lacks_proof_only(self) -> bool:
        """Whether nothing but the proof is missing or wrong: then the rules refuse, and the ledger records it."""
        return bool(self.errors) and set(self.errors) <= set(FIELDS)

    def clean(self) -> dict[str, Any]:
        """Check the proof last: a form with other mistakes does not use it up."""
        cleaned = super().clean() or {}
        if self.errors or self.proved:
            return cleaned
        if not self.written:
            self.add_error("proof", _("Confirm who you are first: your signature needs a fresh proof."))
            return cleaned
        try:
            confirm(self.request, self.means, cleaned["proof"], cleaned.get("code", ""))
        except ValidationError as error:
            self.add_error("proof", error)
        return cleaned


class ConfirmForm(ProofForm):
    """Before a person changes what they sign with: where they have nothing but a password, that."""

    signature = False

    @property
    def proved(self) -> bool:
        """Whether a proof was given a moment ago."""
        user = self.request.user
        return isinstance(user, User) and bool(fresh_proofs(self.request, user, signature=False))


def confirm(request: HttpRequest, means: Means, password: str, code: str) -> None:
    """Check a password, with a code where the person has an authenticator app, and record that they proved it.

    Raises:
        ValidationError: something is wrong, the code was used before, or it was guessed too often.
    """
    user = request.user
    if not isinstance(user, User):
        raise ValidationError(_("Please sign in again."))
    if not ratelimit.consume(request, action="reauthenticate", user=user):
        raise ValidationError(_("Too many wrong attempts. Wait fifteen minutes, then try again."))
    right = user.check_password(password)
    if not means.code:
        if not right:
            raise ValidationError(_("This is not your password."))
        record_authentication(request, user, method="password", reauthenticated=True)
    else:
        # The code is not looked at, and so not used up, where the password is wrong.
        kind = take_code(user, code.strip()) if right else None
        if kind is None:
            raise ValidationError(
                _("Password or code is wrong, or the code was used before. Wait for the next code, then try again.")
            )
        record_authentication(request, user, method="mfa", type=kind, with_password=True, reauthenticated=True)
    ratelimit.clear(request, action="reauthenticate", user=user)
