"""Service tokens: what each may, until when, and whether it still opens anything."""

from dataclasses import dataclass
from datetime import datetime

from adapters_core.ledger import people_queries, queries, token_digests
from adapters_core.ledger.records import Entry, parse_time
from adapters_core.ledger.transactions import Reader
from governance.selectors.person_names import name_of


@dataclass(frozen=True, kw_only=True)
class Token:
    """One token; its secret is nowhere."""

    id: str
    name: str
    scopes: tuple[str, ...]
    expires: datetime
    state: str
    """active, expired or revoked."""
    holder: str
    """Name of who answers for it."""
    used: datetime | None
    """When it was used last, to the minute; None where it never was, or was revoked."""
    issued: Entry


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """A page of tokens, the most recently changed first."""

    tokens: tuple[Token, ...]
    next: int | None


def tokens(reader: Reader, at: datetime, *, before: int | None) -> Tokens:
    """A page of tokens."""
    rows = people_queries.subjects(reader, "token", before=before, limit=people_queries.PAGE + 1)
    shown = rows[: people_queries.PAGE]
    found = tuple(_token(reader, queries.entry(reader, row.first_seq), row.state, at) for row in shown)
    return Tokens(tokens=found, next=shown[-1].last_seq if len(rows) > len(shown) else None)


def _token(reader: Reader, issued: Entry, state: str, at: datetime) -> Token:
    expires = parse_time(issued.data["expires"])
    return Token(
        id=issued.subject.id,
        name=str(issued.data.get("name") or issued.subject.id),
        scopes=tuple(issued.data["scopes"]),
        expires=expires,
        state="expired" if state == "active" and expires <= at else state,
        holder=name_of(reader, str(issued.data.get("holder") or issued.actor.id)),
        used=token_digests.last_used(reader, issued.subject.id),
        issued=issued,
    )
