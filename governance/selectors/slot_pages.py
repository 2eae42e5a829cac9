"""What slots serve, what may be put there, and what would change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger import adapter_queries, context_queries, queries, request_queries, slot_queries
from adapters_core.ledger.adapter_queries import AdapterFilter, AdapterRow
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.request_queries import RequestFilter, RequestRow
from adapters_core.ledger.slot_queries import DeploymentRow, SlotRow
from adapters_core.ledger.transactions import Reader
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.rules import Decision, can
from governance.selectors.lapses import Lapse, lapse
from governance.services import placing

BARE = "base"
"""How addresses name the bare base."""
SHOWN = 30


@dataclass(frozen=True, kw_only=True)
class SlotView:
    """A slot with what serves and what comes."""

    row: SlotRow
    current: DeploymentRow | None
    pending: DeploymentRow | None
    adapter: AdapterRow | None
    approval: RequestRow | None
    """By which what serves is approved for this slot now; else the one on which the current deployment rests."""
    expires: datetime | None
    """Until when it may be used for a deployment."""
    lapse: Lapse | None
    """Why no approval in force stands behind what serves; None where one does, or the bare base serves."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Something that a slot could serve, and whether this person may put it there now."""

    key: str
    """The digest, or ``base``."""
    adapter: AdapterRow | None
    approval: RequestRow | None
    last: DeploymentRow | None
    """When the slot served it last."""
    answer: Decision


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a deployment changes."""

    before: AdapterRow | None
    after: AdapterRow | None
    added: tuple[str, ...]
    """Titles of contexts that come."""
    removed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DeploymentView:
    """One deployment with its entries and what was read back."""

    row: DeploymentRow
    slot: SlotRow
    entries: tuple[Entry, ...]
    change: Change
    end: dict[str, Any]
    """What the worker recorded; empty while it is under way."""
    restore: float | None
    """Seconds from the request to its end."""


def slot_view(reader: Reader, row: SlotRow, at: datetime) -> SlotView:
    """What a slot serves at this moment."""
    current = slot_queries.deployment(reader, row.current) if row.current else None
    approval = placing.approval_for(reader, row.adapter, row.slot) if row.adapter else None
    if approval is None and current and current.request:
        approval = request_queries.request(reader, current.request)
    return SlotView(
        row=row,
        current=current,
        pending=slot_queries.deployment(reader, row.pending) if row.pending else None,
        adapter=adapter_queries.adapter(reader, row.adapter) if row.adapter else None,
        approval=approval,
        expires=placing.approved_until(reader, approval),
        lapse=lapse(reader, row, at),
    )


def way_back(reader: Reader, actor: Actor, slot: SlotRow, at: datetime) -> Candidate | None:
    """What a rollback puts back unless something else is chosen."""
    served = slot_queries.rollback_targets(reader, slot.slot, limit=1)
    if not served and not slot.adapter:
        return None
    return candidate(reader, actor, Action.ROLL_BACK, slot, served[0].adapter if served else None, at=at)


def candidates(reader: Reader, actor: Actor, action: Action, slot: SlotRow, at: datetime) -> tuple[Candidate, ...]:
    """What this action could put into a slot, each with the answer of the rules."""
    if action is Action.KILL_SWITCH:
        return (candidate(reader, actor, action, slot, None, at=at),)
    digests: list[str | None] = []
    if action is Action.DEPLOY:
        wanted = RequestFilter(slot=slot.slot, states=placing.APPROVED)
        digests = [row.adapter for row in request_queries.find_requests(reader, wanted, limit=SHOWN)]
    elif action is Action.ROLL_BACK:
        served = [row.adapter for row in slot_queries.rollback_targets(reader, slot.slot) if row.adapter]
        digests = [*served, *([None] if slot.adapter else [])]
    else:
        known = adapter_queries.find_adapters(reader, AdapterFilter(base=slot.base), limit=SHOWN)
        digests = [row.digest for row in known.rows if row.state != "retired"]
    return tuple(candidate(reader, actor, action, slot, digest, at=at) for digest in dict.fromkeys(digests))


def candidate(
    reader: Reader, actor: Actor, action: Action, slot: SlotRow, digest: str | None, *, at: datetime
) -> Candidate:
    """One of them; a fresh proof is taken for granted, since it is asked for last.

    Raises:
        UnknownSubjectError: there is no such adapter.
    """
    facts = placing.slot_facts(reader, slot, digest, slot.adapter)
    served = slot_queries.deployments_of(reader, digest) if digest else ()
    return Candidate(
        key=digest or BARE,
        adapter=adapter_queries.adapter(reader, digest) if digest else None,
        approval=placing.approval_for(reader, digest, slot.slot) if digest else None,
        last=next((row for row in served if row.slot == slot.slot and row.state == "succeeded"), None),
        answer=can(replace(actor, confirmed=at), action, facts, at=at),
    )


def change(reader: Reader, before: str | None, after: str | None) -> Change:
    """What the slot would serve instead."""
    stated = placing.difference(reader, before, after)
    return Change(
        before=adapter_queries.adapter(reader, before) if before else None,
        after=adapter_queries.adapter(reader, after) if after else None,
        added=_titles(reader, stated["contexts_added"]),
        removed=_titles(reader, stated["contexts_removed"]),
    )


def deployment_view(reader: Reader, identifier: str) -> DeploymentView:
    """One deployment.

    Raises:
        UnknownSubjectError: there is none of this id.
    """
    row = slot_queries.deployment(reader, identifier)
    entries = queries.history(reader, Subject(kind="deployment", id=identifier))
    ended = [entry for entry in entries if entry.event in {"deployment:succeeded", "deployment:failed"}]
    return DeploymentView(
        row=row,
        slot=slot_queries.slot(reader, row.slot),
        entries=entries,
        change=change(reader, row.previous, row.adapter),
        end=dict(ended[-1].data) if ended else {},
        restore=(row.finished_time - row.time).total_seconds() if row.finished_time else None,
    )


def known_bases(reader: Reader) -> tuple[tuple[str, str], ...]:
    """Base models of which the ledger knows: (digest, name)."""
    names = {slot.base: slot.base[:12] for slot in slot_queries.slots(reader)}
    names |= {row.base: row.base_name for row in adapter_queries.find_adapters(reader, limit=200).rows}
    return tuple(names.items())


def _titles(reader: Reader, contexts: Sequence[str]) -> tuple[str, ...]:
    found = []
    for context in contexts:
        try:
            found.append(context_queries.context(reader, context).title)
        except UnknownSubjectError:
            found.append(context)
    return tuple(found)
