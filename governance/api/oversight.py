"""What an auditor watches: incidents, delegations, tokens, and the deliveries to other systems."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Path, Query, Router

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger import outbox_queries
from adapters_core.ledger.transactions import Reader
from governance.api.entries import EntryOut
from governance.api.fields import Before, Limit, Moment, Name, Record
from governance.api.reading import page, read
from governance.installation import installation
from governance.selectors import delegations as delegated
from governance.selectors import incidents as raised
from governance.selectors import token_reads

incidents = Router(tags=["incidents"])
delegations = Router(tags=["delegations"])
tokens = Router(tags=["tokens"])
messages = Router(tags=["messages"])


class Incident(Record):
    """What happened outside of the rules, and its review by a second person."""

    id: str
    raised: EntryOut
    detail: str
    closed: EntryOut | None
    """The review; null while it is open."""
    due: Moment
    overdue: bool


class Incidents(Record):
    """The latest hundred, open ones first."""

    rows: list[Incident]


class Delegation(Record):
    """Somebody decides on behalf of somebody else until a moment."""

    id: str
    seq: int
    principal: str
    principal_name: str
    deputy: str
    deputy_name: str
    since: Moment
    until: Moment
    reason: str
    over: bool
    """Whether it has run out."""


class Delegations(Record):
    """All that were not ended, newest first."""

    rows: list[Delegation]


class Token(Record):
    """A service token; its secret is kept nowhere."""

    id: str
    name: str
    scopes: list[str]
    expires: Moment
    state: Literal["active", "expired", "revoked"]
    holder: str
    """Name of who answers for it."""
    used: Moment | None
    """When it was used last, to the minute."""


class Tokens(Record):
    """A page of tokens, the most recently changed first."""

    rows: list[Token]
    next: int | None
    """Hand it in as `before`; null on the last page."""


class Message(Record):
    """A message to another system (MLflow, an engine, a webhook, a mail); what it says is not told here."""

    message: int
    topic: str
    key: str
    lane: str | None
    """Messages of one lane wait for each other."""
    seq: int | None
    """The entry that caused it."""
    state: Literal["pending", "leased", "delivered", "refused"]
    attempts: int
    due: Moment
    created: Moment
    finished: Moment | None
    error: str | None
    """Of the latest attempt that failed."""


class Messages(Record):
    """A page of messages, newest first."""

    rows: list[Message]
    next: int | None
    """Hand it in as `before`; null on the last page."""


class Attempt(Record):
    """One attempt to deliver a message."""

    attempt: int
    time: Moment
    worker: str
    delivered: bool
    detail: str | None
    """What the other side answered."""


class Attempts(Record):
    """The log of a message's deliveries, oldest first."""

    rows: list[Attempt]


@incidents.get("", response=Incidents)
def list_incidents(request: HttpRequest) -> object:
    """Incidents, open ones first."""
    return {"rows": read(request, lambda db: raised.incidents(db, now=_now(), states=("open", "closed")))}


@incidents.get("/{identifier}", response=Incident)
def read_incident(request: HttpRequest, identifier: Name) -> object:
    """One incident with its review."""
    return read(request, lambda db: raised.incident(db, identifier, now=_now()))


@delegations.get("", response=Delegations)
def list_delegations(request: HttpRequest) -> object:
    """Who decides on behalf of whom."""
    return {"rows": read(request, lambda db: delegated.delegations(db, _now()))}


@tokens.get("", response=Tokens)
def list_tokens(request: HttpRequest, before: Before = None) -> object:
    """Service tokens: what each may, and until when."""
    found = read(request, lambda db: token_reads.tokens(db, _now(), before=before))
    return {"rows": found.tokens, "next": found.next}


@messages.get("", response=Messages)
def list_messages(
    request: HttpRequest,
    state: Annotated[Literal["pending", "leased", "delivered", "refused"] | None, Query()] = None,
    topic: Annotated[str | None, Query(pattern=r"^[a-z._]+$", max_length=64)] = None,
    before: Before = None,
    limit: Limit = 50,
) -> object:
    """Messages to other systems, newest first: what waits, what was delivered, what was refused."""
    states, topics = (state,) if state else (), (topic,) if topic else ()

    def look(db: Reader) -> tuple[outbox_queries.Message, ...]:
        return outbox_queries.find_messages(db, states=states, topics=topics, before=before, limit=limit + 1)

    return page(read(request, look), limit, lambda one: one.message)


@messages.get("/{message}/attempts", response=Attempts)
def list_attempts(request: HttpRequest, message: Annotated[int, Path(ge=0, lt=2**53)]) -> object:
    """The log of a message's deliveries; empty before the first."""

    def look(db: Reader) -> tuple[outbox_queries.Attempt, ...]:
        found = outbox_queries.find_messages(db, before=message + 1, limit=1)
        if not found or found[0].message != message:
            raise UnknownSubjectError(f"the outbox has no message {message}")
        return outbox_queries.attempts(db, message)

    return {"rows": read(request, look)}


def _now() -> datetime:
    return installation().ledger.clock()
