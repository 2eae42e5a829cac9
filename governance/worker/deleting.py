"""What is left of an adapter whose context was erased: its files here, in the core and in engines are removed."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from adapters_core.errors import UnknownAdapterError
from adapters_core.ledger import people_queries, queries, slot_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Subject
from governance import artifacts
from governance.engines.engine import loaded_name
from governance.worker import projection
from governance.worker.workplace import SYSTEM, Workplace

TOPIC = "artifact.delete"


def delete(at: Workplace, payload: Mapping[str, Any]) -> str:
    """Delete an adapter's files everywhere; answers what was done.

    The entry names the engines that keep it in memory until they are started again; no request reaches it there.

    Raises:
        IllegalTransitionError: a slot serves it still; the bare base is on its way there.
        EngineError: an engine or the core is down, or has it from a file that cannot be reached; tried again.
        StorageError: a file could not be removed; tried again.
    """
    adapter = payload["adapter"]
    subject = Subject(kind="adapter", id=adapter)
    with at.ledger.read() as db:
        history = queries.history(db, subject)
        done = any(entry.event == "adapter:artifact_deleted" for entry in history)
        serving = people_queries.state_of(db, subject) == "deployed"
        slots = slot_queries.slots(db)
    if done:
        return "deleted before"
    if serving or any(slot.adapter == adapter for slot in slots):
        return "a slot serves it: kept"
    for slot in slots:
        at.engines[slot.engine].unload(loaded_name(slot.slot, adapter))
    with suppress(UnknownAdapterError):  # the core never had it, or has forgotten it
        at.core.delete(adapter)
    artifacts.delete_adapter(adapter, history[0].data["artifact"]["files"])
    keeping = [name for name, engine in at.engines.all.items() if engine.discard(adapter)]
    with at.ledger.write() as tx:
        entry = append(tx, "adapter:artifact_deleted", subject=subject, actor=SYSTEM, data={"in_memory": keeping})
        projection.send_deletion(tx, entry)
    return "deleted"
