"""What is left of an adapter whose context was erased, or that no entry records: removed here, in core and engines."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from adapters_core.canonical import sha256_hex
from adapters_core.errors import BusyError, IllegalTransitionError, MismatchError, UnknownAdapterError
from adapters_core.ledger import artifact_queries, queries, slot_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Subject
from adapters_core.ledger.slot_queries import SlotRow
from adapters_core.manifest import Manifest
from governance import artifacts
from governance.engines.engine import loaded_name
from governance.services import leftovers
from governance.worker import projection
from governance.worker.keeping import removing
from governance.worker.workplace import SYSTEM, Workplace

TOPIC = leftovers.TOPIC


def delete(at: Workplace, payload: Mapping[str, Any]) -> str:
    """Delete an adapter's files everywhere; answers what was done.

    A file that another adapter has as well stays. What serves is never touched. The entry names the engines that keep
    the adapter in memory until they are started again; no request reaches it there.

    Raises:
        IllegalTransitionError: a slot serves it still, the bare base is on its way there; tried again.
        EngineError: an engine or the core is down, or has it from a file that cannot be reached; tried again.
        StorageError: a file could not be removed; tried again.
        BusyError: the core has it loaded, as while it is evaluated; tried again.
    """
    adapter = payload["adapter"]
    subject = Subject(kind="adapter", id=adapter)
    with at.ledger.read() as db:
        history = queries.history(db, subject)
        slots = slot_queries.slots(db)
        done = artifact_queries.is_deleted(db, adapter)
    if "job" in payload:
        return "recorded meanwhile: kept" if history else _delete_unrecorded(at, adapter)
    _check_unused(slots, adapter)
    if done:
        return "deleted before"
    for slot in slots:
        at.engines[slot.engine].unload(loaded_name(slot.slot, adapter))
    _delete_in_core(at, adapter)
    keeping = [name for name, engine in at.engines.all.items() if engine.discard(adapter)]
    with removing(at, history[0].data["artifact"]["files"].values(), besides=adapter) as tx:
        entry = append(tx, "adapter:artifact_deleted", subject=subject, actor=SYSTEM, data={"in_memory": keeping})
        artifacts.remove_folder(adapter)
        projection.send_deletion(tx, entry)
        for slot in slots:
            if any(row.slot == slot.slot for row in slot_queries.deployments_of(tx, adapter, limit=1000)):
                projection.send_alias(tx, entry, slot.slot)
    return "deleted"


def _check_unused(slots: Sequence[SlotRow], adapter: str) -> None:
    """Raises IllegalTransitionError where a slot serves it."""
    if serving := [slot.slot for slot in slots if slot.adapter == adapter]:
        raise IllegalTransitionError(
            f"the files of adapter {adapter} go once no slot serves it any more, {', '.join(serving)} still does"
        )


def _delete_unrecorded(at: Workplace, adapter: str) -> str:
    """Delete what a job made and no entry records: the core's copy, and files that were kept before a worker ended."""
    try:
        manifest = at.core.manifest(adapter)
    except UnknownAdapterError:
        return "deleted before"
    stated = Manifest.from_bytes(manifest).identity
    with removing(at, (stated.config_sha256, stated.weights_sha256, sha256_hex(manifest))):
        pass
    _delete_in_core(at, adapter)
    return "deleted: it was never recorded"


def _delete_in_core(at: Workplace, adapter: str) -> None:
    """Delete the core's copy. Raises as :func:`delete`."""
    try:
        with suppress(UnknownAdapterError):  # the core never had it, or has forgotten it
            at.core.delete(adapter)
    except MismatchError as error:
        raise BusyError(str(error)) from error
