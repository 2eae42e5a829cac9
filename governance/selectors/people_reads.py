"""People with their roles, and from when on a role counts for approvals."""

from dataclasses import dataclass, replace
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
    first_password: bool = False
    """Whether they have not set a password of their own yet: until then they may do nothing."""
    history: tuple[Entry, ...] = ()
    """Newest first."""


def everybody(reader: Reader, at: datetime) -> tuple[Person, ...]:
    """Everybody whom the ledger knows, by name."""
    hours = cool_down_hours(reader)
    created = queries.find_entries(reader, EntryFilter(events=("person:created",)), limit=1000)
    people = (_person(reader, entry, hours, at) for entry in created)
    return tuple(sorted(people, key=lambda one: one.name))


def person(reader: Reader, identifier: str, at: datetime) -> Person | None:
    """One person with their history; None where the ledger knows none."""
    history = queries.history(reader, Subject(kind="person", id=identifier))
    created = next((entry for entry in history if entry.event == "person:created"), None)
    if created is None:
        return None
    return replace(_person(reader, created, cool_down_hours(reader), at), history=history[::-1])


def cool_down_hours(reader: Reader) -> float:
    """The longest cool-down of the policies in force."""
    return max((entry.data["cool_down_hours"] for entry in people_queries.policies(reader)), default=0)


def name(created: Entry) -> str:
    """The name with which somebody was added."""
    return str(created.data.get("name") or created.subject.id)


def _person(reader: Reader, created: Entry, hours: float, at: datetime) -> Person:
    identifier = created.subject.id
    password = people_queries.password_of(reader, identifier)
    held = tuple(_role(row, password.own_since, hours, at) for row in people_queries.roles_of(reader, identifier))
    return Person(id=identifier, name=name(created), held=held, first_password=password.first)


def _role(row: RoleRow, own_since: datetime | None, hours: float, at: datetime) -> Held:
    counts = max(row.since, own_since or row.since) + timedelta(hours=hours)
    waits = row.role in DECIDING and counts > at
    return Held(role=row.role, since=row.since, seq=row.seq, counts_from=counts if waits else None)
