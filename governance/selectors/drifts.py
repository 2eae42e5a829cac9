"""What differed between the ledger, the engines and MLflow, told so that a person can act on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.slot_queries import SlotRow
from adapters_core.ledger.transactions import Reader
from governance.services.repairing import Difference, left_by

LATEST = 50
_ENGINE, _MLFLOW = "ledger-engine:", "ledger-mlflow"


@dataclass(frozen=True, kw_only=True)
class DriftView:
    """One difference."""

    entry: Entry
    kind: str
    """``lost``: an engine had not what a slot serves. ``unknown``: an engine had what the ledger does not know.
    ``aliases``: MLflow named other adapters of a slot. ``other``: anything else."""
    engine: str
    slot: str
    """Empty where it is about no single slot."""
    name: str
    """Under which an engine served, or should have served."""
    digest: str
    repaired: datetime | None
    how: str
    """What was done about it, as the ledger says it."""
    left: tuple[str, ...]
    """Policies that leave its repair to a person, while it is open; without any, the system repairs it."""

    @property
    def open(self) -> bool:
        """Whether it still differs."""
        return self.repaired is None


def drifts(reader: Reader, *, states: tuple[str, ...] = (), limit: int = LATEST) -> tuple[DriftView, ...]:
    """Differences, those that changed last first."""
    found = people_queries.subjects(reader, "drift", states=states, limit=limit)
    return tuple(_view(reader, queries.history(reader, Subject(kind="drift", id=row.id))) for row in found)


def drifts_of(reader: Reader, slot: SlotRow, *, limit: int) -> tuple[DriftView, ...]:
    """Those of a slot, and what its engine has that nobody knows; among the latest ones."""
    return tuple(one for one in drifts(reader) if _is_about(one, slot))[:limit]


def _is_about(drift: DriftView, slot: SlotRow) -> bool:
    return slot.slot in {drift.slot, drift.name.rpartition("-")[0]} or (
        drift.kind == "unknown" and drift.engine == slot.engine
    )


def _view(reader: Reader, history: tuple[Entry, ...]) -> DriftView:
    first, last = history[0], history[-1]
    between, expected, observed = (first.data[name] for name in ("between", "expected", "observed"))
    stated = expected if isinstance(expected, Mapping) else observed if isinstance(observed, Mapping) else {}
    name = str(stated.get("name") or "")
    kind = _kind(between, expected, observed)
    named = [ref.id for ref in first.refs if ref.kind == "slot"]
    slot = named[0] if named else name.rpartition("-")[0] if kind == "lost" else ""
    engine = str(between).removeprefix(_ENGINE) if str(between).startswith(_ENGINE) else ""
    repaired = last.event == "drift:repaired"
    difference = Difference(kind=kind, slot=slot, engine=engine, name=name)
    return DriftView(
        entry=first,
        kind=kind,
        engine=engine,
        slot=slot,
        name=name,
        digest=str(stated.get("digest") or ""),
        repaired=last.time if repaired else None,
        how=str(last.data["how"]) if repaired else "",
        left=() if repaired else left_by(reader, difference),
    )


def _kind(between: object, expected: Any, observed: Any) -> str:  # noqa: ANN401  whatever the ledger holds
    if between == _MLFLOW:
        return "aliases"
    if str(between).startswith(_ENGINE):
        return "lost" if isinstance(expected, Mapping) else "unknown" if isinstance(observed, Mapping) else "other"
    return "other"
