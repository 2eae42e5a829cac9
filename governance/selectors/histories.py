"""Entries about contexts and adapters as a person reads them: what happened, who, when, why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from adapters_core.ledger.records import Entry
from governance.policy.reasons import REASONS
from governance.policy.system_words import spoken
from governance.policy.words import ACTION_NAMES, EVENT_NAMES

_TONES: Mapping[str, str] = {
    **dict.fromkeys(("context:submitted", "adapter:generated", "adapter:evaluated", "request:opened"), "key"),
    **dict.fromkeys(("request:approved", "request:conditionally_approved", "deployment:succeeded"), "good"),
    **dict.fromkeys(("request:sent_back", "request:rejected", "request:voided", "request:expired"), "bad"),
    **dict.fromkeys(
        ("context:erased", "adapter:retired", "deployment:failed", "drift:found", "incident:raised"), "bad"
    ),
}
_WHY = ("comment", "reason", "cause", "error", "legal_basis")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One entry in words."""

    seq: int
    time: datetime
    what: str
    tone: str
    """good, bad, key, or nothing."""
    who: str
    why: str


def told(entries: Iterable[Entry]) -> tuple[Event, ...]:
    """Entries in words, in the order given."""
    return tuple(_told(entry) for entry in entries)


def _told(entry: Entry) -> Event:
    what, tone = str(EVENT_NAMES.get(entry.event, entry.event)), _TONES.get(entry.event, "")
    if entry.event == "denied":
        what, tone = refused(entry), "bad"
    return Event(seq=entry.seq, time=entry.time, what=what, tone=tone, who=entry.actor.name, why=why(entry))


def refused(entry: Entry) -> str:
    """What was refused, of an entry that says so."""
    action = entry.data["action"]
    return _("Refused: %(action)s") % {"action": ACTION_NAMES.get(action, action)}


def why(entry: Entry) -> str:
    """The reason that an entry gives, in the reader's language where the system wrote it; empty where it has none."""
    if entry.event == "denied":
        code = entry.data["reason_code"]
        return str(REASONS.get(code, entry.data["detail"]))
    return next((spoken(name, str(entry.data[name])) for name in _WHY if entry.data.get(name)), "")
