"""Delegations as lists show them."""

from dataclasses import dataclass
from datetime import datetime

from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.records import parse_time
from adapters_core.ledger.transactions import Reader
from governance.selectors.person_names import name_of


@dataclass(frozen=True, kw_only=True)
class DelegationView:
    """One delegation that was not ended."""

    id: str
    seq: int
    principal: str
    principal_name: str
    deputy: str
    deputy_name: str
    since: datetime
    until: datetime
    reason: str
    over: bool
    """Whether it has run out."""


def delegations(reader: Reader, at: datetime) -> tuple[DelegationView, ...]:
    """All that were not ended, the newest first."""
    found = []
    for row in people_queries.subjects(reader, "delegation", states=("active",), limit=200):
        entry = queries.entry(reader, row.first_seq)
        until = parse_time(entry.data["until"])
        found.append(
            DelegationView(
                id=row.id,
                seq=entry.seq,
                principal=entry.data["from"],
                principal_name=entry.actor.name,
                deputy=entry.data["to"],
                deputy_name=name_of(reader, entry.data["to"]),
                since=entry.time,
                until=until,
                reason=entry.data["reason"],
                over=at >= until,
            )
        )
    return tuple(found)
