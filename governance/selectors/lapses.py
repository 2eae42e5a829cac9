"""Slots that serve what no approval in force stands behind: somebody decides whether it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from adapters_core.ledger import adapter_queries, request_queries, slot_queries
from adapters_core.ledger.request_queries import RequestRow
from adapters_core.ledger.slot_queries import SlotRow
from adapters_core.ledger.transactions import Reader
from governance.services import facts, placing

_WORDS: Mapping[str, Promise] = {
    "retired": _("The adapter was retired."),
    "emergency": _("It was loaded in an emergency, without an approval."),
    "rejected": _("A later request for this slot was rejected."),
    "voided": _("Its approval for this slot was voided."),
    "expired": _("Its approval for this slot has run out."),
    "changed": _("The adapter, its evaluations or the policy have changed since it was approved."),
}
"""Why no approval stands behind what serves -> what pages say."""


@dataclass(frozen=True, kw_only=True)
class Lapse:
    """A slot that serves an adapter without an approval in force."""

    slot: SlotRow
    adapter: str
    why: str
    """One of ``retired``, ``emergency``, ``rejected``, ``voided``, ``expired`` and ``changed``."""
    request: RequestRow | None
    """By which it was approved last; None where it never was."""

    @property
    def words(self) -> str:
        """What happened, in the language of the page."""
        return str(_WORDS[self.why])


def lapses(reader: Reader, at: datetime) -> tuple[Lapse, ...]:
    """All slots of which this holds at a moment, by name."""
    found = (lapse(reader, row, at) for row in slot_queries.slots(reader))
    return tuple(one for one in found if one)


def lapse(reader: Reader, slot: SlotRow, at: datetime) -> Lapse | None:
    """Of one slot; None where an approval for it is in force, or the bare base serves."""
    if slot.adapter is None:
        return None
    request = placing.approval_for(reader, slot.adapter, slot.slot) or _rested_on(reader, slot)
    why = _why(reader, slot.adapter, slot.slot, request, at)
    return Lapse(slot=slot, adapter=slot.adapter, why=why, request=request) if why else None


def _rested_on(reader: Reader, slot: SlotRow) -> RequestRow | None:
    current = slot_queries.deployment(reader, slot.current) if slot.current else None
    return request_queries.request(reader, current.request) if current and current.request else None


def _why(reader: Reader, adapter: str, slot: str, request: RequestRow | None, at: datetime) -> str | None:
    if adapter_queries.adapter(reader, adapter).state == "retired":
        return "retired"
    if request is None:
        return "emergency"
    if refused := placing.refused_for(reader, adapter, slot):
        return refused
    until = placing.approved_until(reader, request)
    if until is None:
        return request.state
    if until <= at:
        return "expired"
    return None if request.bound_digest == facts.bound_now(reader, adapter, request.policy) else "changed"
