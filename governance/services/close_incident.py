"""Close an incident: a second person says what was found, whether it was justified, and what follows; signed."""

from typing import Any

from adapters_core.errors import InputError, UnknownSubjectError
from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.records import Entry, time_text
from adapters_core.ledger.signing import DECISION_TYPE
from adapters_core.ledger.transactions import Reader
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.subjects import IncidentFacts
from governance.services import facts, references
from governance.services.acting import Act, perform
from governance.services.notices import notify, notify_roles

SHORTEST = 20
VERDICTS = ("justified", "not_justified", "false_alarm")
EMERGENCY = "break_glass"


def close_incident(actor: Actor, *, incident: str, verdict: str, found: str, measures: str = "") -> Entry:
    """Close an incident.

    Args:
        actor: who reviewed it; never who raised it.
        incident: its id.
        verdict: justified, not_justified or false_alarm.
        found: what the review found.
        measures: what is done so that it does not happen again.

    Raises:
        DeniedError: the rules refuse.
        InputError: there is no such verdict, or too little is said.
        UnknownSubjectError: there is no such incident.
    """
    if verdict not in VERDICTS:
        raise InputError(f"the verdict on an incident is one of {', '.join(VERDICTS)}, got {verdict[:60]!r}")
    if len(found.strip()) < SHORTEST:
        raise InputError(f"what was found must be said in at least {SHORTEST} characters, got {len(found.strip())}")
    stated = {"comment": found.strip(), "verdict": verdict, "measures": measures.strip() or None}

    def work(act: Act) -> Entry:
        raised = raising(act.tx, incident)
        act.ask(incident_facts(act.tx, incident))
        entry = act.append("incident:closed", {**stated, "signature": _signature(act, raised, stated)})
        notify(act, entry, "incident_closed", (raised.actor.id,))
        notify_roles(act, entry, "incident_closed", ("auditor",))
        return entry

    return perform(actor, Action.CLOSE_INCIDENT, references.incident(incident), work)


def raising(reader: Reader, incident: str) -> Entry:
    """The entry that raised an incident.

    Raises:
        UnknownSubjectError: there is no such incident.
    """
    history = [
        entry for entry in queries.history(reader, references.incident(incident)) if entry.event == "incident:raised"
    ]
    if not history:
        raise UnknownSubjectError(f"the ledger has no incident {incident}")
    return history[0]


def incident_facts(reader: Reader, incident: str) -> IncidentFacts:
    """What the rules are told of an incident.

    Raises:
        UnknownSubjectError: there is no such incident.
    """
    raised = raising(reader, incident)
    adapters = [subject.id for subject in raised.refs if subject.kind == "adapter"]
    involved = frozenset().union(*(facts.involved(facts.dossier(reader, adapter)) for adapter in adapters))
    hours = [float(policy.data["cool_down_hours"]) for policy in people_queries.policies(reader)]
    return IncidentFacts(
        raised_by=raised.actor.id,
        open=people_queries.state_of(reader, references.incident(incident)) == "open",
        emergency=raised.data["what"] == EMERGENCY,
        involved=involved,
        cool_down_hours=max(hours, default=0.0),
    )


def _signature(act: Act, raised: Entry, stated: dict[str, Any]) -> dict[str, Any]:
    moment = act.actor.confirmed
    signed = {
        "decision": act.action.value,
        "meaning": "checked",
        "incident": act.subject.id,
        "raised_by_entry": raised.leaf_hash,
        "signed_by": {"id": act.actor.id, "name": act.actor.name},
        "authenticated": {"method": act.actor.method, "time": time_text(moment) if moment else None},
        "time": time_text(act.tx.now),
        **stated,
    }
    return installation().signing_key.sign(signed, DECISION_TYPE)
