"""What the rules need to know of what is acted on: facts from the ledger, read in the transaction that acts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class ContextFacts:
    """Of a context."""

    owner: str
    erased: bool = False
    held: bool = False


@dataclass(frozen=True, kw_only=True)
class AdapterFacts:
    """Of an adapter."""

    generated_by: str
    state: str
    context_erased: bool = False
    """Whether one of its contexts was erased and still is part of it."""
    serving_in: tuple[str, ...] = ()
    """Slots that serve it now, or are about to."""
    open_request: bool = False
    missing_suites: tuple[str, ...] = ()
    """Evaluations that the approval policy demands and that are not recorded."""


@dataclass(frozen=True, kw_only=True)
class Deputy:
    """For whom a decision is made on behalf, and by what right."""

    principal: str
    roles: frozenset[str]
    """Roles of the principal that count for approvals now."""
    until: datetime
    ended: bool = False


@dataclass(frozen=True, kw_only=True)
class RequestFacts:
    """Of a request for approval."""

    state: str
    requested_by: str
    involved: frozenset[str]
    """Who generated the adapter, or submitted what it was made from."""
    stage: int
    stage_role: str
    decided_by: frozenset[str]
    """Who has decided on this request, in person or represented."""
    expires: datetime
    unchanged: bool
    """Whether adapter, evaluations and policy are still those that the request is bound to."""
    cool_down_hours: float
    failed_gates: tuple[str, ...] = ()
    binding_gates: tuple[str, ...] = ()
    """Of the failed ones, those that an approval with conditions may not pass over either."""
    deputy: Deputy | None = None


@dataclass(frozen=True, kw_only=True)
class DelegationFacts:
    """Of a delegation that is to be granted or ended."""

    principal: str
    deputy: str
    deputy_known: bool
    until: datetime
    ended: bool = False


@dataclass(frozen=True, kw_only=True)
class TargetFacts:
    """Of the adapter that a slot is to serve."""

    involved: frozenset[str]
    """Who took part in making it, in person or by a token they answer for."""
    state: str
    same_base: bool
    approved_for_slot: bool
    """Whether an approval for this slot stands, whatever became of requests for other slots."""
    approval_expires: datetime | None
    unchanged: bool
    """Whether adapter, evaluations and policy are still those that were approved."""
    artifact_present: bool
    context_erased: bool
    served_before: bool
    """Whether the slot has served it."""
    refused_for_slot: bool = False
    """Whether the newest request for this slot was rejected or voided, though an earlier one may stand."""
    norm_outlier: bool = False


@dataclass(frozen=True, kw_only=True)
class SlotFacts:
    """Of a slot and what is to be done with it."""

    current: str | None
    """The adapter that it serves, None for the bare base."""
    seen: str | None
    """What the person saw it serve when they decided."""
    pending: bool
    """Whether a deployment is under way."""
    target_id: str | None
    target: TargetFacts | None
    """None for the bare base."""


@dataclass(frozen=True, kw_only=True)
class PersonFacts:
    """Of a person whose roles are changed."""

    id: str
    known: bool
    roles: frozenset[str]
    role: str
    """The role that is granted or revoked."""
    admins: int = 1
    """How many administrators there are."""


@dataclass(frozen=True, kw_only=True)
class TokenFacts:
    """Of a service token."""

    scopes: frozenset[str]
    revoked: bool = False
    holder_known: bool = True
    """Whether the ledger knows who is to answer for it."""


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """Of a job."""

    owner: str
    state: str


@dataclass(frozen=True, kw_only=True)
class IncidentFacts:
    """Of an incident."""

    raised_by: str
    open: bool
    emergency: bool
    """Whether something was loaded without an approval."""
    involved: frozenset[str] = frozenset()
    """Who made the adapter that it is about."""
    cool_down_hours: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Anything:
    """When the rules ask for no more than who acts."""


Subject = (
    ContextFacts
    | AdapterFacts
    | RequestFacts
    | DelegationFacts
    | SlotFacts
    | PersonFacts
    | TokenFacts
    | JobFacts
    | IncidentFacts
    | Anything
)
Rule = Callable[..., str | None]
"""(actor, action, facts of the action's own type, time) -> the code of the reason why not; None when it may be done."""
