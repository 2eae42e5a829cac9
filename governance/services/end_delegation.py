"""End a delegation before its time."""

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.records import Entry, parse_time
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import DelegationFacts
from governance.services import references
from governance.services.acting import Act, perform


def end_delegation(actor: Actor, *, delegation: str) -> Entry:
    """Take the right back.

    Raises:
        DeniedError: the rules refuse.
        UnknownSubjectError: there is no such delegation.
    """
    subject = references.delegation(delegation)

    def work(act: Act) -> Entry:
        history = queries.history(act.tx, subject)
        if not history:
            raise UnknownSubjectError(f"the ledger has no delegation {delegation}")
        data = history[0].data
        ended = people_queries.state_of(act.tx, subject) == "ended"
        act.ask(
            DelegationFacts(
                principal=data["from"],
                deputy=data["to"],
                deputy_known=True,
                until=parse_time(data["until"]),
                ended=ended,
            )
        )
        return act.append("delegation:ended", {})

    return perform(actor, Action.END_DELEGATION, subject, work)
