"""All that the page of a request shows, read from one snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters_core.ledger import adapter_queries, context_queries, queries, slot_queries
from adapters_core.ledger.adapter_queries import AdapterRow
from adapters_core.ledger.context_queries import ContextRow
from adapters_core.ledger.flow.requests import ENDED, OPEN
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.request_queries import RequestRow
from adapters_core.ledger.slot_queries import SlotRow
from adapters_core.ledger.transactions import Reader
from governance.policy.gates import GateResult, recorded_gates
from governance.selectors.person_names import names_of
from governance.selectors.timelines import Happening, happenings
from governance.services import placing
from governance.services.deciding import DECIDED, Case, read_case


@dataclass(frozen=True, kw_only=True)
class StageView:
    """One stage of the approval."""

    number: int
    name: str
    role: str
    needed: int
    given: int
    place: str
    """done, now, failed, or nothing for what comes."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One measured value; ``value`` None where it was not measured."""

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationView:
    """One evaluation with its baselines."""

    seq: int
    time: datetime
    suite: str
    report: str
    recovery: Score
    retention: Score
    metrics: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Score, ...]], ...]
    """(method, its score for each metric)."""


@dataclass(frozen=True, kw_only=True)
class RequestView:
    """A request with everything a decision rests on."""

    case: Case
    row: RequestRow
    comment: str
    expires: datetime
    """By when it must be decided."""
    approved_until: datetime | None
    """Until when the approval may be used; None where there is none."""
    adapter: AdapterRow
    contexts: tuple[ContextRow, ...]
    slot: SlotRow
    stages: tuple[StageView, ...]
    gates: tuple[GateResult, ...] | None
    """As they stand while it is open, then as signed with the last decision; None where no entry holds them."""
    passed_over: tuple[str, ...]
    """Names of the gates that the last decision passed over under conditions."""
    decided: bool
    """Whether it ended by a decision."""
    evaluations: tuple[EvaluationView, ...]
    """That it is bound to."""
    timeline: tuple[Happening, ...]
    refused: tuple[Happening, ...]
    open: bool

    @property
    def failed(self) -> bool:
        """Whether a gate is known not to be reached."""
        return any(not result.passed for result in self.gates or ())


def request_view(reader: Reader, identifier: str, at: datetime) -> RequestView:
    """One request.

    Raises:
        UnknownSubjectError: there is none of this id.
    """
    case = read_case(reader, identifier, at)
    entries = queries.history_about(reader, Subject(kind="request", id=identifier))
    names = names_of(reader, [entry.data.get("on_behalf_of") for entry in entries])
    told = happenings(entries, names)
    signed = [entry for entry in entries if entry.event in DECIDED]
    open_now = case.row.state in OPEN
    ids = adapter_queries.contexts_of_adapter(reader, case.row.adapter)
    return RequestView(
        case=case,
        row=case.row,
        comment=case.opened.data["comment"],
        expires=case.facts.expires,
        approved_until=placing.approved_until(reader, case.row),
        adapter=adapter_queries.adapter(reader, case.row.adapter),
        contexts=tuple(context_queries.context(reader, one) for one in ids),
        slot=slot_queries.slot(reader, case.row.slot),
        stages=stage_views(case.row, entries),
        gates=case.gates if open_now else recorded_gates(signed[-1].data) if signed else None,
        passed_over=tuple(signed[-1].data.get("passed_over", ())) if signed and not open_now else (),
        decided=bool(signed) and not open_now,
        evaluations=evaluation_views(reader, case.row.adapter, case.opened.data["evaluations"]),
        timeline=tuple(one for one in told if one.event != "denied"),
        refused=tuple(one for one in told if one.event == "denied"),
        open=open_now,
    )


def stage_views(row: RequestRow, entries: Sequence[Entry]) -> tuple[StageView, ...]:
    """The stages of a request with how many approvals each has."""
    views = []
    for index, stage in enumerate(row.stages):
        given = sum(
            entry.event in {"request:approved", "request:conditionally_approved"} and entry.data["stage"] == index
            for entry in entries
        )
        place = "done" if index < row.stage else ""
        if index == row.stage:
            place = "failed" if row.state in ENDED else "now"
        views.append(
            StageView(
                number=index + 1,
                name=stage.name,
                role=stage.role or "",
                needed=stage.needed,
                given=given,
                place=place,
            )
        )
    return tuple(views)


def evaluation_views(reader: Reader, adapter: str, bound: Sequence[str]) -> tuple[EvaluationView, ...]:
    """The evaluations of an adapter that a request or approval rests on, the newest first."""
    history = queries.history(reader, Subject(kind="adapter", id=adapter))
    made = [entry for entry in history if entry.event == "adapter:evaluated"]
    return tuple(_evaluation(entry) for entry in made[::-1] if entry.data["report_digest"] in bound)


def _evaluation(entry: Entry) -> EvaluationView:
    data = entry.data
    scores: Mapping[str, Mapping[str, Any]] = data["scores"]
    metrics = tuple(dict.fromkeys(metric for method in scores.values() for metric in method))
    return EvaluationView(
        seq=entry.seq,
        time=entry.time,
        suite=data["suite"],
        report=data["report_digest"],
        recovery=score("recovery", data["recovery"]),
        retention=score("retention", data["retention"]),
        metrics=metrics,
        rows=tuple(
            (name, tuple(score(metric, values.get(metric)) for metric in metrics)) for name, values in scores.items()
        ),
    )


def score(metric: str, stated: object) -> Score:
    """A value as entries hold it: a number, {value, low, high, n}, or null."""
    if isinstance(stated, Mapping):
        value, low, high = (stated.get(name) for name in ("value", "low", "high"))
        return Score(metric=metric, value=value, low=low, high=high, count=stated.get("n"))
    return Score(metric=metric, value=float(stated) if isinstance(stated, int | float) else None)
