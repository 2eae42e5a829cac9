"""What people are called, from the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass

from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.records import Subject
from adapters_core.ledger.transactions import Reader


@dataclass(frozen=True, kw_only=True)
class Named:
    """A person with the roles they hold now."""

    id: str
    name: str
    roles: tuple[str, ...]


def name_of(reader: Reader, person: str) -> str:
    """The name under which a person was recorded; their id where they were not."""
    history = queries.history(reader, Subject(kind="person", id=person))
    return str(next((entry.data["name"] for entry in history if entry.data.get("name")), person))


def names_of(reader: Reader, people: Iterable[str | None]) -> dict[str, str]:
    """Several at once: id -> name."""
    return {person: name_of(reader, person) for person in dict.fromkeys(people) if person}


def everybody(reader: Reader) -> tuple[Named, ...]:
    """All people with a role, by name."""
    known = people_queries.subjects(reader, "person", limit=1000)
    found = (
        Named(
            id=row.id,
            name=name_of(reader, row.id),
            roles=tuple(held.role for held in people_queries.roles_of(reader, row.id)),
        )
        for row in known
    )
    return tuple(sorted((one for one in found if one.roles), key=lambda one: one.name))
