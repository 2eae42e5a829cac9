"""The reconciler: what the ledger wants against what engines and MLflow have. Drift is recorded, and repaired.

Engines forget their adapters when they restart, and somebody may have loaded one by hand. An adapter that the ledger
does not know is unloaded and raises an alarm; one that should be there is loaded again, past the gate.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from adapters_core.errors import RingiError
from adapters_core.ledger import outbox, outbox_queries, people_queries, queries, slot_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Subject
from governance import artifacts
from governance.engines import canary, gate
from governance.engines.engine import Engine, Resident
from governance.worker import deploying, projection
from governance.worker.deploying import wanted_residents
from governance.worker.workplace import SYSTEM, Workplace, passes

_LOG = logging.getLogger("ringi.worker")
_OURS = "evaluation-"
"""Names under which an adapter is loaded while its canary is taken."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One thing that is not as the ledger says."""

    between: str
    """ledger-engine:<name> or ledger-mlflow."""
    expected: Any
    observed: Any


def reconcile(at: Workplace) -> tuple[Drift, ...]:
    """Compare everything that answers, record and repair what differs; answers what differed."""
    found: list[Drift] = []
    for name, engine in at.engines.all.items():
        try:
            residents = engine.residents()
        except RingiError as error:
            _LOG.info("engine %s is not compared: %s", name, error)
            continue
        _wake(at, (deploying.TOPIC,))
        found += _engine_drift(at, engine, residents)
    return tuple(found)


def reconcile_mlflow(at: Workplace) -> tuple[Drift, ...]:
    """Compare the aliases of every slot with what MLflow has, and send them again where they differ.

    Raises:
        EngineError: MLflow does not answer.
    """
    from governance.worker.tracking import pointers, registry  # seconds of import, in the worker only

    found = []
    with at.ledger.read() as db:
        slots = slot_queries.slots(db)
        waiting = outbox_queries.pending_counts(db)
    if any(waiting.get(topic) for topic in projection.TOPICS):
        return ()  # what is on its way is no drift
    for slot in slots:
        champion, previous = pointers(at, slot.slot)
        wanted = {alias: digest for alias, digest in (("champion", champion), ("previous", previous)) if digest}
        seen = registry(at.mlflow_url).pointed(slot.slot)
        if seen != wanted:
            drift = Drift(between="ledger-mlflow", expected=wanted, observed=seen)
            subject = _record(at, drift, slot=slot.slot)
            registry(at.mlflow_url).point(slot.slot, champion, previous)
            _repaired(at, subject, "the aliases were set again")
            found.append(drift)
    return tuple(found)


def _engine_drift(at: Workplace, engine: Engine, residents: tuple[Resident, ...]) -> list[Drift]:
    with at.ledger.read() as db:
        wanted = wanted_residents(db, engine.name, per_slot=at.resident_per_slot)
        serving = {
            deploying.loaded_name(slot.slot, slot.adapter): slot.adapter
            for slot in slot_queries.slots(db)
            if slot.engine == engine.name and slot.adapter
        }
        known = {one.digest for one in residents if one.digest and _is_known(at, one.digest)}
        pending = bool(slot_queries.pending_deployments(db))
    between = f"ledger-engine:{engine.name}"
    names = {one.name for one in residents}
    found = []
    for one in residents:
        right = one.name in wanted and wanted[one.name] == one.digest
        if one.parent is None or right or one.name.startswith(_OURS) or pending:
            continue
        if one.digest in known and one.name.rpartition("-")[2] == (one.digest or "")[: deploying.DIGITS]:
            engine.unload(one.name)  # served earlier than the last few: room is made, nothing is wrong
            continue
        observed = {"name": one.name, "digest": one.digest, "root": one.root}
        drift = Drift(between=between, expected=None, observed=observed)
        subject = _record(at, drift)
        engine.unload(one.name)
        names.discard(one.name)
        _repaired(at, subject, "unloaded: the ledger knows no such deployment")
        found.append(drift)
    for name, digest in serving.items():
        if not names & {name, digest[: deploying.DIGITS]}:
            drift = Drift(between=between, expected={"name": name, "digest": digest}, observed=None)
            subject = _record(at, drift, adapter=digest)
            if _load_again(at, engine, name, digest):
                _repaired(at, subject, "loaded again, past the gate and the canary")
            found.append(drift)
    return found


def _load_again(at: Workplace, engine: Engine, name: str, digest: str) -> bool:
    """Load what a slot serves, past the same gate and canary; answers whether it serves now."""
    with at.ledger.read() as db:
        history = queries.history(db, Subject(kind="adapter", id=digest))
        slot = next(row for row in slot_queries.slots(db) if row.adapter == digest)
    recorded = [entry.data["canary"] for entry in history if entry.data.get("canary")]
    try:
        folder = artifacts.adapter_folder(digest, history[0].data["artifact"]["files"])
        gate.check_adapter(folder, history[0], slot.base)
        engine.load(name, folder, digest)
        canary.check(engine, name, canary.canary_from(recorded[-1] if recorded else None))
    except RingiError as error:
        _LOG.warning("%s could not be loaded again on %s: %s", name, engine.name, error)
        if not passes(error):
            engine.unload(name)
        return False
    return True


def _wake(at: Workplace, topics: tuple[str, ...]) -> None:
    """The other side answers: what waits for it is tried now."""
    with at.ledger.read() as db:
        waiting = outbox_queries.pending_counts(db)
    if any(waiting.get(topic) for topic in topics):
        with at.ledger.write() as tx:
            outbox.retry_now(tx, topics)


def _is_known(at: Workplace, digest: str) -> bool:
    with at.ledger.read() as db:
        return people_queries.state_of(db, Subject(kind="adapter", id=digest)) is not None


def _record(at: Workplace, drift: Drift, *, slot: str | None = None, adapter: str | None = None) -> Subject:
    """Record a drift once: while the same one is open, it is that one."""
    data: Mapping[str, Any] = {"between": drift.between, "expected": drift.expected, "observed": drift.observed}
    refs = [Subject(kind="slot", id=slot)] if slot else []
    refs += [Subject(kind="adapter", id=adapter)] if adapter else []
    with at.ledger.write() as tx:
        for row in people_queries.subjects(tx, "drift", limit=50):
            if row.state != "repaired" and dict(queries.entry(tx, row.first_seq).data) == data:
                return Subject(kind="drift", id=row.id)
        subject = Subject(kind="drift", id=str(uuid4()))
        append(tx, "drift:found", subject=subject, actor=SYSTEM, data=data, refs=refs)
    _LOG.warning("drift %s: expected %s, observed %s", drift.between, drift.expected, drift.observed)
    return subject


def _repaired(at: Workplace, subject: Subject, how: str) -> None:
    with at.ledger.write() as tx:
        if people_queries.state_of(tx, subject) != "repaired":
            append(tx, "drift:repaired", subject=subject, actor=SYSTEM, data={"how": how})
