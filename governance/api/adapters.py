"""Adapters: lists, one with everything that is recorded of it, and what can be asked for: evaluate, extend, erase."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from adapters_core.ledger import adapter_queries, slot_queries
from adapters_core.ledger.adapter_queries import AdapterFilter, Sort
from adapters_core.ledger.transactions import Reader
from governance.api.adapter_records import (
    AdapterDeployments,
    AdapterDetail,
    Adapters,
    EraseIn,
    EvaluateIn,
    ExtendIn,
    State,
)
from governance.api.fields import Limit, Name, Wanted, Words
from governance.api.jobs import JobOut
from governance.api.reading import actor_of, read
from governance.services import facts
from governance.services.erase import erase
from governance.services.evaluate import evaluate
from governance.services.extend import extend

router = Router(tags=["adapters"])


@router.get("", response=Adapters)
def list_adapters(
    request: HttpRequest,
    *,
    q: Words = "",
    state: Annotated[State | None, Query()] = None,
    base: Wanted = None,
    context: Wanted = None,
    actor: Wanted = None,
    serving: Annotated[bool | None, Query(description="Whether a slot serves it now")] = None,
    sort: Sort = "newest",
    after: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]*$", max_length=1000)] = None,
    limit: Limit = 50,
) -> object:
    """Adapters that meet every condition that is given."""
    states = (state,) if state else ()
    wanted = AdapterFilter(text=q or None, states=states, base=base, context=context, actor=actor, serving=serving)
    return read(request, lambda db: adapter_queries.find_adapters(db, wanted, sort=sort, after=after, limit=limit))


@router.get("/{digest}", response=AdapterDetail)
def read_adapter(request: HttpRequest, digest: Name) -> object:
    """One adapter."""
    return read(request, lambda db: detail(db, digest))


@router.get("/{digest}/deployments", response=AdapterDeployments)
def list_deployments_of_adapter(request: HttpRequest, digest: Name, limit: Limit = 50) -> object:
    """Where and when it was deployed."""

    def look(db: Reader) -> tuple[slot_queries.DeploymentRow, ...]:
        return slot_queries.deployments_of(db, adapter_queries.adapter(db, digest).digest, limit=limit)

    return {"rows": read(request, look)}


@router.post("/{digest}/evaluations", response={202: JobOut})
def evaluate_adapter(request: HttpRequest, digest: Name, body: EvaluateIn) -> Status[object]:
    """Queue an evaluation."""
    return Status(202, evaluate(actor_of(request), adapter=digest, suite=body.suite))


@router.post("/{digest}/extensions", response={202: JobOut})
def extend_adapter(request: HttpRequest, digest: Name, body: ExtendIn) -> Status[object]:
    """Queue the addition of a context. The result is a new adapter."""
    return Status(202, extend(actor_of(request), adapter=digest, context=body.context, name=body.name))


@router.post("/{digest}/erasures", response={202: JobOut})
def erase_from_adapter(request: HttpRequest, digest: Name, body: EraseIn) -> Status[object]:
    """Queue the exact removal of a context or of chunks. The result is a new adapter that never saw them."""
    job = erase(actor_of(request), adapter=digest, context=body.context or "", chunks=body.chunks, name=body.name)
    return Status(202, job)


def detail(db: Reader, digest: str) -> dict[str, Any]:
    """An adapter with what its entries say."""
    known = facts.dossier(db, digest)
    said = known.generated.data
    return {
        **vars(known.row),
        "contexts": [one.context for one in known.contexts],
        "sources": said["contexts"],
        "norms": said["norms"],
        "artifact": said["artifact"],
        "measured": [{**one.data, "seq": one.seq, "time": one.time} for one in known.evaluations],
        "extended_by": [one.digest for one in adapter_queries.descendants(db, digest)],
    }
