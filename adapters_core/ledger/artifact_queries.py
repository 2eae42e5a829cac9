"""Which adapters need a stored file: what may be removed when one of them goes."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, select

from adapters_core.ledger.index_tables import index_entries
from adapters_core.ledger.queries import history
from adapters_core.ledger.records import Subject
from adapters_core.ledger.tables import entries
from adapters_core.ledger.transactions import Reader

BATCH = 500
DELETED = "adapter:artifact_deleted"
_NAMING = ("adapter:generated", "adapter:evaluated")


def needed_by(
    reader: Reader, digests: Collection[str], *, besides: str | None = None, since: int = 0
) -> dict[str, str]:
    """SHA-256 -> the newest adapter that has such a file, or a report with it on it; left out where no entry needs it.

    An adapter whose files were deleted needs them no more; the reports on it stay. Where nobody names a file all
    entries about adapters are read, some seconds for 100,000 of them: do it before taking the write lock, and look
    under the lock at what came ``since``.

    Args:
        reader: the snapshot.
        digests: of the files.
        besides: an adapter whose files do not count.
        since: only entries from this one on.
    """
    place = index_entries.c
    gone = select(place.subject).where(place.event == DELETED)
    found: dict[str, str] = {}
    for event in _NAMING:
        asked = select(place.subject, entries.c.body).join(entries, entries.c.seq == place.seq)
        asked = asked.where(place.event == event, place.seq >= since).order_by(place.seq.desc())
        if event == "adapter:generated":
            asked = asked.where(place.subject.not_in(gone), place.subject != (besides or ""))
        if wanted := set(digests) - found.keys():
            found |= _named(reader, asked, wanted)
    return found


def is_deleted(reader: Reader, adapter: str) -> bool:
    """Whether an adapter's files were deleted with an entry."""
    return any(entry.event == DELETED for entry in history(reader, Subject(kind="adapter", id=adapter)))


def _named(reader: Reader, asked: Select[Any], wanted: set[str]) -> dict[str, str]:
    """Looked for here: databases take four times as long to find a word in a long text."""
    found: dict[str, str] = {}
    with reader.connection.execute(asked, execution_options={"yield_per": BATCH}) as rows:
        for subject, body in rows:
            found |= {digest: subject for digest in wanted - found.keys() if digest in body}
            if len(found) == len(wanted):
                break
    return found
