"""Reading adapters: one, a page of a filtered and sorted list, counts, descent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Select, and_, func, or_, select

from adapters_core.errors import InputError, UnknownSubjectError
from adapters_core.ledger import paging
from adapters_core.ledger.index_tables import index_adapter_contexts, index_adapters
from adapters_core.ledger.projection.fields import SEARCHED, folded
from adapters_core.ledger.records import parse_time
from adapters_core.ledger.transactions import Reader

PAGE = 50
Sort = Literal["newest", "oldest", "name", "recent", "recovery", "norm"]
_TABLE = index_adapters.c


@dataclass(frozen=True, kw_only=True)
class AdapterRow:
    """An adapter as lists show it; the whole record is the ``adapter:generated`` entry at ``seq``."""

    digest: str
    seq: int
    time: datetime
    """When it was generated."""
    name: str
    base: str
    base_name: str
    generator: str
    parent: str | None
    actor: str
    actor_name: str
    tokens: int
    chunks: int
    bytes: int
    norm_total: float
    state: str
    serving: int
    """Slots that serve it now."""
    evaluations: int
    recovery: float | None
    """Of the latest evaluation that asked about the contexts; None where it was not measured."""
    retention: float | None
    request: str | None
    """Its latest request."""
    approvals: int
    """Requests by which it is approved, each for its slot; none once it is retired."""
    last_seq: int
    last_time: datetime
    """When its state last changed."""


@dataclass(frozen=True, kw_only=True)
class AdapterFilter:
    """Which adapters are wanted: every condition that is given must hold."""

    text: str | None = None
    """Part of the name, or the beginning of the digest, in any letter case; several words must all be there."""
    states: tuple[str, ...] = ()
    base: str | None = None
    context: str | None = None
    actor: str | None = None
    serving: bool | None = None
    approved: bool | None = None
    """Whether it is approved, for whatever slot."""
    among: tuple[int, ...] | None = None
    """Only those with one of these ``seq``; some hundreds at most."""


@dataclass(frozen=True, kw_only=True)
class AdapterPage:
    """A page of a list."""

    rows: tuple[AdapterRow, ...]
    next: str | None
    """Hand it in as ``after`` for the next page; None on the last one."""


ALL_ADAPTERS = AdapterFilter()
_SORTS: Mapping[str, tuple[Column[Any], bool]] = {
    "newest": (_TABLE.seq, True),
    "oldest": (_TABLE.seq, False),
    "recent": (_TABLE.last_seq, True),
    "name": (_TABLE.name, False),
    "recovery": (_TABLE.recovery, True),
    "norm": (_TABLE.norm_total, True),
}
"""Sort -> (column, downwards). Adapters without a value come in no list that is sorted by it."""
_DIGEST = re.compile(rf"[0-9a-f]{{{SEARCHED + 1},}}")
"""More of a digest than is searched."""
_OF_A_STATE = frozenset({_TABLE.seq, _TABLE.last_seq})
"""Columns by which the adapters of one state lie in an index."""


def adapter(reader: Reader, digest: str) -> AdapterRow:
    """One adapter.

    Raises:
        UnknownSubjectError: the ledger knows none of this digest.
    """
    row = reader.connection.execute(select(index_adapters).where(_TABLE.digest == digest)).mappings().first()
    if row is None:
        raise UnknownSubjectError(f"the ledger has no adapter {digest}")
    return adapter_row(row)


def find_adapters(
    reader: Reader,
    wanted: AdapterFilter = ALL_ADAPTERS,
    *,
    sort: Sort = "newest",
    after: str | None = None,
    limit: int = PAGE,
) -> AdapterPage:
    """A page of the adapters that meet a filter; each page costs the same, however far down the list it is.

    Raises:
        InputError: the sort or the place to go on from is none.
    """
    if sort not in _SORTS:
        raise InputError(f"adapters are sorted by {', '.join(_SORTS)}, got {sort!r}")
    column, down = _SORTS[sort]
    ties = () if column is _TABLE.seq else (_TABLE.digest,)  # no two adapters have the same seq
    keys = tuple(key.desc() if down else key for key in (column, *ties))
    beyond = _beyond(sort, after) if after else None
    # Each state is read in the order of its own index: all of them at once would be sorted first. What is few already
    # is looked up instead: along that order it would be sought among all the others.
    few = wanted.context is not None or wanted.among is not None
    states = wanted.states if len(wanted.states) > 1 and column in _OF_A_STATE and not few else (None,)
    parts = []
    for state in states:
        part = _where(reader, select(_TABLE.seq), replace(wanted, states=(state,)) if state else wanted)
        if column.nullable:
            part = part.where(column.is_not(None))
        if beyond is not None:
            part = part.where(beyond)
        parts.append(part.order_by(*keys).limit(limit + 1).subquery())
    # The search goes through a narrow index, and whole rows are read for one page only.
    page = or_(*(_TABLE.seq.in_(select(part.c.seq)) for part in parts))
    whole = select(index_adapters).where(page).order_by(*keys).limit(limit + 1)
    rows = reader.connection.execute(whole).mappings().all()
    more = len(rows) > limit
    shown = tuple(adapter_row(row) for row in rows[:limit])
    return AdapterPage(rows=shown, next=paging.token(rows[limit - 1][column.name], shown[-1].digest) if more else None)


def _beyond(sort: Sort, after: str) -> ColumnElement[bool]:
    column, down = _SORTS[sort]
    value, digest = paging.place(after)
    if isinstance(value, str) is not (column is _TABLE.name):
        raise InputError(f"`after` must come from a page with the same sort, got one for another than {sort}")
    further = column < value if down else column > value
    later = _TABLE.digest < digest if down else _TABLE.digest > digest
    return or_(further, and_(column == value, later))


def matching(reader: Reader, wanted: AdapterFilter, *, limit: int) -> tuple[int, ...]:
    """The numbers of the ``adapter:generated`` entries of the newest adapters that meet a filter.

    A search for words goes through all adapters: with these as ``AdapterFilter.among`` it does so once.
    """
    asked = _where(reader, select(_TABLE.seq), wanted).order_by(_TABLE.seq.desc()).limit(limit)
    return tuple(reader.connection.execute(asked).scalars())


def count_adapters(reader: Reader, wanted: AdapterFilter = ALL_ADAPTERS, *, limit: int = 10_000) -> int:
    """How many adapters meet a filter; counting stops at ``limit``."""
    some = _where(reader, select(_TABLE.seq), wanted).limit(limit).subquery()
    return int(reader.connection.execute(select(func.count()).select_from(some)).scalar_one())


def state_counts(reader: Reader) -> dict[str, int]:
    """state -> number of adapters in it."""
    asked = select(_TABLE.state, func.count()).group_by(_TABLE.state)
    return {row[0]: row[1] for row in reader.connection.execute(asked)}


def adapters_of_context(reader: Reader, context: str) -> tuple[AdapterRow, ...]:
    """All adapters built from a context, oldest first: what an erasure must retire or rebuild."""
    asked = _where(reader, select(index_adapters), AdapterFilter(context=context)).order_by(_TABLE.seq)
    return tuple(adapter_row(row) for row in reader.connection.execute(asked).mappings())


def contexts_of_adapter(reader: Reader, digest: str) -> tuple[str, ...]:
    """The contexts that an adapter was built from."""
    table = index_adapter_contexts.c
    asked = select(table.context).where(table.adapter == digest).order_by(table.seq, table.context)
    return tuple(reader.connection.execute(asked).scalars())


def descendants(reader: Reader, digest: str) -> tuple[AdapterRow, ...]:
    """The adapters that were made by extending this one, oldest first."""
    asked = select(index_adapters).where(_TABLE.parent == digest).order_by(_TABLE.seq)
    return tuple(adapter_row(row) for row in reader.connection.execute(asked).mappings())


def approved_norms(reader: Reader, base: str, *, besides: str, limit: int = 1_000) -> tuple[float, ...]:
    """Total norms of the newest other adapters of a base that are approved for any slot: what to compare with.

    Args:
        reader: the snapshot.
        base: digest of the base model.
        besides: digest of the adapter that is compared with them: it does not vouch for itself.
        limit: how many at most.
    """
    asked = select(_TABLE.norm_total).where(_TABLE.base == base, _TABLE.approvals > 0, _TABLE.digest != besides)
    return tuple(reader.connection.execute(asked.order_by(_TABLE.seq.desc()).limit(limit)).scalars())


def adapter_row(row: Mapping[Any, Any]) -> AdapterRow:
    """The record of a row."""
    fields = {name: row[name] for name in AdapterRow.__dataclass_fields__}
    return AdapterRow(**{**fields, "time": parse_time(row["time"]), "last_time": parse_time(row["last_time"])})


def _where(reader: Reader, asked: Select[Any], wanted: AdapterFilter) -> Select[Any]:
    place = func.strpos if reader.connection.dialect.name == "postgresql" else func.instr  # faster than LIKE
    for word in folded(wanted.text or "").split():
        known = place(_TABLE.search, word) > 0
        if _DIGEST.fullmatch(word):
            known = or_(known, and_(place(_TABLE.search, word[:SEARCHED]) > 0, _TABLE.digest.startswith(word)))
        asked = asked.where(known)
    if wanted.among is not None:
        asked = asked.where(_TABLE.seq.in_(wanted.among))
    if wanted.states:
        asked = asked.where(_TABLE.state.in_(wanted.states))
    if wanted.base:
        asked = asked.where(_TABLE.base == wanted.base)
    if wanted.context:
        built = select(index_adapter_contexts.c.seq).where(index_adapter_contexts.c.context == wanted.context)
        asked = asked.where(_TABLE.seq.in_(built))
    if wanted.actor:
        asked = asked.where(_TABLE.actor == wanted.actor)
    if wanted.serving is not None:
        asked = asked.where(_TABLE.serving > 0 if wanted.serving else _TABLE.serving == 0)
    if wanted.approved is not None:
        asked = asked.where(_TABLE.approvals > 0 if wanted.approved else _TABLE.approvals == 0)
    return asked
