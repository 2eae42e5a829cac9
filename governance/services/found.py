"""The founding of a ledger: its first people with their roles and its first policy, once, while it is empty of people.

Somebody must be the first administrator, and nobody can have appointed them. So this system does, and it says so; from
then on only people grant roles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters_core.errors import DeniedError
from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.append import append
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Actor
from adapters_core.ledger.transactions import Reader
from governance.installation import installation
from governance.policy.reasons import REASONS
from governance.services import references
from governance.services.set_policy import checked_policy

SETUP = Actor(id="setup", name="manage.py setup", kind="system")


@dataclass(frozen=True, kw_only=True)
class Founder:
    """One of the first people."""

    id: str
    name: str
    roles: tuple[str, ...]
    first_password: bool = False
    """Whether they are to set a password of their own; nobody has to in a demonstration."""


def found(people: Sequence[Founder], policies: Mapping[str, Mapping[str, Any]]) -> None:
    """Record the first people, their roles and the first policies.

    Raises:
        DeniedError: there are people with roles already.
        InputError: a policy cannot be used.
    """
    with installation().ledger.write() as tx:
        if people_queries.people_with(tx, "admin"):
            raise DeniedError(str(REASONS["system_never"]), reason_code="system_never")
        for person in people:
            subject = references.person(person.id)
            append(tx, "person:created", subject=subject, actor=SETUP, data=_created(person))
            for role in person.roles:
                append(tx, "role:granted", subject=subject, actor=SETUP, data={"role": role})
        for name, policy in policies.items():
            data = {"version": 1, **checked_policy(name, policy)}
            append(tx, "policy:set", subject=references.policy(name), actor=SETUP, data=data)


def founders(reader: Reader) -> dict[str, str]:
    """The people whom a setup has recorded: name -> id."""
    created = queries.find_entries(reader, EntryFilter(events=("person:created",), actor=SETUP.id), limit=None)
    return {str(entry.data["name"]): entry.subject.id for entry in created}


def record_first_password(person: str, *, by: Actor = SETUP) -> None:
    """Record that a person gets another first password; nothing where they still have one.

    Raises:
        IllegalTransitionError: the ledger knows no such person.
    """
    with installation().ledger.write() as tx:
        if not people_queries.password_of(tx, person).first:
            append(tx, "person:password_issued", subject=references.person(person), actor=by, data={})


def _created(person: Founder) -> dict[str, Any]:
    return {"name": person.name, "first_password": person.first_password}
