"""Delegate one's approvals to another person, for a time."""

from datetime import datetime
from uuid import uuid4

from adapters_core.errors import InputError
from adapters_core.ledger import people_queries
from adapters_core.ledger.records import time_text
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import DelegationFacts
from governance.services import references
from governance.services.acting import Act, perform
from governance.services.notices import notify


def delegate(actor: Actor, *, to: str, until: datetime, reason: str) -> str:
    """Let another person decide on one's behalf; answers the delegation's id.

    Raises:
        DeniedError: the rules refuse.
        InputError: there is no reason.
    """
    if not reason.strip():
        raise InputError("a delegation must say why, got no reason")
    identifier = str(uuid4())

    def work(act: Act) -> str:
        known = people_queries.state_of(act.tx, references.person(to)) == "active"
        act.ask(DelegationFacts(principal=act.actor.id, deputy=to, deputy_known=known, until=until))
        data = {"from": act.actor.id, "to": to, "until": time_text(until), "reason": reason.strip()}
        entry = act.append("delegation:granted", data, refs=(references.person(to),))
        notify(act, entry, "delegated", (to,))
        return identifier

    return perform(actor, Action.DELEGATE, references.delegation(identifier), work)
