"""The list of adapters."""

from dataclasses import dataclass, replace

from adapters_core.ledger import adapter_queries, context_queries, slot_queries
from adapters_core.ledger.adapter_queries import AdapterFilter, AdapterRow, Sort
from adapters_core.ledger.transactions import Reader

PAGE = 30
MOST = 10_000
FEW = 500


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base model that adapters are made for."""

    digest: str
    name: str


@dataclass(frozen=True, kw_only=True)
class AdapterList:
    """A page of the list."""

    rows: tuple[AdapterRow, ...]
    next: str | None
    count: int
    """How many meet the filter; counting stops at ``MOST``."""
    bases: tuple[Base, ...]
    context_title: str | None
    """Of the context that is filtered by."""

    @property
    def uncounted(self) -> bool:
        """Whether there are more than were counted."""
        return self.count >= MOST


def find(reader: Reader, wanted: AdapterFilter, *, sort: Sort, after: str | None) -> AdapterList:
    """A page of adapters.

    Raises:
        InputError: the place to go on from is none.
        UnknownSubjectError: the context that is filtered by is unknown.
    """
    if wanted.text:
        found = adapter_queries.matching(reader, wanted, limit=MOST)
        count = len(found)
        if count <= FEW:  # go through all names once, not twice
            wanted = replace(wanted, text=None, among=found)
    else:
        count = adapter_queries.count_adapters(reader, wanted, limit=MOST)
    page = adapter_queries.find_adapters(reader, wanted, sort=sort, after=after, limit=PAGE)
    return AdapterList(
        rows=page.rows,
        next=page.next,
        count=count,
        bases=_bases(reader, page.rows),
        context_title=context_queries.context(reader, wanted.context).title if wanted.context else None,
    )


def _bases(reader: Reader, rows: tuple[AdapterRow, ...]) -> tuple[Base, ...]:
    """Those of the slots and of what is shown."""
    names = {row.base: row.base_name for row in rows}
    for base in {slot.base for slot in slot_queries.slots(reader)} - set(names):
        known = adapter_queries.find_adapters(reader, AdapterFilter(base=base), limit=1).rows
        names[base] = known[0].base_name if known else base[:12]
    return tuple(Base(digest=digest, name=name) for digest, name in sorted(names.items(), key=lambda one: one[1]))
