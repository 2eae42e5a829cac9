"""One entry, to all that it changes in the indexes. The flow's rules are asked on the way, before any write."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from adapters_core.ledger.approval_tables import STATE_TABLES, index_deployments, index_requests
from adapters_core.ledger.flow import lifecycles
from adapters_core.ledger.index_tables import index_subjects
from adapters_core.ledger.projection import adapters, contexts, deployments, people, requests
from adapters_core.ledger.projection.changes import Changes
from adapters_core.ledger.records import Entry, Subject

_OF_KIND: Mapping[str, Callable[[Changes, Entry], str]] = {
    "adapter": adapters.project,
    "context": contexts.project,
    "deployment": deployments.project,
    "person": people.project_person,
    "policy": people.project_policy,
    "request": requests.project,
    "slot": deployments.project_slot,
}


def project(changes: Changes, entry: Entry) -> tuple[Subject, ...]:
    """Apply an entry; answers the subjects by which it is found: those that it names, and those that follow.

    A decision on a request is found by the adapter and the slot that the request was opened for.

    Raises:
        IllegalTransitionError: it cannot happen in the state that the entries before it have led to.
        EntryError: its data are not what the indexes need.
    """
    if not lifecycles.is_transition(entry.event):
        return _named(entry, ())
    kind, subject = entry.subject.kind, entry.subject.id
    if kind in STATE_TABLES:
        _OF_KIND[kind](changes, entry)
        return _named(entry, _related(changes, entry))
    before = changes.get(index_subjects, kind, subject)
    if special := _OF_KIND.get(kind):
        state = special(changes, entry)
    else:
        state = lifecycles.moved(kind, before["state"] if before else None, entry.event)
    first = before["first_seq"] if before else entry.seq
    row = {"kind": kind, "subject": subject, "state": state, "first_seq": first, "last_seq": entry.seq}
    changes.put(index_subjects, row)
    return _named(entry, ())


def _named(entry: Entry, related: Iterable[tuple[str, str | None]]) -> tuple[Subject, ...]:
    found_by = {Subject(kind=kind, id=named) for kind, named in related if named} | set(entry.refs)
    return tuple(sorted(found_by - {entry.subject}, key=lambda subject: (subject.kind, subject.id)))


def _related(changes: Changes, entry: Entry) -> Iterator[tuple[str, str | None]]:
    if entry.subject.kind == "request" and (row := changes.get(index_requests, entry.subject.id)):
        yield from (("adapter", row["adapter"]), ("slot", row["slot"]))
    elif entry.subject.kind == "deployment" and (row := changes.get(index_deployments, entry.subject.id)):
        yield from (("slot", row["slot"]), ("request", row["request"]))
        yield from (("adapter", row["adapter"]), ("adapter", row["previous"]))
    elif entry.event == "adapter:generated":
        yield ("adapter", entry.data["parent"])
        yield from (("context", item["id"]) for item in entry.data["contexts"])
