"""The people of the demonstration, as actors. What they do in the first run, the first run does in their name."""

from django.contrib.auth.models import User

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger.session import utc_now
from governance.policy.actors import Actor

METHOD = "demonstration"
"""How they proved who they are: not at all. Every entry of the first run says so."""


def person(mailbox: str) -> Actor:
    """Somebody of the demonstration by the first part of their address, such as ``engineer``.

    Raises:
        UnknownSubjectError: setup has not made them.
    """
    user = User.objects.filter(email=f"{mailbox}@ringi.example").first()
    if user is None:
        raise UnknownSubjectError(f"the demonstration needs {mailbox}@ringi.example: python manage.py setup --demo")
    now = utc_now()
    return Actor(
        id=user.username,
        name=user.first_name or user.email,
        kind="person",
        method=METHOD,
        authenticated=now,
        confirmed=now,
    )
