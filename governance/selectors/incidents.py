"""Incidents as pages show them: what happened, who reviewed it, and what is overdue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.records import Entry
from adapters_core.ledger.transactions import Reader
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.incident_rules import REVIEW_WITHIN, is_overdue
from governance.policy.system_words import spoken
from governance.selectors.offers import Offer, offer
from governance.services import references
from governance.services.close_incident import incident_facts, raising

SHOWN = 100
_STATED: Mapping[str, Promise] = {
    "job": _("Job"),
    "job_key": _("What the job is named by"),
    "recorded": _("Result that was recorded"),
    "second": _("Result of the second run"),
}
"""What a machine states of an incident -> how pages call it."""


@dataclass(frozen=True, kw_only=True)
class IncidentView:
    """One incident."""

    id: str
    raised: Entry
    detail: str
    closed: Entry | None
    due: datetime
    overdue: bool
    """Open, and not reviewed in time."""
    about: tuple[tuple[str, str], ...]
    """(kind, id) of what it is about."""


def incident(reader: Reader, identifier: str, *, now: datetime) -> IncidentView:
    """One of them.

    Raises:
        UnknownSubjectError: there is none of this id.
    """
    raised = raising(reader, identifier)
    history = queries.history(reader, references.incident(identifier))
    closed = next((entry for entry in history if entry.event == "incident:closed"), None)
    return IncidentView(
        id=identifier,
        raised=raised,
        detail=_words(raised.data["detail"]),
        closed=closed,
        due=raised.time + REVIEW_WITHIN,
        overdue=closed is None and is_overdue(raised.time, now),
        about=tuple((subject.kind, subject.id) for subject in raised.refs),
    )


def incidents(reader: Reader, *, now: datetime, states: tuple[str, ...] = ("open",)) -> tuple[IncidentView, ...]:
    """Those in these states: open ones with what waits longest first."""
    rows = people_queries.subjects(reader, "incident", states=states, limit=SHOWN)
    found = [incident(reader, row.id, now=now) for row in rows]
    return tuple(sorted(found, key=lambda one: (one.closed is not None, one.raised.seq)))


def closing(reader: Reader, actor: Actor, identifier: str, *, now: datetime) -> Offer:
    """Whether this person may close it now, and why not."""
    return offer(actor, Action.CLOSE_INCIDENT, incident_facts(reader, identifier), at=now)


def _words(detail: object) -> str:
    """What happened, as it was written, or as a machine has stated it."""
    stated = detail.items() if isinstance(detail, Mapping) else ()
    return "\n".join(f"{_STATED.get(name, name)}: {value}" for name, value in stated) or spoken("detail", str(detail))


def incident_of(reader: Reader, deployment: str) -> str | None:
    """The incident that a deployment without an approval has raised."""
    about = queries.history_about(reader, references.deployment(deployment))
    return next((entry.subject.id for entry in about if entry.event == "incident:raised"), None)
