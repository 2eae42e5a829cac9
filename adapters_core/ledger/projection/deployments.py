"""Slot and deployment entries, to the rows that say what serves where, and since when."""

from adapters_core.ledger.approval_tables import index_deployments, index_requests, index_slots
from adapters_core.ledger.flow import adapters as adapter_flow
from adapters_core.ledger.flow import deployments as flow
from adapters_core.ledger.flow import lifecycles
from adapters_core.ledger.index_tables import index_adapters
from adapters_core.ledger.projection.adapters import adapter_state, put_state
from adapters_core.ledger.projection.changes import Changes, Row
from adapters_core.ledger.projection.fields import name, optional_name, text
from adapters_core.ledger.records import Entry, time_text


def project_slot(changes: Changes, entry: Entry) -> str:
    """Apply an entry about a slot; answers the slot's state."""
    before = "active" if changes.get(index_slots, entry.subject.id) else None
    state = lifecycles.moved("slot", before, entry.event)
    row = {
        "slot": entry.subject.id,
        "seq": entry.seq,
        "time": time_text(entry.time),
        "title": text(entry.data, "title"),
        "base": name(entry.data, "base"),
        "engine": text(entry.data, "engine"),
        "policy": name(entry.data, "policy"),
    }
    changes.put(index_slots, {**row, "adapter": None, "current": None, "pending": None})
    return state


def project(changes: Changes, entry: Entry) -> str:
    """Apply an entry about a deployment; answers the deployment's state."""
    row = changes.get(index_deployments, entry.subject.id)
    state = lifecycles.moved("deployment", row["state"] if row else None, entry.event)
    if row is None:
        _request(changes, entry)
    else:
        _finish(changes, entry, row, state)
    return state


def slot_state(row: Row | None) -> flow.SlotState | None:
    """The state that a slot's row holds."""
    return flow.SlotState(adapter=row["adapter"], current=row["current"], pending=row["pending"]) if row else None


def _approval(row: Row | None) -> flow.Approval | None:
    return flow.Approval(adapter=row["adapter"], slot=row["slot"], state=row["state"]) if row else None


def _request(changes: Changes, entry: Entry) -> None:
    data = entry.data
    slot, digest = name(data, "slot"), optional_name(data, "adapter")
    adapter = adapter_state(changes.get(index_adapters, digest)) if digest else None
    named = optional_name(data, "request")
    approval = _approval(changes.get(index_requests, named)) if named else None
    after = flow.requested(slot_state(changes.get(index_slots, slot)), adapter, approval, entry.subject.id, data)
    _put_slot(changes, slot, after)
    row = {
        "deployment": entry.subject.id,
        "seq": entry.seq,
        "time": time_text(entry.time),
        "slot": slot,
        "adapter": digest,
        "previous": after.adapter,
        "kind": data["kind"],
        "request": named,
        "reason": text(data, "reason"),
        "state": "requested",
        "actor": entry.actor.id,
        "actor_name": entry.actor.name,
    }
    ends = dict.fromkeys(("loaded_name", "finished_seq", "finished_time", "until_seq", "until_time"))
    changes.put(index_deployments, {**row, **ends})


def _finish(changes: Changes, entry: Entry, row: Row, state: str) -> None:
    moment = time_text(entry.time)
    finished = {"deployment": entry.subject.id, "state": state, "finished_seq": entry.seq, "finished_time": moment}
    slot = slot_state(changes.get(index_slots, row["slot"])) or flow.SlotState()
    if state == "failed":
        changes.put(index_deployments, finished)
        _put_slot(changes, row["slot"], flow.failed(slot))
        return
    changes.put(index_deployments, {**finished, "loaded_name": optional_name(entry.data, "loaded_name")})
    _put_slot(changes, row["slot"], flow.succeeded(slot, entry.subject.id, row["adapter"]))
    if slot.current:
        changes.put(index_deployments, {"deployment": slot.current, "until_seq": entry.seq, "until_time": moment})
    if slot.adapter and (served := adapter_state(changes.get(index_adapters, slot.adapter))):
        put_state(changes, slot.adapter, adapter_flow.displaced(served, row["kind"]), entry)
    if row["adapter"] and (placed := adapter_state(changes.get(index_adapters, row["adapter"]))):
        put_state(changes, row["adapter"], adapter_flow.placed(placed), entry)


def _put_slot(changes: Changes, slot: str, state: flow.SlotState) -> None:
    row = {"slot": slot, "adapter": state.adapter, "current": state.current, "pending": state.pending}
    changes.put(index_slots, row)
