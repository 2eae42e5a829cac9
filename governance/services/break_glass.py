"""Break glass: in an emergency an administrator loads what is not approved. An incident stays open until reviewed."""

from uuid import uuid4

from adapters_core.errors import InputError
from adapters_core.ledger import slot_queries
from adapters_core.ledger.records import Entry
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services import placing, references
from governance.services.acting import Act, perform
from governance.services.notices import notify_roles

SHORTEST_REASON = 20


def break_glass(actor: Actor, *, slot: str, adapter: str, seen: str | None, reason: str) -> Entry:
    """Ask for an emergency deployment. Arguments and errors as of :func:`deploy.deploy`; the reason must be long."""
    if len(reason.strip()) < SHORTEST_REASON:
        raise InputError(
            f"an emergency must be described in at least {SHORTEST_REASON} characters, got {len(reason.strip())}"
        )

    def work(act: Act) -> Entry:
        row = slot_queries.slot(act.tx, slot)
        act.ask(placing.slot_facts(act.tx, row, adapter, seen))
        entry = placing.start(act, row, "break_glass", adapter, reason=reason)
        raised = act.append(
            "incident:raised",
            {"what": "break_glass", "detail": reason.strip(), "deployment": entry.subject.id},
            subject=references.incident(str(uuid4())),
            refs=(entry.subject, references.slot(slot), references.adapter(adapter)),
        )
        notify_roles(act, raised, "break_glass", ("reviewer", "manager", "auditor"))
        return entry

    return perform(actor, Action.BREAK_GLASS, references.slot(slot), work)
