"""Reading slots and deployments: what serves now, what served when, what can be put back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, select

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger.approval_tables import index_deployments, index_requests, index_slots
from adapters_core.ledger.flow.requests import APPROVED
from adapters_core.ledger.index_tables import index_adapters
from adapters_core.ledger.records import parse_time, time_text
from adapters_core.ledger.transactions import Reader

PAGE = 50
_TABLE = index_deployments.c
_MOMENTS = ("time", "finished_time", "until_time")


@dataclass(frozen=True, kw_only=True)
class SlotRow:
    """A slot and what it serves."""

    slot: str
    seq: int
    time: datetime
    """When it was created."""
    title: str
    base: str
    engine: str
    policy: str
    """Under which an adapter is approved for it."""
    adapter: str | None
    """The adapter that it serves; None for the bare base."""
    adapter_name: str | None
    current: str | None
    """The deployment that put it there; None before the first."""
    pending: str | None
    """The deployment that is on its way."""


@dataclass(frozen=True, kw_only=True)
class DeploymentRow:
    """A deployment, rollback, kill switch or break-glass."""

    deployment: str
    seq: int
    time: datetime
    """When it was requested."""
    slot: str
    adapter: str | None
    """None for the bare base."""
    adapter_name: str | None
    previous: str | None
    """What the slot served before."""
    kind: str
    request: str | None
    """The approval that it rests on."""
    reason: str
    state: str
    """requested, succeeded or failed."""
    loaded_name: str | None
    finished_seq: int | None
    finished_time: datetime | None
    """When it succeeded (and began to serve) or failed."""
    until_seq: int | None
    until_time: datetime | None
    """When it stopped serving; None while it serves."""
    actor: str
    actor_name: str


def slots(reader: Reader) -> tuple[SlotRow, ...]:
    """All slots by name."""
    asked = _slots().order_by(index_slots.c.slot)
    return tuple(_slot(row) for row in reader.connection.execute(asked).mappings())


def slot(reader: Reader, name: str) -> SlotRow:
    """One slot.

    Raises:
        UnknownSubjectError: there is none of this name.
    """
    row = reader.connection.execute(_slots().where(index_slots.c.slot == name)).mappings().first()
    if row is None:
        raise UnknownSubjectError(f"the ledger has no slot {name!r}")
    return _slot(row)


def deployment(reader: Reader, deployment_id: str) -> DeploymentRow:
    """One deployment.

    Raises:
        UnknownSubjectError: there is none of this id.
    """
    if found := _rows(reader, _deployments().where(_TABLE.deployment == deployment_id)):
        return found[0]
    raise UnknownSubjectError(f"the ledger has no deployment {deployment_id}")


def timeline(reader: Reader, name: str, *, before: int | None = None, limit: int = PAGE) -> tuple[DeploymentRow, ...]:
    """A slot's deployments, newest first; ``before``: the last seq of the page before."""
    asked = _deployments().where(_TABLE.slot == name)
    if before is not None:
        asked = asked.where(_TABLE.seq < before)
    return _rows(reader, asked.order_by(_TABLE.seq.desc()).limit(limit))


def deployments_of(reader: Reader, adapter: str, *, limit: int = PAGE) -> tuple[DeploymentRow, ...]:
    """An adapter's deployments in all slots, newest first."""
    return _rows(reader, _deployments().where(_TABLE.adapter == adapter).order_by(_TABLE.seq.desc()).limit(limit))


def pending_deployments(reader: Reader) -> tuple[DeploymentRow, ...]:
    """Deployments that were requested and have not ended, oldest first."""
    return _rows(reader, _deployments().where(_TABLE.state == "requested").order_by(_TABLE.seq))


def served_at(reader: Reader, name: str, moment: datetime) -> DeploymentRow | None:
    """The deployment that served in a slot at a moment; None when it had none yet (the bare base served)."""
    asked = _deployments().where(
        _TABLE.slot == name, _TABLE.state == "succeeded", _TABLE.finished_time <= time_text(moment)
    )
    found = _rows(reader, asked.order_by(_TABLE.finished_time.desc(), _TABLE.finished_seq.desc()).limit(1))
    return found[0] if found else None


def rollback_targets(reader: Reader, name: str, *, limit: int = 20) -> tuple[DeploymentRow, ...]:
    """The adapters that a slot served earlier and may serve again, each by its latest deployment, newest first.

    Approved still for this slot, not retired, and not what serves now. The bare base is always a target besides.
    """
    now = select(index_slots.c.adapter).where(index_slots.c.slot == name).scalar_subquery()
    approved = exists().where(
        index_requests.c.adapter == _TABLE.adapter,
        index_requests.c.slot == name,
        index_requests.c.state.in_(sorted(APPROVED)),
    )
    asked = _deployments().where(
        _TABLE.slot == name,
        _TABLE.state == "succeeded",
        _TABLE.until_seq.is_not(None),
        index_adapters.c.state != "retired",
        approved,
        _TABLE.adapter.is_distinct_from(now),
    )
    latest: dict[str | None, DeploymentRow] = {}
    for row in _rows(reader, asked.order_by(_TABLE.seq.desc()).limit(limit * 10)):
        latest.setdefault(row.adapter, row)
    return tuple(latest.values())[:limit]


def _slots() -> Select[Any]:
    joined = index_slots.outerjoin(index_adapters, index_slots.c.adapter == index_adapters.c.digest)
    return select(index_slots, index_adapters.c.name.label("adapter_name")).select_from(joined)


def _slot(row: Mapping[Any, Any]) -> SlotRow:
    fields = {name: row[name] for name in SlotRow.__dataclass_fields__}
    return SlotRow(**{**fields, "time": parse_time(row["time"])})


def _deployments() -> Select[Any]:
    joined = index_deployments.outerjoin(index_adapters, _TABLE.adapter == index_adapters.c.digest)
    return select(index_deployments, index_adapters.c.name.label("adapter_name")).select_from(joined)


def _rows(reader: Reader, asked: Select[Any]) -> tuple[DeploymentRow, ...]:
    found = []
    for row in reader.connection.execute(asked).mappings():
        fields = {name: row[name] for name in DeploymentRow.__dataclass_fields__}
        fields |= {name: parse_time(row[name]) for name in _MOMENTS if row[name]}
        found.append(DeploymentRow(**fields))
    return tuple(found)
