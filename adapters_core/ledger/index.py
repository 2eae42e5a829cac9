"""Writing the search indexes of one entry."""

from sqlalchemy import insert

from adapters_core.ledger.index_tables import index_entries, index_refs
from adapters_core.ledger.records import Entry, time_text
from adapters_core.ledger.transactions import Writer


def index_entry(writer: Writer, entry: Entry) -> None:
    """Write the rows by which an entry is found."""
    writer.connection.execute(
        insert(index_entries).values(
            seq=entry.seq,
            time=time_text(entry.time),
            event=entry.event,
            kind=entry.subject.kind,
            subject=entry.subject.id,
            actor=entry.actor.id,
        )
    )
    if refs := {(ref.kind, ref.id) for ref in entry.refs}:
        rows = [{"kind": kind, "ref": ref, "seq": entry.seq} for kind, ref in sorted(refs)]
        writer.connection.execute(insert(index_refs), rows)
