"""People with their roles, and from when on a role counts for approvals."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.people_queries import RoleRow
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.transactions import Reader
from governance.policy.actions import DECISIONS, MAY

DECIDING = frozenset().union(*(MAY[action] for action in DECISIONS))


@dataclass(frozen=True, kw_only=True)
class Held:
    """A role that a person holds."""

    role: str
    since: datetime
    seq: int
    counts_from: datetime | None
    """From when on it counts for approvals under every policy; None where it counts already, or never decides."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One person."""

    id: str
    name: str
    held: tuple[Held, ...]
    history: tuple[Entry, ...] = ()
    """Newest first."""


def everybody(reader: Reader, at: datetime) -> tuple[Person, ...]:
    """Everybody whom the ledger knows, by name."""
    hours = cool_down_hours(reader)
    created = queries.find_entries(reader, EntryFilter(events=("person:created",)), limit=1000)
    people = (
        Person(id=entry.subject.id, name=name(entry), held=_held(reader, entry.subject.id, hours, at))
        for entry in created
    )
    return tuple(sorted(people, key=lambda one: one.name))


def person(reader: Reader, identifier: str, at: datetime) -> Person | None:
    """One person with their history; None where the ledger knows none."""
    history = queries.history(reader, Subject(kind="person", id=identifier))
    created = next((entry for entry in history if entry.event == "person:created"), None)
    if created is None:
        return None
    held = _held(reader, identifier, cool_down_hours(reader), at)
    return Person(id=identifier, name=name(created), held=held, history=history[::-1])


def cool_down_hours(reader: Reader) -> float:
    """The longest cool-down of the policies in force."""
    return max((entry.data["cool_down_hours"] for entry in people_queries.policies(reader)), default=0)


def name(created: Entry) -> str:
    """The name with which somebody was added."""
    return str(created.data.get("name") or created.subject.id)


def _held(reader: Reader, identifier: str, hours: float, at: datetime) -> tuple[Held, ...]:
    return tuple(_role(row, hours, at) for row in people_queries.roles_of(reader, identifier))


def _role(row: RoleRow, hours: float, at: datetime) -> Held:
    counts = row.since + timedelta(hours=hours)
    waits = row.role in DECIDING and counts > at
    return Held(role=row.role, since=row.since, seq=row.seq, counts_from=counts if waits else None)
