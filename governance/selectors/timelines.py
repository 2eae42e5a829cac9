"""Entries as a person reads them: what happened, who did it, when, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters_core.ledger.records import Entry
from governance.policy.words import EVENT_NAMES
from governance.selectors.histories import refused, why

_TONES: Mapping[str, str] = {
    "request:opened": "key",
    "request:approved": "good",
    "request:conditionally_approved": "good",
    "request:sent_back": "bad",
    "request:rejected": "bad",
    "request:withdrawn": "",
    "request:expired": "bad",
    "request:voided": "bad",
    "request:commented": "",
    "deployment:requested": "key",
    "deployment:succeeded": "good",
    "deployment:failed": "bad",
    "slot:created": "",
    "incident:raised": "bad",
    "incident:closed": "",
    "denied": "bad",
}


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One entry in words."""

    seq: int
    time: datetime
    event: str
    what: str
    tone: str
    """good, bad, key, or nothing."""
    who: str
    roles: tuple[str, ...]
    behalf: str | None
    """In whose name it was done."""
    meaning: str | None
    """Of the signature."""
    method: str | None
    """How the person proved who they are, where they signed."""
    why: str
    conditions: str
    required: str
    deployment: str | None


def happenings(entries: Iterable[Entry], names: Mapping[str, str]) -> tuple[Happening, ...]:
    """Entries that are known here, in the order given; ``names``: of people in whose name others acted."""
    return tuple(_happening(entry, names) for entry in entries if entry.event in _TONES)


def _happening(entry: Entry, names: Mapping[str, str]) -> Happening:
    data = entry.data
    signed = entry.actor.auth.method if "signature" in data and entry.actor.auth else None
    behalf = data.get("on_behalf_of")
    return Happening(
        seq=entry.seq,
        time=entry.time,
        event=entry.event,
        what=refused(entry) if entry.event == "denied" else str(EVENT_NAMES[entry.event]),
        tone=_TONES[entry.event],
        who=entry.actor.name,
        roles=entry.actor.roles,
        behalf=names.get(behalf, behalf) if behalf else None,
        meaning=data.get("meaning"),
        method=signed,
        why=why(entry),
        conditions=str(data.get("conditions") or ""),
        required=str(data.get("required") or ""),
        deployment=entry.subject.id if entry.subject.kind == "deployment" else None,
    )
