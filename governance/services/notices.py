"""Notices to people: they leave through the outbox, with the entry that they are about."""

from collections.abc import Iterable

from adapters_core.ledger import outbox, people_queries
from adapters_core.ledger.records import Entry
from governance.services.acting import Act

TOPIC = "notice"


def notify(act: Act, entry: Entry, kind: str, people: Iterable[str]) -> None:
    """Tell people of an entry, except the one who made it."""
    told = sorted(set(people) - {act.actor.id})
    if told:
        payload = {"kind": kind, "subject": entry.subject.to_json(), "seq": entry.seq, "people": told}
        outbox.send(act.tx, topic=TOPIC, key=f"{kind}:{entry.seq}", payload=payload, seq=entry.seq)


def notify_roles(act: Act, entry: Entry, kind: str, roles: Iterable[str]) -> None:
    """Tell everybody who holds one of these roles."""
    holders = [row.person for role in roles for row in people_queries.people_with(act.tx, role)]
    notify(act, entry, kind, holders)
