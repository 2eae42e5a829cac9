"""Requests that nobody decided on in time, or whose ground has changed, are closed before anybody looks at them."""

from datetime import datetime, timedelta

from adapters_core.ledger import people_queries, request_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.request_queries import RequestRow
from adapters_core.ledger.transactions import Reader
from governance.policy.system_words import written
from governance.services import facts, references
from governance.worker.workplace import SYSTEM, Workplace

AT_ONCE = 200


def sweep(at: Workplace) -> int:
    """Close what has run out or changed among the oldest open requests; answers how many were closed."""
    with at.ledger.read() as db:
        now, waiting = at.ledger.clock(), request_queries.waiting_requests(db, limit=AT_ONCE)
        ended = [row.request for row in waiting if _end(db, row, now)]
    for request in ended:
        with at.ledger.write() as tx:
            row = request_queries.request(tx, request)
            event = _end(tx, row, tx.now) if row.state in facts.OPEN else None
            if event:
                data = {"cause": written("changed_since")} if event == "request:voided" else {}
                append(tx, event, subject=references.request(request), actor=SYSTEM, data=data)
    return len(ended)


def _end(reader: Reader, row: RequestRow, now: datetime) -> str | None:
    """The event by which an open request is to be closed; None while it may wait."""
    days = people_queries.policy(reader, row.policy, row.policy_version).data["expires_days"]
    if now >= row.time + timedelta(days=days):
        return "request:expired"
    return "request:voided" if row.bound_digest != facts.bound_now(reader, row.adapter, row.policy) else None
