"""Withdraw one's own request."""

from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import references
from governance.services.acting import Act, perform
from governance.services.deciding import read_case


def withdraw(actor: Actor, *, request: str, comment: str = "") -> Entry:
    """Take a request back.

    Raises:
        DeniedError: the rules refuse.
        UnknownSubjectError: there is no such request.
    """

    def work(act: Act) -> Entry:
        act.ask(read_case(act.tx, request, act.tx.now).facts)
        return act.append("request:withdrawn", {"comment": comment.strip() or None})

    return perform(actor, Action.WITHDRAW, references.request(request), work)
