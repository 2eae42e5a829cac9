"""Context entries, to the rows by which contexts are found."""

from adapters_core.ledger.flow import lifecycles
from adapters_core.ledger.index_tables import index_contexts
from adapters_core.ledger.projection.changes import Changes, Row
from adapters_core.ledger.projection.fields import folded, optional_name, text, whole
from adapters_core.ledger.records import Entry, time_text


def project(changes: Changes, entry: Entry) -> str:
    """Apply an entry about a context; answers the context's state."""
    row = changes.get(index_contexts, entry.subject.id)
    state = lifecycles.moved("context", row["state"] if row else None, entry.event)
    held = {"context": entry.subject.id, "state": state}
    changes.put(index_contexts, {**_row(entry), **held} if row is None else held)
    return state


def _row(entry: Entry) -> Row:
    title = text(entry.data, "title")
    return {
        "seq": entry.seq,
        "time": time_text(entry.time),
        "title": title,
        "search": folded(title, entry.subject.id),
        "characters": whole(entry.data, "characters"),
        "bytes": whole(entry.data, "bytes"),
        "language": optional_name(entry.data, "language"),
        "retention_until": optional_name(entry.data, "retention_until"),
        "actor": entry.actor.id,
        "actor_name": entry.actor.name,
    }
