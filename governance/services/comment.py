"""Comment on a request: circulation."""

from adapters_core.errors import InputError
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import references
from governance.services.acting import Act, perform
from governance.services.deciding import read_case
from governance.services.notices import notify


def comment(actor: Actor, *, request: str, text: str) -> Entry:
    """Comment, while the request is open.

    Raises:
        DeniedError: the rules refuse.
        InputError: the comment is empty.
        UnknownSubjectError: there is no such request.
    """
    if not text.strip():
        raise InputError("a comment must say something, got an empty one")

    def work(act: Act) -> Entry:
        case = read_case(act.tx, request, act.tx.now)
        act.ask(case.facts)
        entry = act.append("request:commented", {"comment": text.strip()})
        notify(act, entry, "request_commented", (case.row.actor,))
        return entry

    return perform(actor, Action.COMMENT, references.request(request), work)
