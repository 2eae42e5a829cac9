"""Messages to MLflow. The one module of this half that reaches it, loaded by the worker when it starts."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from adapters_core.ledger import adapter_queries, artifact_queries, context_queries, queries, slot_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Entry
from governance import artifacts
from governance.worker import projection
from governance.worker.workplace import SYSTEM, Workplace

if TYPE_CHECKING:
    from adapters_core.tracking.mlflow_registry import Registry

PREVIOUS_LOOKED_AT = 20
NOT_TOLD = "not told: a context of the adapter was erased"


def put_adapter(at: Workplace, payload: Mapping[str, Any]) -> str:
    """A run for an adapter, unless a context of it was erased meanwhile: what MLflow has of it is to go, not to grow.

    Raises as :meth:`Registry.put_adapter`, and where a file is missing or changed.
    """
    entry = _entry(at, payload)
    data = entry.data
    if _is_erased(at, entry.subject.id):
        return NOT_TOLD
    files = {name: artifacts.read(digest) for name, digest in data["artifact"]["files"].items()}
    tracker = registry(at.mlflow_url)
    run = tracker.put_adapter(
        entry.subject.id,
        name=data["name"],
        tags={
            "ringi.job_key": data["job_key"],
            "ringi.base": data["base"],
            "ringi.generator": data["generator"],
            "ringi.entry": entry.leaf_hash,
            "ringi.parent": data["parent"] or "",
            "ringi.actor": entry.actor.id,
        },
        parameters={name: str(data[name]) for name in ("base_name", "tokens", "chunks", "device", "dtype", "threads")},
        metrics={"norm_total": data["norm_total"], **{f"cost.{name}": cost for name, cost in data["cost"].items()}},
        files=files,
    )
    _record_run(at, entry, run, tracker.experiment())
    return f"run {run}"


def _record_run(at: Workplace, generated: Entry, run: str, experiment: str) -> None:
    """The run is known after the adapter was recorded, so it has an entry of its own; a run is recorded once."""
    with at.ledger.write() as tx:
        tracked = [one for one in queries.history(tx, generated.subject) if one.event == "adapter:tracked"]
        if not tracked or tracked[-1].data["mlflow_run"] != run:
            data = {"mlflow_run": run, "experiment": experiment}
            append(tx, "adapter:tracked", subject=generated.subject, actor=SYSTEM, data=data)


def put_evaluation(at: Workplace, payload: Mapping[str, Any]) -> str:
    """Metrics and report of an evaluation; told and not told, and raises, as :func:`put_adapter`."""
    entry = _entry(at, payload)
    data = entry.data
    if _is_erased(at, entry.subject.id):
        return NOT_TOLD
    run = registry(at.mlflow_url).put_evaluation(
        entry.subject.id,
        evaluation=data["evaluation"],
        metrics=dict(_numbers(data)),
        report=artifacts.read(data["report_digest"]),
        tags={f"ringi.report.{data['suite']}": data["report_digest"]},
    )
    return f"run {run}"


def point(at: Workplace, payload: Mapping[str, Any]) -> str:
    """The aliases of a slot, as the ledger has them now. Raises as :meth:`Registry.point`."""
    champion, previous = pointers(at, payload["slot"])
    registry(at.mlflow_url).point(payload["slot"], champion, previous)
    return f"champion {champion}, previous {previous}"


def delete(at: Workplace, payload: Mapping[str, Any]) -> str:
    """The end of an adapter's run. Raises as :meth:`Registry.delete_adapter`."""
    registry(at.mlflow_url).delete_adapter(payload["adapter"])
    return "deleted"


def pointers(at: Workplace, slot: str) -> tuple[str | None, str | None]:
    """What a slot serves and what it served before, as the ledger has it: (champion, previous).

    What was deleted is no previous one: nobody goes back to it, and MLflow has no run of it.
    """
    with at.ledger.read() as db:
        current = slot_queries.slot(db, slot).adapter
        rows = slot_queries.timeline(db, slot, limit=PREVIOUS_LOOKED_AT)
        served = [row.adapter for row in rows if row.state == "succeeded" and row.adapter and row.adapter != current]
        return current, next((one for one in dict.fromkeys(served) if not artifact_queries.is_deleted(db, one)), None)


DELIVERIES: Mapping[str, Callable[[Workplace, Mapping[str, Any]], str]] = {
    projection.ADAPTER: put_adapter,
    projection.EVALUATION: put_evaluation,
    projection.ALIAS: point,
    projection.DELETION: delete,
}


def prepare(at: Workplace) -> None:
    """Import MLflow's client (four seconds) and make its database where it is a file of this machine (more).

    A server is not asked: it may be down, and a worker starts without it.
    """
    tracker = registry(at.mlflow_url)
    if _is_local(at.mlflow_url):
        tracker.experiment()


@cache
def registry(url: str) -> "Registry":
    """The registry of a tracking server. MLflow's seconds of import are spent here."""
    from adapters_core.tracking.mlflow_registry import Registry

    local: Path | None = settings.VAR / "mlflow" if _is_local(url) else None
    return Registry(url, artifacts=local)


def _is_local(url: str) -> bool:
    return url.startswith("sqlite:")


def _entry(at: Workplace, payload: Mapping[str, Any]) -> Entry:
    with at.ledger.read() as db:
        return queries.entry(db, payload["seq"])


def _is_erased(at: Workplace, adapter: str) -> bool:
    """Whether a context of an adapter was erased: then its end is on its way, or behind it."""
    with at.ledger.read() as db:
        contexts = adapter_queries.contexts_of_adapter(db, adapter)
        return any(context_queries.context(db, one).state == "erased" for one in contexts)


def _numbers(data: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    suite = data["suite"]
    for name in ("recovery", "retention"):
        if data[name] is not None:
            yield f"{suite}.{name}", data[name]["value"]
    for method, metrics in data["scores"].items():
        for metric, found in metrics.items():
            yield f"{suite}.{method}.{metric}", found["value"]
