"""Add a person: an entry in the ledger first, then an account to sign in with."""

from uuid import uuid4

from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from adapters_core.errors import InputError
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import Anything
from governance.services import references
from governance.services.acting import Act, perform


def create_person(actor: Actor, *, name: str, email: str, password: str | None = None) -> str:
    """Add a person without any role; answers their id.

    Raises:
        DeniedError: the rules refuse.
        InputError: the name is empty, the address is none, or somebody has it.
    """
    check_account(name, email)
    identifier = str(uuid4())

    def work(act: Act) -> str:
        act.ask(Anything())
        act.append("person:created", {"name": name.strip()})
        return identifier

    perform(actor, Action.CREATE_PERSON, references.person(identifier), work)
    # An entry without an account is a person who cannot sign in; an account without an entry would be worse.
    make_account(identifier, name, email, password)
    return identifier


def check_account(name: str, email: str) -> None:
    """Refuse what no account can be made of.

    Raises:
        InputError: the name is empty, the address is none, or somebody has it.
    """
    if not 0 < len(name.strip()) <= 150:  # noqa: PLR2004  the width of the column
        raise InputError(f"a name must have 1 to 150 characters, got {len(name.strip())}")
    try:
        validate_email(email)
    except ValidationError as error:
        raise InputError(f"a mail address is needed to sign in with, got {email[:80]!r}") from error
    if User.objects.filter(email__iexact=email).exists():
        raise InputError("somebody signs in with this mail address already: each person needs one of their own")


def make_account(identifier: str, name: str, email: str, password: str | None) -> None:
    """An account for a person of the ledger; without a password they sign in by the identity provider or a reset."""
    with transaction.atomic():
        user = User.objects.create_user(username=identifier, email=email, password=password, first_name=name.strip())
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
