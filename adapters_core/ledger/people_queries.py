"""Reading roles, delegations, policies, and subjects of any kind by their state."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, or_, select

from adapters_core.errors import InputError, UnknownSubjectError
from adapters_core.ledger import queries
from adapters_core.ledger.approval_tables import STATE_TABLES, index_policies, index_roles
from adapters_core.ledger.index_tables import index_entries, index_subjects
from adapters_core.ledger.records import Entry, Subject, entry_from, parse_time
from adapters_core.ledger.statements import query
from adapters_core.ledger.tables import entries
from adapters_core.ledger.transactions import Reader

PAGE = 50
_ROLES_OF = select(index_roles).where(index_roles.c.person == bindparam("holder")).order_by(index_roles.c.role)
_PASSWORD_EVENTS = ("person:created", "person:password_issued", "person:activated")
_PASSWORD_OF = (
    select(entries.c.body, entries.c.leaf_hash)
    .join(index_entries, index_entries.c.seq == entries.c.seq)
    .where(index_entries.c.kind == "person", index_entries.c.subject == bindparam("holder"))
    .where(or_(*(index_entries.c.event == event for event in _PASSWORD_EVENTS)))
    .order_by(index_entries.c.seq.desc())
    .limit(1)
)


@dataclass(frozen=True, kw_only=True)
class PasswordRow:
    """Who knows the password of a person, as far as the ledger was told."""

    first: bool
    """Whether it is one that was shown to somebody else, and that the person has not replaced yet."""
    own_since: datetime | None
    """When they replaced such a one by one of their own; None where they never had to, or have not yet."""


@dataclass(frozen=True, kw_only=True)
class RoleRow:
    """A role that a person holds."""

    person: str
    role: str
    since: datetime
    seq: int
    """The entry that granted it."""


@dataclass(frozen=True, kw_only=True)
class SubjectRow:
    """A subject of any kind."""

    kind: str
    id: str
    state: str
    first_seq: int
    last_seq: int


def roles_of(reader: Reader, person: str) -> tuple[RoleRow, ...]:
    """The roles that a person holds now."""
    held = query(reader.connection, _ROLES_OF, holder=person)
    return tuple(RoleRow(person=holder, role=role, since=parse_time(time), seq=seq) for holder, role, seq, time in held)


def password_of(reader: Reader, person: str) -> PasswordRow:
    """Whether a person has replaced the password that they were given, and when."""
    told = [entry_from(body, leaf) for body, leaf in query(reader.connection, _PASSWORD_OF, holder=person)]
    if not told:
        return PasswordRow(first=False, own_since=None)
    latest = told[0]
    if latest.event == "person:activated":
        return PasswordRow(first=False, own_since=latest.time)
    # Entries from before first passwords were recorded do not say so.
    issued = latest.event == "person:password_issued" or bool(latest.data.get("first_password"))
    return PasswordRow(first=issued, own_since=None)


def people_with(reader: Reader, role: str) -> tuple[RoleRow, ...]:
    """Who holds a role now."""
    asked = select(index_roles).where(index_roles.c.role == role).order_by(index_roles.c.person)
    return tuple(
        RoleRow(person=row.person, role=row.role, since=parse_time(row.time), seq=row.seq)
        for row in reader.connection.execute(asked)
    )


def policy(reader: Reader, name: str, version: int | None = None) -> Entry:
    """The entry that set a policy: the latest version, or a certain one.

    Raises:
        UnknownSubjectError: there is none.
    """
    table = index_policies.c
    asked = select(table.seq).where(table.policy == name).order_by(table.version.desc()).limit(1)
    if version is not None:
        asked = asked.where(table.version == version)
    seq = reader.connection.execute(asked).scalar()
    if seq is None:
        raise UnknownSubjectError(f"the ledger has no policy {name!r}" + (f" version {version}" if version else ""))
    return queries.entry(reader, seq)


def policies(reader: Reader) -> tuple[Entry, ...]:
    """The latest version of each policy, by name."""
    asked = select(index_policies.c.policy).distinct().order_by(index_policies.c.policy)
    return tuple(policy(reader, name) for name in reader.connection.execute(asked).scalars().all())


def subjects(
    reader: Reader,
    kind: str,
    *,
    states: tuple[str, ...] = (),
    before: int | None = None,
    limit: int = PAGE,
) -> tuple[SubjectRow, ...]:
    """Subjects of a kind, the most recently changed first; ``before``: the last ``last_seq`` of the page before.

    Raises:
        InputError: subjects of this kind have lists of their own, such as ``adapter_queries.find_adapters``.
    """
    if kind in STATE_TABLES:
        raise InputError(f"a kind without a list of its own is wanted, got {kind!r}")
    table = index_subjects.c
    asked = select(index_subjects).where(table.kind == kind)
    if states:
        asked = asked.where(table.state.in_(states))
    if before is not None:
        asked = asked.where(table.last_seq < before)
    rows = reader.connection.execute(asked.order_by(table.last_seq.desc()).limit(limit))
    return tuple(
        SubjectRow(kind=row.kind, id=row.subject, state=row.state, first_seq=row.first_seq, last_seq=row.last_seq)
        for row in rows
    )


def state_of(reader: Reader, subject: Subject) -> str | None:
    """The state of any subject; None where the ledger does not know it."""
    if (own := STATE_TABLES.get(subject.kind)) is not None:
        (key,) = own.primary_key.columns
        asked = select(own.c.state).where(key == subject.id)
    else:
        table = index_subjects.c
        asked = select(table.state).where(table.kind == subject.kind, table.subject == subject.id)
    state: str | None = reader.connection.execute(asked).scalar()
    return state


def delegations_to(reader: Reader, person: str) -> tuple[Entry, ...]:
    """The ``delegation:granted`` entries in favour of a person that were not ended, oldest first.

    Whether one has run out (``data["until"]``) is for the caller's clock to say.
    """
    table = index_subjects.c
    asked = select(table.first_seq).where(table.kind == "delegation", table.state == "active").order_by(table.first_seq)
    granted = [queries.entry(reader, seq) for seq in reader.connection.execute(asked).scalars().all()]
    return tuple(entry for entry in granted if entry.data["to"] == person)
