"""What allauth asks us: nobody signs up alone, a person is named by a uuid, and second factors are stored encrypted.

Whoever sets a password sets their own: a first one, which others have seen, is replaced by it, and that is recorded.
"""

import base64
import uuid
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from governance.actors import person_of
from governance.installation import installation
from governance.proofs import STEP_UP, record_step_up
from governance.services.activate_person import activate_person
from governance.services.welcome_person import welcome_person


class AccountAdapter(DefaultAccountAdapter):
    """Local accounts are made by an administrator, and the ledger records it."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Closed: an account without an entry in the ledger would be a person nobody vouched for."""
        return False

    def clean_password(self, password: str, user: AbstractBaseUser | None = None) -> str:
        """A password that can be set: another one than before, or the first one could stay.

        Raises:
            ValidationError: it is too weak, or the one that is in use.
        """
        cleaned: str = super().clean_password(password, user)
        if user is not None and user.pk and user.check_password(cleaned):
            raise ValidationError(_("Choose another password than the one that you have."))
        return cleaned

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Set it, then record it: where the ledger cannot be written, the person is asked for another one again."""
        super().set_password(user, password)
        if isinstance(user, User):
            signed_in = self.request is not None and self.request.user == user
            proof = {"method": "password" if signed_in else "mail"}
            activate_person(person_of(user, proof, at=installation().ledger.clock()))

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """To the inbox."""
        return reverse("inbox")


class SignOnAdapter(DefaultSocialAccountAdapter):
    """The identity provider vouches for the people it sends; they come without any role."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Whom the provider lets in may have an account here."""
        return True

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """A trip to the provider for a signature proves who is signed in here; it changes nobody's session.

        Whose first sign-in was stopped before the ledger knew of them is recorded at the next one.
        """
        if sociallogin.is_existing:
            _welcome(sociallogin)
        if STEP_UP in (sociallogin.state.get("data") or {}) and not record_step_up(request, sociallogin):
            messages.error(request, _("The identity provider did not say that you signed in just now: not confirmed."))

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """Name the account by a uuid, as every account is, and keep the whole name in one field."""
        user: User = super().populate_user(request, sociallogin, data)
        name = data.get("name") or " ".join(part for part in (user.last_name, user.first_name) if part) or user.email
        user.username, user.first_name, user.last_name = str(uuid.uuid4()), name[:150], ""
        return user

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: object = None) -> User:
        """Keep the account of somebody who comes for the first time, then record them."""
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
        _welcome(sociallogin)
        return user


class SecondFactorAdapter(DefaultMFAAdapter):
    """Secrets of second factors lie encrypted in the database, under a key drawn from the installation's secret."""

    def encrypt(self, text: str) -> str:
        """Encrypt a secret for the database."""
        return _cipher().encrypt(text.encode()).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """Give back the secret that encrypt() was given."""
        return _cipher().decrypt(encrypted_text.encode("ascii")).decode()


def _welcome(login: SocialLogin) -> None:
    welcome_person(login.user.username, login.user.first_name, issuer=login.account.provider)


def _cipher() -> Fernet:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ringi second factors")
    return Fernet(base64.urlsafe_b64encode(kdf.derive(settings.SECRET_KEY.encode())))
