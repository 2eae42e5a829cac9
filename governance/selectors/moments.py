"""What served in a slot at a moment, approved by whom, on what evidence."""

from dataclasses import dataclass
from datetime import datetime

from adapters_core.ledger import adapter_queries, queries, request_queries, slot_queries
from adapters_core.ledger.adapter_queries import AdapterRow
from adapters_core.ledger.records import Subject
from adapters_core.ledger.request_queries import RequestRow
from adapters_core.ledger.slot_queries import DeploymentRow, SlotRow
from adapters_core.ledger.transactions import Reader
from governance.selectors.request_pages import EvaluationView, evaluation_views
from governance.selectors.sheets import Signed, decision_sheet


@dataclass(frozen=True, kw_only=True)
class Served:
    """The answer."""

    slot: SlotRow
    moment: datetime
    existed: bool
    """Whether there was such a slot at that moment."""
    deployment: DeploymentRow | None
    """None: nothing had been deployed yet, so the bare base served."""
    adapter: AdapterRow | None
    """None for the bare base."""
    approval: RequestRow | None
    signed: tuple[Signed, ...]
    """Decisions up to that moment."""
    evaluations: tuple[EvaluationView, ...]
    """Those that the approval rests on."""


def served(reader: Reader, name: str, moment: datetime) -> Served:
    """What served in a slot at a moment.

    Raises:
        UnknownSubjectError: there is no such slot.
    """
    slot = slot_queries.slot(reader, name)
    row = slot_queries.served_at(reader, name, moment)
    approval = request_queries.request(reader, row.request) if row and row.request else None
    signed = decision_sheet(reader, approval.request).signed if approval else ()
    evaluations: tuple[EvaluationView, ...] = ()
    if approval:
        opened = queries.history(reader, Subject(kind="request", id=approval.request))[0]
        evaluations = evaluation_views(reader, approval.adapter, opened.data["evaluations"])
    return Served(
        slot=slot,
        moment=moment,
        existed=slot.time <= moment,
        deployment=row,
        adapter=adapter_queries.adapter(reader, row.adapter) if row and row.adapter else None,
        approval=approval,
        signed=tuple(one for one in signed if one.time <= moment),
        evaluations=evaluations,
    )
