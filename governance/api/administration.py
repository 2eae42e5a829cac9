"""Policies, and what is administered: to be read by programs, to be changed by people."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Status
from pydantic import Field

from adapters_core.ledger.transactions import Reader
from governance.api.entries import EntryOut
from governance.api.fields import Given, Json, Line, Moment, Name, Reason, Record
from governance.api.reading import actor_of, read
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.gates import METRICS, PASSABLE, Metric
from governance.policy.repairs import KINDS, Repair
from governance.selectors import people_reads, policy_reads
from governance.services import references
from governance.services.forbidding import forbid
from governance.services.grant_role import grant_role
from governance.services.set_policy import set_policy

policies = Router(tags=["policies"])
people = Router(tags=["people"])
Version = Annotated[int | None, Query(ge=1, lt=2**31, description="The latest unless given")]


class StageIn(Given):
    """A stage of an approval."""

    name: Line
    role: Literal["reviewer", "manager"]
    needed: int = Field(default=1, ge=1, le=20)


class PolicyIn(Given):
    """The next version of a policy."""

    stages: list[StageIn] = Field(min_length=1, max_length=20)
    required_suites: list[Literal["context", "retention"]] = Field(default=[], max_length=2)
    gates: list[Json] = Field(default=[], max_length=50)
    expires_days: int = Field(ge=1, le=3650)
    cool_down_hours: int = Field(ge=0, le=24 * 3650)
    passable: list[Metric] = Field(default=list(PASSABLE), max_length=len(METRICS))
    """Metrics whose gates an approval with conditions may pass over; the others must be reached, conditions or not."""
    repairs: list[Repair] = Field(default=list(KINDS), max_length=len(KINDS))
    """Drifts that the system repairs by itself; the others stay open until a person has repaired them."""


class RoleIn(Given):
    """A role to grant."""

    role: Literal["engineer", "reviewer", "manager", "admin", "auditor"]
    reason: Reason


class Held(Record):
    """A role that a person holds."""

    role: str
    since: Moment
    counts_from: Moment | None
    """From when on it counts for approvals; null where it does already, or never decides."""


class Person(Record):
    """Somebody whom the ledger knows. Mail addresses are no part of it."""

    id: str
    name: str
    held: list[Held]
    first_password: bool
    """Whether they have not replaced the password that they were given: until then they may do nothing."""


class People(Record):
    """Everybody, by name."""

    rows: list[Person]


class PolicyStage(Record):
    """A stage of an approval."""

    name: str
    role: str
    needed: int


class Policy(Record):
    """One version of a policy."""

    name: str
    version: int
    latest: bool
    """Whether it is in force."""
    seq: int
    time: Moment
    stages: list[PolicyStage]
    required_suites: list[str]
    gates: list[Json]
    expires_days: int
    cool_down_hours: int
    """How long after its grant a role does not count for approvals."""
    norm_outlier: float | None
    passable: list[Metric]
    """Metrics whose gates an approval with conditions may pass over."""
    repairs: list[Repair]
    """Drifts that the system repairs by itself."""
    versions: list[int]
    """All there are, newest first."""


class Policies(Record):
    """The policies in force, by name."""

    rows: list[Policy]


@policies.get("", response=Policies)
def list_policies(request: HttpRequest) -> object:
    """The policies in force."""
    return {"rows": [_stated(one) for one in read(request, policy_reads.policies)]}


@policies.get("/{name}", response=Policy)
def read_policy(request: HttpRequest, name: Name, version: Version = None) -> object:
    """One version of a policy."""

    def look(db: Reader) -> policy_reads.Policy:
        return policy_reads.policy(db, name, version)

    return _stated(read(request, look))


@policies.post("/{name}", response={201: EntryOut})
def set_next_policy(request: HttpRequest, name: Name, body: PolicyIn) -> Status[object]:
    """Set the next version of a policy. A token never does: 403, and the attempt is recorded."""
    actor = actor_of(request)
    forbid(actor, Action.SET_POLICY, references.policy(name))
    return Status(201, set_policy(actor, name=name, policy=body.model_dump()))


@people.get("", response=People)
def list_people(request: HttpRequest) -> object:
    """Everybody with their roles, and from when on these count."""
    return {"rows": read(request, lambda db: people_reads.everybody(db, installation().ledger.clock()))}


@people.post("/{person}/roles", response={201: EntryOut})
def grant_role_to_person(request: HttpRequest, person: Name, body: RoleIn) -> Status[object]:
    """Grant a role. A token never does: 403, and the attempt is recorded."""
    actor = actor_of(request)
    forbid(actor, Action.GRANT_ROLE, references.person(person))
    return Status(201, grant_role(actor, person=person, role=body.role, reason=body.reason))


def _stated(one: policy_reads.Policy) -> dict[str, Any]:
    return {
        **one.entry.data,
        "passable": one.passable,
        "repairs": one.repairs,
        "name": one.name,
        "latest": one.latest,
        "seq": one.entry.seq,
        "time": one.entry.time,
        "versions": [entry.data["version"] for entry in one.versions],
    }
