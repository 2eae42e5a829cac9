"""Reading contexts: titles, sizes and states; the texts lie in the vault."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger.index_tables import index_contexts
from adapters_core.ledger.projection.fields import folded
from adapters_core.ledger.records import parse_time
from adapters_core.ledger.transactions import Reader

PAGE = 50
_TABLE = index_contexts.c


@dataclass(frozen=True, kw_only=True)
class ContextRow:
    """A context as lists show it; commitments and scan are in the ``context:submitted`` entry at ``seq``."""

    context: str
    seq: int
    time: datetime
    title: str
    state: str
    """active, held (legal hold) or erased."""
    characters: int
    bytes: int
    language: str | None
    retention_until: str | None
    actor: str
    actor_name: str


@dataclass(frozen=True, kw_only=True)
class ContextFilter:
    """Which contexts are wanted: every condition that is given must hold."""

    text: str | None = None
    states: tuple[str, ...] = ()
    actor: str | None = None
    kept_until_before: date | None = None
    """Only those whose day of keeping ended before this day."""


ALL_CONTEXTS = ContextFilter()


def context(reader: Reader, context_id: str) -> ContextRow:
    """One context.

    Raises:
        UnknownSubjectError: the ledger has none of this id.
    """
    row = reader.connection.execute(select(index_contexts).where(_TABLE.context == context_id)).mappings().first()
    if row is None:
        raise UnknownSubjectError(f"the ledger has no context {context_id}")
    return _row(row)


def find_contexts(
    reader: Reader, wanted: ContextFilter = ALL_CONTEXTS, *, before: int | None = None, limit: int = PAGE
) -> tuple[ContextRow, ...]:
    """Contexts that meet a filter, newest first; ``before``: the last seq of the page before."""
    asked = select(index_contexts)
    for word in folded(wanted.text or "").split():
        asked = asked.where(_TABLE.search.contains(word, autoescape=True))
    if wanted.states:
        asked = asked.where(_TABLE.state.in_(wanted.states))
    if wanted.actor:
        asked = asked.where(_TABLE.actor == wanted.actor)
    if wanted.kept_until_before:
        asked = asked.where(_TABLE.retention_until < wanted.kept_until_before.isoformat())
    if before is not None:
        asked = asked.where(_TABLE.seq < before)
    rows = reader.connection.execute(asked.order_by(_TABLE.seq.desc()).limit(limit)).mappings()
    return tuple(_row(row) for row in rows)


def _row(row: Mapping[Any, Any]) -> ContextRow:
    fields = {name: row[name] for name in ContextRow.__dataclass_fields__}
    return ContextRow(**{**fields, "time": parse_time(row["time"])})
