"""The REST API for programs: reading, generating, evaluating. What a token may never do is denied and recorded."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.urls import URLPattern
from ninja import NinjaAPI, Path, Query, Schema, Status
from pydantic import Field

from adapters_core.ledger import adapter_queries, context_queries, job_queries, queries, request_queries, slot_queries
from adapters_core.ledger.adapter_queries import AdapterFilter, Sort
from adapters_core.ledger.transactions import Reader
from governance.api import problems
from governance.api.callers import TokenBearer, may_read
from governance.installation import installation
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.services.deciding import Signature, decide
from governance.services.evaluate import evaluate
from governance.services.generate import generate
from governance.services.roll_back import roll_back

T = TypeVar("T")
Json = dict[str, Any]
Name = Annotated[str, Path(min_length=1, max_length=200)]
Number = Annotated[int, Path(ge=0, lt=2**53)]
Limit = Annotated[int, Query(ge=1, le=200)]
Before = Annotated[int | None, Query(ge=0, lt=2**53)]
Verb = Literal["approve", "approve_with_conditions", "send_back", "reject"]

api = NinjaAPI(title="Ringi", version="1", auth=TokenBearer(), docs_url=None, urls_namespace="api")
problems.register(api)


class GenerateIn(Schema):
    """What to call the adapter."""

    name: str = Field(default="", max_length=200)


class EvaluateIn(Schema):
    """Which questions to ask."""

    suite: Literal["context", "retention"] = "context"


class DecideIn(Schema):
    """What was seen."""

    stage: int = Field(ge=0, lt=1000)
    bound_digest: str = Field(max_length=64)


class RollBackIn(Schema):
    """What to put back, and what was seen."""

    adapter: str | None = Field(default=None, max_length=64, description="null: the bare base")
    seen: str | None = Field(default=None, max_length=64, description="the adapter that the slot serves")
    reason: str = Field(min_length=1, max_length=2000)


def actor_of(request: HttpRequest) -> Actor:
    """The service behind the token."""
    actor: Actor = request.auth  # type: ignore[attr-defined]  # django-ninja puts it there
    return actor


def read(request: HttpRequest, look: Callable[[Reader], T]) -> T:
    """What a token that may read finds in one snapshot."""
    may_read(actor_of(request))
    with installation().ledger.read() as reader:
        return look(reader)


@api.get("/adapters")
def adapters(
    request: HttpRequest, q: str = "", sort: Sort = "newest", after: str | None = None, limit: Limit = 50
) -> Json:
    """A page of adapters; hand ``next`` in as ``after``."""
    wanted = AdapterFilter(text=q or None)
    page = read(request, lambda db: adapter_queries.find_adapters(db, wanted, sort=sort, after=after, limit=limit))
    return asdict(page)


@api.get("/adapters/{digest}")
def adapter(request: HttpRequest, digest: Name) -> Json:
    """One adapter."""
    return asdict(read(request, lambda db: adapter_queries.adapter(db, digest)))


@api.post("/adapters/{digest}/evaluations", response={202: Json})
def evaluate_adapter(request: HttpRequest, digest: Name, body: EvaluateIn) -> Status[Json]:
    """Queue an evaluation; answers its job."""
    return Status(202, asdict(evaluate(actor_of(request), adapter=digest, suite=body.suite)))


@api.get("/contexts")
def contexts(request: HttpRequest, before: Before = None, limit: Limit = 50) -> Json:
    """A page of contexts: titles and sizes, never texts."""
    found = read(request, lambda db: context_queries.find_contexts(db, before=before, limit=limit))
    return {"rows": [asdict(row) for row in found]}


@api.get("/contexts/{identifier}")
def context(request: HttpRequest, identifier: Name) -> Json:
    """One context."""
    return asdict(read(request, lambda db: context_queries.context(db, identifier)))


@api.post("/contexts/{identifier}/adapters", response={202: Json})
def generate_adapter(request: HttpRequest, identifier: Name, body: GenerateIn) -> Status[Json]:
    """Queue the generation of an adapter; answers its job."""
    return Status(202, asdict(generate(actor_of(request), context=identifier, name=body.name)))


@api.get("/requests")
def requests(request: HttpRequest, before: Before = None, limit: Limit = 50) -> Json:
    """A page of requests for approval."""
    found = read(request, lambda db: request_queries.find_requests(db, before=before, limit=limit))
    return {"rows": [asdict(row) for row in found]}


@api.get("/requests/{identifier}")
def approval(request: HttpRequest, identifier: Name) -> Json:
    """One request."""
    return asdict(read(request, lambda db: request_queries.request(db, identifier)))


@api.post("/requests/{identifier}/{verb}", response={201: Json})
def decision(request: HttpRequest, identifier: Name, verb: Verb, body: DecideIn) -> Status[Json]:
    """Decide. A token never does: 403, and the attempt is recorded."""
    signature = Signature(meaning="decided", stage=body.stage, bound_digest=body.bound_digest)
    return Status(201, asdict(decide(actor_of(request), Action(verb), identifier, signature, {})))


@api.get("/slots")
def slots(request: HttpRequest) -> Json:
    """All slots and what they serve."""
    return {"rows": [asdict(row) for row in read(request, slot_queries.slots)]}


@api.get("/slots/{name}/deployments")
def deployments(request: HttpRequest, name: Name, before: Before = None, limit: Limit = 50) -> Json:
    """A slot's deployments, newest first."""

    def look(db: Reader) -> Json:
        found = slot_queries.timeline(db, slot_queries.slot(db, name).slot, before=before, limit=limit)
        return {"rows": [asdict(row) for row in found]}

    return read(request, look)


@api.post("/slots/{name}/rollback", response={202: Json})
def rollback(request: HttpRequest, name: Name, body: RollBackIn) -> Status[Json]:
    """Put an earlier adapter back. A token never does: 403, and the attempt is recorded."""
    found = roll_back(actor_of(request), slot=name, adapter=body.adapter, seen=body.seen, reason=body.reason)
    return Status(202, asdict(found))


@api.get("/jobs/{identifier}")
def job(request: HttpRequest, identifier: Name) -> Json:
    """One job with its progress."""
    return asdict(read(request, lambda db: job_queries.job(db, identifier)))


@api.get("/entries")
def entries(request: HttpRequest, before: Before = None, limit: Limit = 50) -> Json:
    """Entries of the ledger, newest first."""
    found = read(request, lambda db: queries.find_entries(db, queries.EntryFilter(), before=before, limit=limit))
    return {"rows": [asdict(row) for row in found]}


@api.get("/entries/{seq}")
def entry(request: HttpRequest, seq: Number) -> Json:
    """One entry."""
    return asdict(read(request, lambda db: queries.entry(db, seq)))


def addresses() -> list[URLPattern]:
    """The API's addresses; a token stands in for signing in."""
    found: list[URLPattern] = [pattern for pattern in api.urls[0] if isinstance(pattern, URLPattern)]
    for pattern in found:
        pattern.callback = login_not_required(pattern.callback)
    return found
