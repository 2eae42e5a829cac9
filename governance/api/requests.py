"""Requests for approval, with every signature. Deciding on them is for people."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Status
from pydantic import Field

from adapters_core.ledger import request_queries
from adapters_core.ledger.request_queries import RequestFilter, RequestRow
from adapters_core.ledger.transactions import Reader
from governance.api.entries import EntryOut
from governance.api.fields import TEXT, Before, Given, Limit, Moment, Name, Record, Wanted
from governance.api.reading import actor_of, page, read
from governance.policy.actions import Action
from governance.selectors import sheets
from governance.selectors.sheets import decision_sheet
from governance.services import placing, references
from governance.services.deciding import Signature, decide
from governance.services.forbidding import forbid

router = Router(tags=["requests"])
State = Literal[
    "requested",
    "in_review",
    "approved",
    "conditionally_approved",
    "sent_back",
    "rejected",
    "withdrawn",
    "expired",
    "voided",
]
Verb = Annotated[Literal["approve", "approve_with_conditions", "send_back", "reject"], Field()]
Said = Annotated[str, Field(pattern=TEXT, max_length=2000)]


class DecideIn(Given):
    """What was seen, and what is said to it."""

    stage: int = Field(ge=0, lt=1000)
    bound_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the adapter, its evaluations and the policy."""
    meaning: Literal["checked", "approved", "decided"]
    """Of the signature: to approve, approved or, before the last stage, checked, and at the last one decided; to send
    back or to reject, decided or checked."""
    comment: Said = ""
    conditions: Said = ""
    """Of an approval with conditions."""
    required: Said = ""
    """What must be done before what is sent back comes again."""


class Stage(Record):
    """A stage of the policy under which the request was opened."""

    name: str
    role: str | None
    needed: int
    """Approvals by different people that complete it."""


class Request(Record):
    """A request for approval."""

    request: str
    seq: int
    time: Moment
    adapter: str
    adapter_name: str
    slot: str
    policy: str
    policy_version: int
    state: State
    stages: list[Stage]
    stage: int
    """The stage that waits, from 0; the number of stages once all are complete."""
    stage_role: str | None
    """Whose decision is waited for."""
    approvers: list[str]
    """In whose name the waiting stage was approved so far."""
    bound_digest: str
    """Of the adapter, its evaluations and the policy: change any of it, and the approval is void."""
    actor: str
    actor_name: str
    last_seq: int
    last_time: Moment
    approved_until: Moment | None
    """From when the approval holds no more; null where there is none."""


class Gate(Record):
    """A threshold of the policy, and whether it was reached."""

    name: str
    metric: str
    operator: str
    threshold: float
    value: float | None
    """Null where it was not measured."""
    report: str | None
    """Digest of the evaluation report that it was measured in."""
    passed: bool


class Signed(Record):
    """One decision with its signature."""

    seq: int
    leaf: str
    """Leaf hash of its entry."""
    time: Moment
    event: str
    stage: int
    """From 1."""
    name: str
    roles: list[str]
    method: str
    """How they proved who they are."""
    behalf: str | None
    """In whose name, where it is not their own."""
    meaning: str
    gates: list[Gate] | None
    """As they were signed; null in an entry that was made before entries held them."""
    comment: str
    conditions: str
    passed_over: list[str]
    """Names of the gates that an approval with conditions passed over."""
    required: str
    holds: bool
    """Whether this installation's key has signed exactly this."""
    checkpoint: int | None
    """Size of the first signed checkpoint that covers the entry."""


class RequestDetail(Request):
    """A request with its decisions."""

    signed: list[Signed]


class Requests(Record):
    """A page of requests, newest first."""

    rows: list[Request]
    next: int | None
    """Hand it in as `before`; null on the last page."""


@router.get("", response=Requests)
def list_requests(
    request: HttpRequest,
    *,
    state: Annotated[State | None, Query()] = None,
    adapter: Wanted = None,
    slot: Wanted = None,
    actor: Wanted = None,
    before: Before = None,
    limit: Limit = 50,
) -> object:
    """Requests that meet every condition that is given."""
    wanted = RequestFilter(states=(state,) if state else (), adapter=adapter, slot=slot, actor=actor)

    def look(db: Reader) -> tuple[dict[str, Any], ...]:
        found = request_queries.find_requests(db, wanted, before=before, limit=limit + 1)
        return tuple(_said(db, row) for row in found)

    return page(read(request, look), limit, lambda row: row["seq"])


@router.get("/{identifier}", response=RequestDetail)
def read_request(request: HttpRequest, identifier: Name) -> object:
    """One request with its decisions."""

    def look(db: Reader) -> dict[str, Any]:
        row = request_queries.request(db, identifier)
        return {**_said(db, row), "signed": [_signed(one) for one in decision_sheet(db, identifier).signed]}

    return read(request, look)


@router.post("/{identifier}/{verb}", response={201: EntryOut})
def decide_on_request(request: HttpRequest, identifier: Name, verb: Verb, body: DecideIn) -> Status[object]:
    """Decide. A token never does: 403, and the attempt is recorded."""
    actor, action = actor_of(request), Action(verb)
    forbid(actor, action, references.request(identifier))
    signature = Signature(meaning=body.meaning, stage=body.stage, bound_digest=body.bound_digest)
    said = {name: getattr(body, name).strip() or None for name in ("comment", "conditions", "required")}
    return Status(201, decide(actor, action, identifier, signature, said))


def _said(db: Reader, row: RequestRow) -> dict[str, Any]:
    return {**vars(row), "approved_until": placing.approved_until(db, row)}


def _signed(one: sheets.Signed) -> dict[str, Any]:
    gates = None if one.gates is None else [result.to_json() for result in one.gates]
    return {**vars(one), "gates": gates}
