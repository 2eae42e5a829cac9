"""V4: what the engines serve against what the ledger says that they serve.

An engine has an adapter under a name, and says by its digest which one it is. The name alone proves nothing: somebody
may have loaded another adapter under it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import select

from adapters_core.ledger.index_tables import index_adapters
from adapters_core.ledger.slot_queries import SlotRow, deployment, slots
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.verification.findings import Code, Finding

DIGITS = 16
"""Of an adapter's digest, at the end of the names under which engines have it."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """An adapter that an engine has."""

    name: str
    """By which it is asked for."""
    adapter: str | None
    """Its digest; None where the engine does not say it."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What was read back from an engine."""

    engine: str
    """As slots name it."""
    loaded: tuple[Loaded, ...]
    """All adapters that it has, whether a slot leads to them or not."""


def verify_serving(reader: Reader, observed: Iterable[Observed]) -> tuple[Finding, ...]:
    """Compare slots and engines with what was observed; a slot whose engine was not observed is a finding.

    Something is served that the ledger does not know where an engine has an adapter without a digest, with one that
    the ledger does not name, or under a name that stands for another one.
    """
    seen = {one.engine: one.loaded for one in observed}
    known = slots(reader)
    findings = [finding for row in known for finding in _slot(reader, row, seen.get(row.engine))]
    for engine, loaded in sorted(seen.items()):
        expected = {name for row in known if row.engine == engine for name in _names(reader, row)}
        findings += [_unknown(engine, one) for one in loaded if one.name not in expected and not _known(reader, one)]
    return tuple(findings)


def _slot(reader: Reader, row: SlotRow, loaded: tuple[Loaded, ...] | None) -> Iterator[Finding]:
    what = f"slot {row.slot}"
    if loaded is None:
        yield _finding("not_served", what, f"its engine {row.engine} gave no answer")
    elif row.adapter:
        names = _names(reader, row)
        held = [one for one in loaded if one.name in names]
        if not held:
            yield _finding("not_served", what, f"its engine {row.engine} has no {' or '.join(sorted(names))}")
        for one in held:
            if one.adapter != row.adapter:
                detail = f"{one.name} is {_named(one.adapter)}, the ledger says {_named(row.adapter)}"
                yield _finding("served_otherwise", what, detail)


def _names(reader: Reader, row: SlotRow) -> frozenset[str]:
    """Under which the engine of a slot must have what the slot serves; none for the bare base."""
    if row.adapter is None or row.current is None:
        return frozenset()
    name = deployment(reader, row.current).loaded_name
    return frozenset({row.adapter[:DIGITS], *([name] if name else [])})


def _known(reader: Reader, one: Loaded) -> bool:
    if one.adapter is None or one.name.rpartition("-")[2] != one.adapter[:DIGITS]:
        return False
    asked = select(index_adapters.c.digest).where(index_adapters.c.digest == one.adapter)
    return reader.connection.execute(asked).first() is not None


def _unknown(engine: str, one: Loaded) -> Finding:
    detail = f"it has {one.name}, {_named(one.adapter)}: the ledger knows no such adapter under this name"
    return _finding("served_unknown", f"engine {engine}", detail)


def _finding(code: Code, what: str, detail: str) -> Finding:
    return Finding(level="V4", code=code, what=what, detail=detail)


def _named(adapter: str | None) -> str:
    return f"adapter {adapter[:DIGITS]}" if adapter else "an adapter without a digest"
