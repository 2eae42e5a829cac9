"""What a process noted for the others: a name and a text. Work, no evidence: it may be wrong for a while."""

from sqlalchemy import delete, insert, select

from adapters_core.ledger.records import time_text
from adapters_core.ledger.transactions import Reader, Writer
from adapters_core.ledger.work_tables import marks

CORE_GENERATOR = "core.generator"
"""Digest of the generator that the core has loaded, as a worker saw it last."""


def note(writer: Writer, name: str, detail: str) -> None:
    """Note something in place of what was noted under this name before."""
    writer.connection.execute(delete(marks).where(marks.c.name == name))
    writer.connection.execute(insert(marks).values(name=name, size=0, time=time_text(writer.now), detail=detail))


def noted(reader: Reader, name: str) -> str | None:
    """What was noted under a name; None where nothing was."""
    detail: str | None = reader.connection.execute(select(marks.c.detail).where(marks.c.name == name)).scalar()
    return detail
