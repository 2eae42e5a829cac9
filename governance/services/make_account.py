"""Accounts to sign in with, each for one person of the ledger.

The two databases have no transaction in common. So the account is made first, and the entry after it: an account whose
person the ledger does not know holds no role and opens nothing. What was stopped in between is begun again: the account
that was left over is taken, with another password.
"""

from uuid import uuid4

from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from adapters_core.errors import InputError
from adapters_core.ledger import people_queries
from adapters_core.ledger.transactions import Reader
from governance.services import references

TAKEN = "somebody signs in with this mail address already: each person needs one of their own"


def check_account(name: str, email: str) -> None:
    """Refuse what no account can be made of.

    Raises:
        InputError: the name is empty, or the address is none.
    """
    if not 0 < len(name.strip()) <= 150:  # noqa: PLR2004  the width of the column
        raise InputError(f"a name must have 1 to 150 characters, got {len(name.strip())}")
    try:
        validate_email(email)
    except ValidationError as error:
        raise InputError(f"a mail address is needed to sign in with, got {email[:80]!r}") from error


def check_free(identifier: str, email: str) -> None:
    """Refuse an address that somebody else has.

    Raises:
        InputError: an account of another person has it.
    """
    if User.objects.filter(email__iexact=email).exclude(username=identifier).exists():
        raise InputError(TAKEN)


def has_account(identifier: str) -> bool:
    """Whether a person has an account to sign in with."""
    return User.objects.filter(username=identifier).exists()


def new_person(reader: Reader, email: str) -> str:
    """The id for a person whom the ledger does not know yet: a new one, or that of an account that was left over.

    Raises:
        InputError: a person of the ledger signs in with the address.
    """
    left = User.objects.filter(email__iexact=email).first()
    if left is None:
        return str(uuid4())
    if people_queries.state_of(reader, references.person(left.username)) is not None:
        raise InputError(TAKEN)
    return left.username


def make_account(identifier: str, name: str, email: str, password: str | None) -> None:
    """Make a person's account, or make it anew as if it had not been begun.

    Without a password they sign in by the identity provider or a reset.

    Raises:
        InputError: somebody else has the address.
    """
    with transaction.atomic():
        check_free(identifier, email)
        user, _made = User.objects.update_or_create(
            username=identifier, defaults={"email": email, "first_name": name.strip()}
        )
        user.set_password(password)
        user.save()
        EmailAddress.objects.update_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
