"""Rows that an entry reads and changes, gathered first and written at the end: a refused entry has written nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table

from adapters_core.ledger.statements import Key

Row = Mapping[str, Any]
Load = Callable[[Table, Key], Row | None]
"""Reads a row by its primary key, None if there is none."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What one entry does to the indexes."""

    load: Load
    before: dict[tuple[str, Key], Row | None] = field(default_factory=dict)
    after: dict[tuple[str, Key], Row | None] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    def get(self, table: Table, *key: Any) -> Row | None:  # noqa: ANN401  # keys are text or numbers
        """The row with this key, as it stands with the changes so far."""
        place = (table.name, key)
        if place not in self.after:
            self.tables[table.name] = table
            self.before[place] = self.after[place] = self.load(table, key)
        return self.after[place]

    def absent(self, table: Table, *key: Any) -> None:  # noqa: ANN401  # keys are text or numbers
        """Take it that there is no row with this key, since another row that would be there with it is not."""
        place = (table.name, key)
        if place not in self.after:
            self.tables[table.name] = table
            self.before[place] = self.after[place] = None

    def put(self, table: Table, row: Row) -> None:
        """Insert a row, or change the columns that it names."""
        key = tuple(row[column.name] for column in table.primary_key.columns)
        before = self.get(table, *key)
        self.after[(table.name, key)] = {**(before or {}), **row}

    def drop(self, table: Table, *key: Any) -> None:  # noqa: ANN401  # keys are text or numbers
        """Remove the row with this key."""
        self.get(table, *key)
        self.after[(table.name, key)] = None

    def made(self) -> list[tuple[Table, Key, Row | None, Row | None]]:
        """(table, key, row before, row after) for each row that differs, in the order in which they were touched."""
        return [
            (self.tables[place[0]], place[1], self.before[place], after)
            for place, after in self.after.items()
            if after != self.before[place]
        ]
