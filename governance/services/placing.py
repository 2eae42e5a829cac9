"""What deploying, rolling back, the kill switch and break glass have in common: the slot's facts and the saga's start.

The entry says that a deployment was asked for. A worker loads, reads back and records whether it succeeded.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from adapters_core.ledger import adapter_queries, outbox, people_queries, queries, request_queries, slot_queries
from adapters_core.ledger.records import Entry
from adapters_core.ledger.request_queries import RequestFilter, RequestRow
from adapters_core.ledger.slot_queries import SlotRow
from adapters_core.ledger.transactions import Reader
from governance.policy.norms import place
from governance.policy.subjects import SlotFacts, TargetFacts
from governance.services import facts, references
from governance.services.acting import Act

TOPIC = "engine.deploy"
APPROVED = ("approved", "conditionally_approved")
REFUSED = ("rejected", "voided")
OUTLIER = 6.0
"""Robust standard deviations above the approved adapters from which break glass is refused."""


def approval_for(reader: Reader, adapter: str, slot: str) -> RequestRow | None:
    """The request by which an adapter is approved for a slot; the latest one, None without any."""
    found = request_queries.find_requests(reader, RequestFilter(adapter=adapter, slot=slot, states=APPROVED), limit=1)
    return found[0] if found else None


def refused_for(reader: Reader, adapter: str, slot: str) -> str | None:
    """The state of the newest request of an adapter for a slot, where that was rejected or voided; else None."""
    found = request_queries.find_requests(reader, RequestFilter(adapter=adapter, slot=slot), limit=1)
    return found[0].state if found and found[0].state in REFUSED else None


def approved_until(reader: Reader, request: RequestRow | None) -> datetime | None:
    """From when an approval holds no more, by the policy under which it was given; None for what is not approved."""
    if request is None or request.state not in APPROVED:
        return None
    policy = people_queries.policy(reader, request.policy, request.policy_version).data
    return request.last_time + timedelta(days=policy["expires_days"])


def target_facts(reader: Reader, adapter: str, slot: SlotRow) -> TargetFacts:
    """Of the adapter that a slot is to serve.

    Raises:
        UnknownSubjectError: there is no such adapter.
    """
    known = facts.dossier(reader, adapter)
    approval = approval_for(reader, adapter, slot.slot)
    distance = place(
        known.row.norm_total, adapter_queries.approved_norms(reader, known.row.base, besides=adapter)
    ).distance
    served = slot_queries.deployments_of(reader, adapter, limit=1000)
    return TargetFacts(
        involved=facts.involved(known),
        state=known.row.state,
        same_base=known.row.base == slot.base,
        approved_for_slot=approval is not None,
        refused_for_slot=refused_for(reader, adapter, slot.slot) is not None,
        approval_expires=approved_until(reader, approval),
        unchanged=approval is None or approval.bound_digest == facts.bound_now(reader, adapter, approval.policy),
        artifact_present=facts.files_present(known.generated),
        context_erased=any(context.state == "erased" for context in known.contexts),
        served_before=any(row.slot == slot.slot and row.state == "succeeded" for row in served),
        norm_outlier=distance is not None and distance > OUTLIER,
    )


def slot_facts(reader: Reader, slot: SlotRow, adapter: str | None, seen: str | None) -> SlotFacts:
    """Of a slot and what it is to serve.

    Raises:
        UnknownSubjectError: there is no such adapter.
    """
    return SlotFacts(
        current=slot.adapter,
        seen=seen,
        pending=slot.pending is not None,
        target_id=adapter,
        target=target_facts(reader, adapter, slot) if adapter else None,
    )


def difference(reader: Reader, before: str | None, after: str | None) -> dict[str, Any]:
    """What changes in a slot: contexts that come and go, sizes and scores before and after."""
    old, new = _summary(reader, before), _summary(reader, after)
    return {
        "before": old,
        "after": new,
        "contexts_added": sorted(set(new["contexts"]) - set(old["contexts"])),
        "contexts_removed": sorted(set(old["contexts"]) - set(new["contexts"])),
    }


def _summary(reader: Reader, adapter: str | None) -> dict[str, Any]:
    if adapter is None:
        return {"adapter": None, "name": None, "contexts": [], "norm": 0.0, "recovery": None, "retention": None}
    row = adapter_queries.adapter(reader, adapter)
    return {
        "adapter": adapter,
        "name": row.name,
        "contexts": list(adapter_queries.contexts_of_adapter(reader, adapter)),
        "norm": row.norm_total,
        "recovery": row.recovery,
        "retention": row.retention,
    }


def start(act: Act, slot: SlotRow, kind: str, adapter: str | None, *, reason: str, request: str | None = None) -> Entry:
    """Append the entry and hand the work to the worker; answers the entry, whose subject is the deployment."""
    identifier = str(uuid4())
    entry = act.append(
        "deployment:requested",
        {
            "slot": slot.slot,
            "adapter": adapter,
            "previous": slot.adapter,
            "kind": kind,
            "request": request,
            "reason": reason.strip(),
            "diff": difference(act.tx, slot.adapter, adapter),
        },
        subject=references.deployment(identifier),
        refs=(references.slot(slot.slot),),
    )
    payload = {"deployment": identifier, "slot": slot.slot, "adapter": adapter, "previous": slot.adapter, "kind": kind}
    outbox.send(act.tx, topic=TOPIC, key=identifier, payload=payload, lane=f"slot:{slot.slot}", seq=entry.seq)
    return entry


def stop_pending(act: Act, slot: SlotRow, why: str) -> None:
    """End a deployment that is under way: the worker finds its end in the ledger and unloads what it loaded."""
    if slot.pending:
        pending = references.deployment(slot.pending)
        act.append("deployment:failed", {"error": why}, subject=pending, refs=(references.slot(slot.slot),))


def opened_by(reader: Reader, deployment: str) -> Entry:
    """The entry that asked for a deployment."""
    return queries.history(reader, references.deployment(deployment))[0]
