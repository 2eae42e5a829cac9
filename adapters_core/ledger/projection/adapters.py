"""Adapter entries, to the rows by which adapters are found."""

from collections.abc import Mapping
from typing import Any

from adapters_core.errors import EntryError, IllegalTransitionError
from adapters_core.ledger.flow import adapters as flow
from adapters_core.ledger.index_tables import index_adapter_contexts, index_adapters, index_contexts
from adapters_core.ledger.projection.changes import Changes, Row
from adapters_core.ledger.projection.fields import SEARCHED, folded, measured, name, number, optional_name, whole
from adapters_core.ledger.records import Entry, time_text

_GENERAL = "retention"
"""The suite whose questions have nothing to do with the contexts."""


def project(changes: Changes, entry: Entry) -> str:
    """Apply an entry about an adapter; answers the adapter's state."""
    before = adapter_state(changes.get(index_adapters, entry.subject.id))
    if entry.event == "adapter:generated":
        state = flow.generated(before)
        changes.put(index_adapters, _row(entry))
        _link_contexts(changes, entry)
    elif entry.event == "adapter:evaluated":
        state = flow.evaluated(before)
        changes.put(index_adapters, {"digest": entry.subject.id, **_scores(entry)})
    elif entry.event == "adapter:tracked":
        return flow.tracked(before).state
    elif entry.event == "adapter:retired":
        state = flow.retired(before)
    else:
        state = flow.artifact_deleted(before)
    put_state(changes, entry.subject.id, state, entry)
    return state.state


def _scores(entry: Entry) -> dict[str, float | None]:
    """What an evaluation measured; one that asks nothing about the contexts leaves the recovery as it was."""
    scores = {metric: measured(entry.data, metric) for metric in ("recovery", "retention")}
    return {"retention": scores["retention"]} if entry.data["suite"] == _GENERAL else scores


def adapter_state(row: Row | None) -> flow.AdapterState | None:
    """The state that a row holds."""
    if row is None:
        return None
    return flow.AdapterState(
        phase=row["phase"],
        evaluations=row["evaluations"],
        serving=row["serving"],
        request=row["request"],
        approvals=row["approvals"],
        retired=row["state"] == "retired",
    )


def put_state(changes: Changes, digest: str, state: flow.AdapterState, entry: Entry) -> None:
    """Write an adapter's state into its row."""
    changes.put(
        index_adapters,
        {
            "digest": digest,
            "state": state.state,
            "phase": state.phase,
            "evaluations": state.evaluations,
            "serving": state.serving,
            "request": state.request,
            "approvals": state.approvals,
            "last_seq": entry.seq,
            "last_time": time_text(entry.time),
        },
    )


def _row(entry: Entry) -> Row:
    data = entry.data
    title = name(data, "name")
    artifact = data["artifact"]
    if not isinstance(artifact, Mapping) or "bytes" not in artifact:
        raise EntryError(f"artifact must be {{digest, files, bytes}}, got {artifact!r:.80}")
    return {
        "digest": entry.subject.id,
        "seq": entry.seq,
        "time": time_text(entry.time),
        "name": title,
        "search": folded(title, entry.subject.id[:SEARCHED]),
        "base": name(data, "base"),
        "base_name": name(data, "base_name"),
        "generator": name(data, "generator"),
        "parent": optional_name(data, "parent"),
        "actor": entry.actor.id,
        "actor_name": entry.actor.name,
        "tokens": whole(data, "tokens"),
        "chunks": whole(data, "chunks"),
        "bytes": whole(artifact, "bytes"),
        "norm_total": number(data, "norm_total"),
        "recovery": None,
        "retention": None,
    }


def _link_contexts(changes: Changes, entry: Entry) -> None:
    parent = entry.data["parent"]
    if parent is not None and changes.get(index_adapters, parent) is None:
        raise IllegalTransitionError(f"adapter:generated needs a parent that is known, {parent!r} is not")
    for context in _contexts(entry.data):
        row = changes.get(index_contexts, context)
        if row is None or row["state"] == "erased":
            raise IllegalTransitionError(f"adapter:generated needs contexts that are known and not erased: {context}")
        changes.absent(index_adapter_contexts, context, entry.subject.id)  # the adapter is new
        changes.put(index_adapter_contexts, {"context": context, "adapter": entry.subject.id, "seq": entry.seq})


def _contexts(data: Mapping[str, Any]) -> list[str]:
    stated = data["contexts"]
    if not isinstance(stated, list) or not all(isinstance(item, Mapping) and "id" in item for item in stated):
        raise EntryError(f"contexts must be a list of {{id, commitment, chunk_commitments}}, got {stated!r:.80}")
    return [name(item, "id") for item in stated]
