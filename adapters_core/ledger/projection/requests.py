"""Request entries, to the rows by which requests are found, and to the state of their adapter."""

import json

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import IllegalTransitionError
from adapters_core.ledger.approval_tables import index_requests, index_slots
from adapters_core.ledger.flow import adapters as adapter_flow
from adapters_core.ledger.flow import requests as flow
from adapters_core.ledger.index_tables import index_adapters
from adapters_core.ledger.projection.adapters import adapter_state, put_state
from adapters_core.ledger.projection.changes import Changes, Row
from adapters_core.ledger.projection.fields import name
from adapters_core.ledger.records import Entry, time_text


def project(changes: Changes, entry: Entry) -> str:
    """Apply an entry about a request; answers the request's state."""
    row = changes.get(index_requests, entry.subject.id)
    asked = request_state(row)
    after = flow.moved(asked, entry.event, entry.data, entry.actor.id)
    digest = name(entry.data, "adapter") if row is None else row["adapter"]
    before = adapter_state(changes.get(index_adapters, digest))
    if row is None or asked is None or before is None:
        changes.put(index_requests, _row(changes, entry))
        adapter = adapter_flow.requested(before, entry.subject.id, another_open=_another_open(changes, before))
    else:
        moved = (asked.state, after.state)
        adapter = adapter_flow.request_moved(before, entry.subject.id, moved, event=entry.event)
    _put_state(changes, entry, after)
    put_state(changes, digest, adapter, entry)
    return after.state


def request_state(row: Row | None) -> flow.RequestState | None:
    """The state that a row holds."""
    if row is None:
        return None
    progress = json.loads(row["progress"])
    return flow.RequestState(
        state=row["state"],
        stages=tuple(flow.Stage(**stage) for stage in progress["stages"]),
        bound_digest=progress["bound_digest"],
        stage=row["stage"],
        approvers=tuple(progress["approvers"]),
        conditional=progress["conditional"],
    )


def _another_open(changes: Changes, adapter: adapter_flow.AdapterState | None) -> bool:
    if adapter is None or adapter.request is None:
        return False
    row = changes.get(index_requests, adapter.request)
    return row is not None and row["state"] in flow.OPEN


def _row(changes: Changes, entry: Entry) -> Row:
    slot = name(entry.data, "slot")
    if changes.get(index_slots, slot) is None:
        raise IllegalTransitionError(f"request:opened needs a slot that exists, {slot!r} is not known")
    adapter = changes.get(index_adapters, entry.data["adapter"])
    return {
        "request": entry.subject.id,
        "seq": entry.seq,
        "time": time_text(entry.time),
        "adapter": entry.data["adapter"],
        "adapter_name": adapter["name"] if adapter else "",
        "slot": slot,
        "policy": name(entry.data["policy"], "name"),
        "policy_version": entry.data["policy"]["version"],
        "actor": entry.actor.id,
        "actor_name": entry.actor.name,
    }


def _put_state(changes: Changes, entry: Entry, state: flow.RequestState) -> None:
    stages = [{"name": stage.name, "role": stage.role, "needed": stage.needed} for stage in state.stages]
    progress = {
        "stages": stages,
        "bound_digest": state.bound_digest,
        "approvers": list(state.approvers),
        "conditional": state.conditional,
    }
    changes.put(
        index_requests,
        {
            "request": entry.subject.id,
            "state": state.state,
            "stage": state.stage,
            "stage_role": state.waiting_for.role if state.waiting_for else None,
            "progress": canonical_bytes(progress).decode(),
            "last_seq": entry.seq,
            "last_time": time_text(entry.time),
        },
    )
