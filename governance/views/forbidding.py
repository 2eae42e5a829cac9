"""What a person may never do is refused, and recorded, before their form is looked at."""

from django.http import HttpRequest

from adapters_core.ledger.records import Subject
from governance.actors import actor_of
from governance.policy.actions import Action
from governance.policy.rules import who
from governance.services import forbidding
from governance.views.reading import Sight


def forbid(request: HttpRequest, action: Action, subject: Subject) -> None:
    """Refuse who may never do this.

    Raises:
        DeniedError: they may not; it is recorded.
    """
    forbidding.forbid(actor_of(request), action, subject)


def only_for(sight: Sight, action: Action) -> None:
    """For the page of a form, which records nothing.

    Raises:
        DeniedError: they may not.
    """
    forbidding.check(sight.actor, action)


def may(sight: Sight, action: Action) -> bool:
    """Whether to offer it."""
    return who(sight.actor, action) is None
