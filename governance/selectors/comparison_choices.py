"""What can be compared: adapters to choose from, and the baselines of their evaluations."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from adapters_core.ledger import adapter_queries, context_queries
from adapters_core.ledger.adapter_queries import AdapterFilter, AdapterRow
from adapters_core.ledger.transactions import Reader
from governance.selectors.candidates import BASELINES
from governance.selectors.comparison_words import METHODS

_PAGE = 25
_SHORT = 12


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One adapter or baseline to choose."""

    key: str
    name: str
    chosen: bool
    row: AdapterRow | None = None
    """None for a baseline."""
    contexts: tuple[str, ...] = ()
    """Titles."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The page of a picker."""

    text: str
    adapters: tuple[Choice, ...]
    """Chosen ones first."""
    baselines: tuple[Choice, ...]
    next: str
    """What follows ``?`` in the address of the next page; empty on the last one."""


def choices(reader: Reader, *, text: str, chosen: Sequence[str], after: str | None) -> Choices:
    """Adapters whose name or digest holds a text, newest first.

    Raises:
        InputError: ``after`` is no place to go on from.
    """
    page = adapter_queries.find_adapters(reader, AdapterFilter(text=text or None), after=after, limit=_PAGE)
    kept = [key for key in chosen if key not in BASELINES]
    known = [row for key in kept if (row := _row(reader, key))]
    rows = {row.digest: row for row in (*known, *page.rows)}
    picked = {row.digest for row in known}
    asked = [("q", text), *(("c", key) for key in chosen), ("after", page.next or "")]
    return Choices(
        text=text,
        adapters=tuple(_choice(reader, row, chosen=row.digest in picked) for row in rows.values()),
        baselines=tuple(Choice(key=key, name=str(METHODS[key]), chosen=key in chosen) for key in BASELINES),
        next=urlencode(asked) if page.next else "",
    )


def _choice(reader: Reader, row: AdapterRow, *, chosen: bool) -> Choice:
    contexts = adapter_queries.contexts_of_adapter(reader, row.digest)
    titles = tuple(context_queries.context(reader, context).title for context in contexts)
    return Choice(key=row.digest[:_SHORT], name=row.name, chosen=chosen, row=row, contexts=titles)


def _row(reader: Reader, key: str) -> AdapterRow | None:
    if len(key) < _SHORT:
        return None
    found = adapter_queries.find_adapters(reader, AdapterFilter(text=key), limit=1).rows
    return found[0] if found and found[0].digest.startswith(key) else None
