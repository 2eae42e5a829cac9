"""The reconciler: what the ledger wants against what engines and MLflow have. Drift is recorded, and repaired.

Engines forget their adapters when they restart, and somebody may have loaded one by hand. An adapter that the ledger
does not know is unloaded and raises an alarm; one that should be there is loaded again, past the gate. Where a policy
leaves such a repair to a person, the drift stays open until it is found to be gone.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from adapters_core.errors import RingiError
from adapters_core.ledger import outbox, outbox_queries, people_queries, queries, slot_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Subject
from adapters_core.ledger.slot_queries import SlotRow
from governance import artifacts
from governance.engines import canary, gate
from governance.engines.engine import DIGITS, Engine, Resident, loaded_name
from governance.services.repairing import Difference, left_by
from governance.worker import deploying, projection
from governance.worker.deploying import wanted_residents
from governance.worker.workplace import SYSTEM, Workplace, passes

_LOG = logging.getLogger("ringi.worker")
_OURS = "evaluation-"
"""Names under which an adapter is loaded while its canary is taken."""
_MLFLOW = "ledger-mlflow"
_OPEN = 1000
"""Open drifts that are looked through."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One thing that is not as the ledger says."""

    kind: str
    """One of ``repairs.KINDS``."""
    between: str
    """ledger-engine:<name> or ledger-mlflow."""
    expected: Any
    observed: Any
    engine: str = ""
    slot: str = ""
    adapter: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """As the ledger holds it."""
        return {"between": self.between, "expected": self.expected, "observed": self.observed}

    @property
    def refs(self) -> tuple[Subject, ...]:
        """What it is about."""
        about = (("slot", self.slot), ("adapter", self.adapter))
        return tuple(Subject(kind=kind, id=name) for kind, name in about if name)


def reconcile(at: Workplace) -> tuple[Drift, ...]:
    """Compare everything that answers, record what differs and repair what policy lets; answers what differed."""
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
    """Compare the aliases of every slot with what MLflow has, and send them again where policy lets it.

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
            drift = Drift(kind="aliases", between=_MLFLOW, expected=wanted, observed=seen, slot=slot.slot)
            subject = _record(at, drift)
            if _repairs(at, drift):
                registry(at.mlflow_url).point(slot.slot, champion, previous)
                _repaired(at, subject, "the aliases were set again")
            found.append(drift)
    _close_what_is_gone(at, _MLFLOW, found)
    return tuple(found)


def _engine_drift(at: Workplace, engine: Engine, residents: tuple[Resident, ...]) -> list[Drift]:
    with at.ledger.read() as db:
        wanted = wanted_residents(db, engine.name, per_slot=at.resident_per_slot)
        serving = {
            loaded_name(slot.slot, slot.adapter): slot
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
        if one.digest in known and one.name.rpartition("-")[2] == (one.digest or "")[:DIGITS]:
            engine.unload(one.name)  # served earlier than the last few: room is made, nothing is wrong
            continue
        observed = {"name": one.name, "digest": one.digest, "root": one.root}
        drift = Drift(kind="unknown", between=between, expected=None, observed=observed, engine=engine.name)
        subject = _record(at, drift)
        if _repairs(at, drift):
            engine.unload(one.name)
            names.discard(one.name)
            _repaired(at, subject, "unloaded: the ledger knows no such deployment")
        found.append(drift)
    for name, slot in serving.items():
        digest = str(slot.adapter)
        if not names & {name, digest[:DIGITS]}:
            drift = Drift(
                kind="lost",
                between=between,
                expected={"name": name, "digest": digest},
                observed=None,
                engine=engine.name,
                slot=slot.slot,
                adapter=digest,
            )
            subject = _record(at, drift)
            if _repairs(at, drift) and _load_again(at, engine, name, slot):
                _repaired(at, subject, "loaded again, past the gate and the canary")
            found.append(drift)
    if not pending:  # what is on its way is not looked at, so it is not known to be gone
        _close_what_is_gone(at, between, found)
    return found


def _repairs(at: Workplace, drift: Drift) -> bool:
    """Whether the policies in force let the system repair it."""
    stated = drift.expected if drift.kind == "lost" else drift.observed
    name = str(stated["name"]) if drift.engine else ""
    difference = Difference(kind=drift.kind, slot=drift.slot, engine=drift.engine, name=name)
    with at.ledger.read() as db:
        return not left_by(db, difference)


def _close_what_is_gone(at: Workplace, between: str, found: Sequence[Drift]) -> None:
    """Close the drifts of a comparison that were open and are not found any more: a person has repaired them."""
    still = [(drift.data, drift.refs) for drift in found]
    with at.ledger.read() as db:
        rows = people_queries.subjects(db, "drift", states=("open",), limit=_OPEN)
        opened = [queries.entry(db, row.first_seq) for row in rows]
    for entry in opened:
        if entry.data["between"] == between and (dict(entry.data), entry.refs) not in still:
            _repaired(at, entry.subject, "the difference was gone")


def _load_again(at: Workplace, engine: Engine, name: str, slot: SlotRow) -> bool:
    """Load what a slot serves, past the same gate and canary; answers whether it serves now."""
    digest = str(slot.adapter)
    with at.ledger.read() as db:
        history = queries.history(db, Subject(kind="adapter", id=digest))
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


def _record(at: Workplace, drift: Drift) -> Subject:
    """Record a drift once: while the same one is open, it is that one."""
    with at.ledger.write() as tx:
        for row in people_queries.subjects(tx, "drift", states=("open",), limit=_OPEN):
            entry = queries.entry(tx, row.first_seq)
            if (dict(entry.data), entry.refs) == (drift.data, drift.refs):
                return entry.subject
        subject = Subject(kind="drift", id=str(uuid4()))
        append(tx, "drift:found", subject=subject, actor=SYSTEM, data=drift.data, refs=drift.refs)
    _LOG.warning("drift %s: expected %s, observed %s", drift.between, drift.expected, drift.observed)
    return subject


def _repaired(at: Workplace, subject: Subject, how: str) -> None:
    with at.ledger.write() as tx:
        if people_queries.state_of(tx, subject) != "repaired":
            append(tx, "drift:repaired", subject=subject, actor=SYSTEM, data={"how": how})
