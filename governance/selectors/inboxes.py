"""What waits for a person, by each of their roles. Every list is short, so the inbox costs the same at any size."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from adapters_core.ledger import (
    adapter_queries,
    checkpoints,
    context_queries,
    job_queries,
    queries,
    request_queries,
)
from adapters_core.ledger.adapter_queries import AdapterFilter, AdapterRow
from adapters_core.ledger.checkpoints import Checkpoint
from adapters_core.ledger.context_queries import ContextFilter, ContextRow
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.request_queries import RequestRow
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.verification.verify import verified_size, verified_when
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.selectors.drifts import DriftView, drifts
from governance.selectors.histories import Event, told
from governance.selectors.incidents import IncidentView, closing, incidents
from governance.selectors.job_reads import name_of
from governance.selectors.lapses import Lapse, lapses
from governance.selectors.offers import Offer, offer
from governance.services.deciding import read_case
from governance.services.placing import approved_until

SHOWN = 10
_RUNNING = ("queued", "leased")
_BASELINES = ("prompt", "none")
_MEASURED_ONCE = ("evaluated", "approved", "conditionally_approved", "deployed", "superseded", "rolled_back")
_MEASURED = ("evaluated", "approved", "conditionally_approved", "deployed")


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A request that waits for a decision."""

    row: RequestRow
    decision: Offer
    """Whether this person can approve it now, and why not."""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """An open incident."""

    view: IncidentView
    closing: Offer
    """Whether this person can close it now, and why not."""


@dataclass(frozen=True, kw_only=True)
class OwnJob:
    """A job of an engineer, and what it is about."""

    job: Job
    name: str


@dataclass(frozen=True, kw_only=True)
class Own:
    """An engineer's own work."""

    sent_back: tuple[AdapterRow, ...]
    rejected: tuple[AdapterRow, ...]
    to_request: tuple[AdapterRow, ...]
    to_evaluate: tuple[AdapterRow, ...]
    approved: tuple[RequestRow, ...]
    """Own requests that are approved, and on which nothing was done yet."""
    requests: tuple[RequestRow, ...]
    """Open ones."""
    jobs: tuple[OwnJob, ...]
    failed: tuple[OwnJob, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing is there at all."""
        return not any(getattr(self, name) for name in self.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What an administrator looks after."""

    to_deploy: tuple[RequestRow, ...]
    """Approvals in force on which nothing was done yet, each for its slot."""
    lapses: tuple[Lapse, ...]
    """Slots whose adapter has no approval in force."""
    drifts: tuple[DriftView, ...]


@dataclass(frozen=True, kw_only=True)
class Business:
    """What a manager decides on."""

    measured: tuple[AdapterRow, ...]
    """The latest adapters that can be compared."""
    rivals: tuple[str, ...]
    """Digests of the latest two that were made of one context, the older one first; none where there are no two."""

    @property
    def candidates(self) -> str:
        """What to begin with, as the comparison's address names it; empty where nothing was measured.

        Two of one context, which were asked the same questions; else the latest one beside its baselines.
        """
        alone = tuple(row.digest for row in self.measured[:1])
        return "...".join(self.rivals or (*alone, *(_BASELINES if alone else ())))


@dataclass(frozen=True, kw_only=True)
class Assurance:
    """What an auditor looks at."""

    denials: tuple[Event, ...]
    checkpoint: Checkpoint | None
    size: int
    verified: int
    """Entries up to the last verification."""
    verified_when: datetime | None


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """All of it; a part is None for whom it is not."""

    incidents: tuple[Incident, ...]
    """Open ones, for everybody who reviews, operates or audits."""
    due: tuple[ContextRow, ...]
    """Contexts that were to be kept until a day that has passed: all for an administrator, an engineer's own."""
    waiting: tuple[Waiting, ...] | None
    own: Own | None
    operation: Operation | None
    business: Business | None
    assurance: Assurance | None


def inbox(reader: Reader, actor: Actor, *, now: datetime) -> Inbox:
    """What waits for this person."""
    watches = any(actor.holds(role) for role in ("reviewer", "manager", "admin", "auditor"))
    return Inbox(
        incidents=_incidents(reader, actor, now) if watches else (),
        due=_due(reader, actor, now),
        waiting=_waiting(reader, actor, now) if actor.holds("reviewer") or actor.holds("manager") else None,
        own=_own(reader, actor.id, now) if actor.holds("engineer") else None,
        operation=_operation(reader, now) if actor.holds("admin") else None,
        business=_business(reader) if actor.holds("manager") else None,
        assurance=_assurance(reader) if actor.holds("auditor") else None,
    )


def _waiting(reader: Reader, actor: Actor, now: datetime) -> tuple[Waiting, ...]:
    roles = tuple(role for role in ("reviewer", "manager") if actor.holds(role))
    found = (
        Waiting(
            row=row,
            decision=offer(actor, Action.REJECT, read_case(reader, row.request, now).facts, at=now),
        )
        for row in request_queries.waiting_requests(reader, roles, limit=SHOWN)
    )
    return tuple(sorted(found, key=lambda one: not one.decision.allowed))


def _due(reader: Reader, actor: Actor, now: datetime) -> tuple[ContextRow, ...]:
    """What is under legal hold stays."""
    if not (actor.holds("admin") or actor.holds("engineer")):
        return ()
    whose = None if actor.holds("admin") else actor.id
    wanted = ContextFilter(states=("active",), actor=whose, kept_until_before=timezone.localdate(now))
    return context_queries.find_contexts(reader, wanted, limit=SHOWN)


def _incidents(reader: Reader, actor: Actor, now: datetime) -> tuple[Incident, ...]:
    """What waits longest comes first."""
    return tuple(
        Incident(view=one, closing=closing(reader, actor, one.id, now=now))
        for one in incidents(reader, now=now)[:SHOWN]
    )


def _own(reader: Reader, person: str, now: datetime) -> Own:
    def mine(*states: str) -> tuple[AdapterRow, ...]:
        wanted = AdapterFilter(actor=person, states=states)
        return adapter_queries.find_adapters(reader, wanted, sort="recent", limit=SHOWN).rows

    open_requests = request_queries.RequestFilter(actor=person, states=("requested", "in_review"))
    return Own(
        sent_back=mine("sent_back"),
        rejected=mine("rejected", "expired", "voided"),
        to_request=mine("evaluated"),
        to_evaluate=mine("generated"),
        approved=_to_deploy(reader, now, actor=person),
        requests=request_queries.find_requests(reader, open_requests, limit=SHOWN),
        jobs=_jobs(reader, person, _RUNNING),
        failed=_jobs(reader, person, ("failed",)),
    )


def _jobs(reader: Reader, person: str, states: tuple[str, ...]) -> tuple[OwnJob, ...]:
    found = [job for job in job_queries.find_jobs(reader, states=states) if job.actor.id == person]
    return tuple(OwnJob(job=job, name=name_of(reader, job)) for job in found[:SHOWN])


def _operation(reader: Reader, now: datetime) -> Operation:
    return Operation(
        to_deploy=_to_deploy(reader, now),
        lapses=lapses(reader, now),
        drifts=drifts(reader, states=("open",), limit=SHOWN),
    )


def _to_deploy(reader: Reader, now: datetime, *, actor: str | None = None) -> tuple[RequestRow, ...]:
    found = request_queries.undeployed_requests(reader, actor=actor, limit=SHOWN)
    return tuple(row for row in found if (until := approved_until(reader, row)) is not None and now < until)


def _business(reader: Reader) -> Business:
    measured = AdapterFilter(states=_MEASURED)
    latest = adapter_queries.find_adapters(reader, measured, sort="recent", limit=SHOWN).rows
    return Business(measured=latest[:5], rivals=_rivals(reader, latest))


def _rivals(reader: Reader, latest: tuple[AdapterRow, ...]) -> tuple[str, ...]:
    """The latest adapter that shares its context with another one that was measured, and the latest of those."""
    for row in latest:
        for context in adapter_queries.contexts_of_adapter(reader, row.digest):
            wanted = AdapterFilter(context=context, states=_MEASURED_ONCE)
            others = adapter_queries.find_adapters(reader, wanted, sort="recent", limit=2).rows
            if other := next((one.digest for one in others if one.digest != row.digest), None):
                return (other, row.digest)
    return ()


def _assurance(reader: Reader) -> Assurance:
    denied = queries.find_entries(reader, EntryFilter(events=("denied",)), limit=SHOWN)
    return Assurance(
        denials=told(denied),
        checkpoint=checkpoints.latest_checkpoint(reader),
        size=queries.size(reader),
        verified=verified_size(reader),
        verified_when=verified_when(reader),
    )
