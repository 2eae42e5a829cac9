"""V4: what the engines serve against what the ledger says that they serve."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adapters_core.ledger.slot_queries import SlotRow, deployment, slots
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.verification.findings import Code, Finding


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What was read back from the engine behind a slot."""

    slot: str
    adapter: str | None
    """The digest of the adapter that the slot's pointer leads to; None for the bare base."""
    loaded: tuple[str, ...] = ()
    """The names of all adapters that the engine has loaded."""


def verify_serving(reader: Reader, observed: Iterable[Observed]) -> tuple[Finding, ...]:
    """Compare slots with what was observed; a slot that was not observed is a finding, and so is an unknown one."""
    seen = {item.slot: item for item in observed}
    known = {row.slot: row for row in slots(reader)}
    findings = [
        _finding("served_unknown", name, "the ledger knows no slot of this name")
        for name in sorted(set(seen) - set(known))
    ]
    for name, row in known.items():
        findings += _compare(reader, row, seen.get(name))
    return tuple(findings)


def _compare(reader: Reader, row: SlotRow, seen: Observed | None) -> Iterator[Finding]:
    if seen is None:
        yield _finding("not_served", row.slot, "nothing was read back for it")
        return
    if seen.adapter != row.adapter:
        detail = f"it serves {_named(seen.adapter)}, the ledger says {_named(row.adapter)}"
        yield _finding("served_otherwise", row.slot, detail)
    if row.adapter and row.current and seen.loaded:
        expected = deployment(reader, row.current).loaded_name
        if expected and expected not in seen.loaded:
            yield _finding("not_served", row.slot, f"its engine has not loaded {expected}")


def _finding(code: Code, slot: str, detail: str) -> Finding:
    return Finding(level="V4", code=code, what=f"slot {slot}", detail=detail)


def _named(adapter: str | None) -> str:
    return f"adapter {adapter[:16]}" if adapter else "the bare base"
