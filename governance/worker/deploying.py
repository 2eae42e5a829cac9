"""The deployment saga: gate, load under a name that is given once, read back, canary, pointer, drain.

The slot's pointer is the ledger's ``deployment:succeeded``; the gateway reads it. So the adapter is loaded and proved
before anybody's request reaches it, and what served before goes on serving until then. Every step may be repeated.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from adapters_core.errors import CanaryError, EngineError, IllegalTransitionError, RingiError, UnknownSubjectError
from adapters_core.ledger import adapter_queries, artifact_queries, outbox, queries, slot_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.slot_queries import DeploymentRow, SlotRow
from adapters_core.ledger.transactions import Reader
from governance import artifacts
from governance.engines import canary, gate
from governance.engines.engine import DIGITS, Engine, Resident, loaded_name
from governance.worker import projection
from governance.worker.workplace import SYSTEM, Workplace, passes

TOPIC = "engine.deploy"
CANARY_TOPIC = "engine.canary"
LATER: Mapping[str, Any] = {"set": canary.SET, "passed": None, "when": "after the rollback"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be put where."""

    row: DeploymentRow
    slot: SlotRow
    generated: Entry | None
    """Of the adapter; None for the bare base."""
    canary: Mapping[str, Any] | None
    """Of the latest evaluation that recorded one."""
    proved: bool
    """Whether the slot has served this adapter after its canary had passed."""

    @property
    def loaded_name(self) -> str | None:
        """What the engine calls it; None for the bare base."""
        return loaded_name(self.row.slot, self.row.adapter) if self.row.adapter else None


def deploy(at: Workplace, payload: Mapping[str, Any]) -> str:
    """Carry a deployment out; answers how it ended.

    Raises:
        EngineError, BusyError, StorageError: something is down; the deployment stays under way and is tried again.
    """
    began = time.monotonic()
    with at.ledger.read() as db:
        plan = plan_of(db, payload["deployment"])
    if plan.row.state != "requested":
        _forget(at, plan)
        return f"ended before: {plan.row.state}"
    try:
        done = _place(at, plan)
    except (RingiError, OSError) as error:
        if not isinstance(error, RingiError) or passes(error):
            raise
        return _end(at, plan, "deployment:failed", {"error": f"{error.code}: {error}"[:2000]})
    done["seconds"] = time.monotonic() - began
    done["seconds_since_request"] = (at.ledger.clock() - plan.row.time).total_seconds()
    return _end(at, plan, "deployment:succeeded", done)


def plan_of(reader: Reader, deployment: str) -> Plan:
    """What a deployment needs from the ledger.

    Raises:
        UnknownSubjectError: there is none of this id.
    """
    row = slot_queries.deployment(reader, deployment)
    history = queries.history(reader, Subject(kind="adapter", id=row.adapter)) if row.adapter else ()
    evaluations = [entry.data for entry in history if entry.event == "adapter:evaluated"]
    return Plan(
        row=row,
        slot=slot_queries.slot(reader, row.slot),
        generated=history[0] if history else None,
        canary=next((data["canary"] for data in reversed(evaluations) if data.get("canary")), None),
        proved=any(
            one.slot == row.slot and one.state == "succeeded" and one.adapter == row.adapter
            for one in (slot_queries.deployments_of(reader, row.adapter) if row.adapter else ())
        ),
    )


def _place(at: Workplace, plan: Plan) -> dict[str, Any]:
    engine = at.engines[plan.slot.engine]
    if plan.generated is None or plan.row.adapter is None:
        return _bare(engine)
    digest, name = plan.row.adapter, str(plan.loaded_name)
    approved = canary.canary_from(plan.canary)
    folder = artifacts.adapter_folder(digest, plan.generated.data["artifact"]["files"])
    resident = _resident(engine, name, digest)
    back = plan.row.kind == "rollback" and plan.proved and resident is not None
    checked = None if back else gate.check_adapter(folder, plan.generated, plan.slot.base)
    if resident is None:
        engine.load(name, folder, digest)
        resident = _resident(engine, name, digest)
    if resident is None:
        raise CanaryError(f"{engine.name} must list {name} after loading it, it does not: it is not served")
    return {
        "engine": engine.name,
        "loaded_name": name,
        "gate": checked,
        "read_back": {"name": resident.name, "root": resident.root, "digest": resident.digest},
        # Going back must not wait for a model that is busy: this name passed gate and canary, and is given once.
        "canary": LATER if back else canary.check(engine, name, approved),
    }


def check_afterwards(at: Workplace, payload: Mapping[str, Any]) -> str:
    """The canary of what was put back at once; a failure is an incident, which people see first of all.

    Raises:
        EngineError: the engine is down; tried again.
    """
    with at.ledger.read() as db:
        plan = plan_of(db, payload["deployment"])
    if plan.slot.current != plan.row.deployment:
        return "replaced meanwhile"
    try:
        found = canary.check(at.engines[plan.slot.engine], str(plan.loaded_name), canary.canary_from(plan.canary))
    except CanaryError as error:
        refs = [Subject(kind="deployment", id=plan.row.deployment), Subject(kind="slot", id=plan.row.slot)]
        with at.ledger.write() as tx:
            data = {"what": "canary_after_rollback", "detail": str(error)}
            append(
                tx,
                "incident:raised",
                subject=Subject(kind="incident", id=str(uuid4())),
                actor=SYSTEM,
                data=data,
                refs=refs,
            )
        return f"failed: {error}"
    return f"passed, {found['distance']} nats away"


def _bare(engine: Engine) -> dict[str, Any]:
    """The bare base needs nothing of the engine: an engine that is down answers nobody, and later with the base."""
    read_back: dict[str, Any] = {"reachable": False}
    with suppress(EngineError):
        read_back = {"reachable": True, "base": next(one.name for one in engine.residents() if one.parent is None)}
    return {"engine": engine.name, "loaded_name": None, "gate": None, "read_back": read_back, "canary": None}


def _resident(engine: Engine, name: str, digest: str) -> Resident | None:
    """What an engine has under a name.

    Raises:
        CanaryError: another adapter.
    """
    for one in engine.residents():
        if one.name in {name, digest[:DIGITS]} and one.parent is not None:
            if one.digest not in {None, digest} or (one.digest is None and digest not in str(one.root)):
                raise CanaryError(f"{name} on {engine.name} must be adapter {digest[:DIGITS]}, it is {one.digest}")
            return one
    return None


def _end(at: Workplace, plan: Plan, event: str, data: Mapping[str, Any]) -> str:
    """Record the end, unless a kill switch or an erasure has ended it meanwhile."""
    refs = [Subject(kind="slot", id=plan.row.slot)]
    try:
        with at.ledger.write() as tx:
            subject = Subject(kind="deployment", id=plan.row.deployment)
            entry = append(tx, event, subject=subject, actor=SYSTEM, data=data, refs=refs)
            if event == "deployment:succeeded":
                projection.send_alias(tx, entry, plan.row.slot)
            if data.get("canary") == LATER:
                later = {"deployment": plan.row.deployment}
                outbox.send(tx, topic=CANARY_TOPIC, key=plan.row.deployment, payload=later, seq=entry.seq)
    except IllegalTransitionError:
        _forget(at, plan)
        return "ended by somebody else meanwhile"
    return event


def _forget(at: Workplace, plan: Plan) -> None:
    """Unload what was loaded for a deployment that was stopped, unless its slot serves it.

    An erasure may have deleted the files while they were made into a folder to load from: that goes too.
    """
    name, adapter = plan.loaded_name, plan.row.adapter
    if not name or not adapter:
        return
    with at.ledger.read() as db:
        serving = slot_queries.slot(db, plan.row.slot).adapter
        state = slot_queries.deployment(db, plan.row.deployment).state
        deleted = artifact_queries.is_deleted(db, adapter)
    if adapter != serving and state == "failed":
        at.engines[plan.slot.engine].unload(name)
    if deleted:
        artifacts.remove_folder(adapter)


def wanted_residents(reader: Reader, engine: str, *, per_slot: int) -> dict[str, str]:
    """loaded name -> digest of what an engine should hold: what slots serve, what they served last, what comes."""
    wanted: dict[str, str] = {}
    for slot in slot_queries.slots(reader):
        if slot.engine != engine:
            continue
        recent = [
            row.adapter
            for row in slot_queries.timeline(reader, slot.slot, limit=20)
            if row.adapter and row.state in {"succeeded", "requested"} and _alive(reader, row.adapter)
        ]
        kept = list(dict.fromkeys([*([slot.adapter] if slot.adapter else []), *recent]))[:per_slot]
        wanted |= {loaded_name(slot.slot, digest): digest for digest in kept}
    return wanted


def _alive(reader: Reader, adapter: str) -> bool:
    try:
        return adapter_queries.adapter(reader, adapter).state != "retired"
    except UnknownSubjectError:
        return False
