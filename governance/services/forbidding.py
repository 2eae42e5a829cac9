"""What somebody may never do is refused, and recorded, before anything else is looked at."""

from adapters_core.errors import DeniedError
from adapters_core.ledger.records import Subject
from governance.actors import with_roles
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.reasons import REASONS
from governance.policy.rules import who
from governance.services.acting import Act, perform


def forbid(actor: Actor, action: Action, subject: Subject) -> None:
    """Refuse who may never do this.

    Raises:
        DeniedError: they may not; it is recorded.
    """
    # Looked up without the write lock first: nearly everybody who sends a form may.
    with installation().ledger.read() as reader:
        if who(with_roles(reader, actor), action) is None:
            return

    def work(act: Act) -> None:
        check(act.actor, action)

    perform(actor, action, subject, work)


def check(actor: Actor, action: Action) -> None:
    """The same, recording nothing.

    Raises:
        DeniedError: they may not.
    """
    if code := who(actor, action):
        raise DeniedError(str(REASONS[code]), reason_code=code)
