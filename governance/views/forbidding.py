"""What a person may never do is refused, and recorded, before their form is looked at."""

from django.http import HttpRequest

from adapters_core.errors import DeniedError
from adapters_core.ledger.records import Subject
from governance.actors import actor_of
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.reasons import REASONS
from governance.policy.rules import who
from governance.services.acting import Act, perform
from governance.views.reading import Sight


def forbid(request: HttpRequest, action: Action, subject: Subject) -> None:
    """Refuse who may never do this.

    Raises:
        DeniedError: they may not; it is recorded.
    """

    def work(act: Act) -> None:
        _check(act.actor, action)

    perform(actor_of(request), action, subject, work)


def only_for(sight: Sight, action: Action) -> None:
    """For the page of a form, which records nothing.

    Raises:
        DeniedError: they may not.
    """
    _check(sight.actor, action)


def may(sight: Sight, action: Action) -> bool:
    """Whether to offer it."""
    return who(sight.actor, action) is None


def _check(actor: Actor, action: Action) -> None:
    if code := who(actor, action):
        raise DeniedError(str(REASONS[code]), reason_code=code)
