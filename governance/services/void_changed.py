"""An approval is bound to an adapter, its evaluations and a version of a policy: any change voids it, at once."""

from datetime import timedelta

from adapters_core.ledger import outbox, people_queries, request_queries, slot_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Actor, Entry
from adapters_core.ledger.request_queries import RequestFilter, RequestRow
from adapters_core.ledger.transactions import Writer
from governance.services import facts, placing, references
from governance.services.notices import TOPIC

LIVE = ("requested", "in_review", "approved", "conditionally_approved")
"""States of requests that a change voids."""
MOST = 10_000


def void_of_adapter(tx: Writer, adapter: str, *, actor: Actor, cause: str) -> tuple[Entry, ...]:
    """Void what was bound to an adapter as it was; answers the entries."""
    rows = request_queries.find_requests(tx, RequestFilter(adapter=adapter, states=LIVE), limit=MOST)
    changed = [row for row in rows if row.bound_digest != facts.bound_now(tx, adapter, row.policy)]
    return _void(tx, changed, actor=actor, cause=cause)


def void_of_policy(tx: Writer, policy: str, *, actor: Actor, cause: str) -> tuple[Entry, ...]:
    """Void what was bound to an earlier version of a policy; approvals that have run out are left as they are."""
    rows = request_queries.find_requests(tx, RequestFilter(states=LIVE), limit=MOST)
    current = people_queries.policy(tx, policy).data["version"]
    changed = [row for row in rows if row.policy == policy and row.policy_version != current and _stands(tx, row)]
    return _void(tx, changed, actor=actor, cause=cause)


def _stands(tx: Writer, row: RequestRow) -> bool:
    """Whether it is open, or its approval is still in force."""
    if row.state in facts.OPEN:
        return True
    days = people_queries.policy(tx, row.policy, row.policy_version).data["expires_days"]
    return facts.dossier(tx, row.adapter).row.state != "retired" and tx.now < row.last_time + timedelta(days=days)


def _void(tx: Writer, rows: list[RequestRow], *, actor: Actor, cause: str) -> tuple[Entry, ...]:
    found = []
    for row in rows:
        about = (references.adapter(row.adapter), references.slot(row.slot))
        subject = references.request(row.request)
        entry = append(tx, "request:voided", subject=subject, actor=actor, data={"cause": cause}, refs=about)
        payload = {"kind": "request_voided", "subject": subject.to_json(), "seq": entry.seq, "people": [row.actor]}
        outbox.send(tx, topic=TOPIC, key=f"request_voided:{entry.seq}", payload=payload, seq=entry.seq)
        _tell_who_operates(tx, row, entry)
        found.append(entry)
    return tuple(found)


def _tell_who_operates(tx: Writer, row: RequestRow, entry: Entry) -> None:
    """Where a slot goes on serving what no approval stands behind any more, administrators decide; who caused it too.

    Once: while another approval of it for this slot is still there, nothing is said.
    """
    if slot_queries.slot(tx, row.slot).adapter != row.adapter or row.state in facts.OPEN:
        return
    if placing.approval_for(tx, row.adapter, row.slot):
        return
    people = [one.person for one in people_queries.people_with(tx, "admin")]
    about = references.slot(row.slot).to_json()
    payload = {"kind": "approval_lapsed", "subject": about, "seq": entry.seq, "people": people}
    outbox.send(tx, topic=TOPIC, key=f"approval_lapsed:{entry.seq}", payload=payload, seq=entry.seq)
