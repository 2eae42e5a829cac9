"""Contexts as pages show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from adapters_core.errors import ErasedError
from adapters_core.ledger import adapter_queries, context_queries, job_queries, queries, vault
from adapters_core.ledger.adapter_queries import AdapterRow
from adapters_core.ledger.context_queries import ContextFilter, ContextRow
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.records import Entry
from adapters_core.ledger.transactions import Reader
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.personal_data import scan
from governance.selectors.histories import Event, told
from governance.selectors.offers import Offer, offers
from governance.services import facts, references

PAGE = 30
WAITING = ("queued", "leased")
_AROUND = 24
_SHOWN = 50
_ACTIONS = (Action.GENERATE, Action.HOLD_CONTEXT, Action.RELEASE_CONTEXT, Action.ERASE_CONTEXT)


@dataclass(frozen=True, kw_only=True)
class ContextPage:
    """A page of the list."""

    rows: tuple[ContextRow, ...]
    next: int | None
    """Hand it in as ``before`` for the next page."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Personal data that the scan found, with what stands around it."""

    kind: str
    before: str
    found: str
    after: str


@dataclass(frozen=True, kw_only=True)
class ContextRecord:
    """A context with everything that its page says."""

    row: ContextRow
    submitted: Entry
    history: tuple[Entry, ...]
    adapters: tuple[AdapterRow, ...]
    """All that were built from it, oldest first."""
    jobs: tuple[Job, ...]
    """Generations that wait or run."""
    text: str | None
    """None once it was erased."""
    places: tuple[Place, ...]
    offers: Mapping[str, Offer]
    overdue: bool
    """Whether the day has passed until which it was to be kept."""

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened, in words."""
        return told(self.history)

    @property
    def erased(self) -> Entry | None:
        """The entry that erased it."""
        return next((entry for entry in self.history if entry.event == "context:erased"), None)

    @property
    def held(self) -> Entry | None:
        """The entry that put it under the hold that stands."""
        last = [entry for entry in self.history if entry.event in {"context:held", "context:released"}][-1:]
        return last[0] if last and last[0].event == "context:held" else None

    @property
    def living(self) -> tuple[AdapterRow, ...]:
        """The adapters that an erasure would retire."""
        return tuple(one for one in self.adapters if one.state != "retired")


def find(reader: Reader, wanted: ContextFilter, before: int | None) -> ContextPage:
    """A page of contexts, newest first."""
    rows = context_queries.find_contexts(reader, wanted, before=before, limit=PAGE + 1)
    shown = rows[:PAGE]
    return ContextPage(rows=shown, next=shown[-1].seq if len(rows) > PAGE else None)


def row(reader: Reader, identifier: str) -> ContextRow:
    """One context.

    Raises:
        UnknownSubjectError: there is none.
    """
    return context_queries.context(reader, identifier)


def record(reader: Reader, actor: Actor, identifier: str, *, now: datetime) -> ContextRecord:
    """A context's page.

    Raises:
        UnknownSubjectError: there is none.
    """
    known = row(reader, identifier)
    history = queries.history(reader, references.context(identifier))
    text = _text(reader, identifier)
    keep = known.retention_until
    return ContextRecord(
        row=known,
        submitted=history[0],
        history=history,
        adapters=adapter_queries.adapters_of_context(reader, identifier),
        jobs=jobs_about(reader, context=identifier),
        text=text,
        places=places(text or ""),
        offers=offers(actor, _ACTIONS, facts.context_facts(reader, identifier), at=now),
        overdue=bool(keep and known.state != "erased" and date.fromisoformat(keep) < now.date()),
    )


def jobs_about(reader: Reader, *, states: tuple[str, ...] = WAITING, **named: str) -> tuple[Job, ...]:
    """Jobs whose payload names this, newest first, among the latest fifty in these states."""
    found = job_queries.find_jobs(reader, states=states)
    return tuple(job for job in found if named.items() <= job.payload.items())


def places(text: str) -> tuple[Place, ...]:
    """Where the scan finds personal data; at most fifty places."""
    return tuple(
        Place(
            kind=one.kind,
            before=text[max(0, one.start - _AROUND) : one.start],
            found=text[one.start : one.end],
            after=text[one.end : one.end + _AROUND],
        )
        for one in scan(text)[:_SHOWN]
    )


def _text(reader: Reader, identifier: str) -> str | None:
    try:
        return vault.open_text(reader, installation().master_key, identifier).decode()
    except ErasedError:
        return None
