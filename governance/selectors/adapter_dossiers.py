"""Everything that is known of one adapter."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from adapters_core.ledger import adapter_queries, context_queries, people_queries, queries, slot_queries
from adapters_core.ledger.adapter_queries import AdapterRow
from adapters_core.ledger.context_queries import ContextFilter, ContextRow
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Entry
from adapters_core.ledger.request_queries import RequestFilter, RequestRow, find_requests
from adapters_core.ledger.transactions import Reader
from governance.policy.actions import Action
from governance.policy.actors import Actor
from governance.policy.gates import GateResult, check_gates, missing_suites
from governance.selectors import evaluation_texts
from governance.selectors.adapter_chunks import ChunkView, chunk_views
from governance.selectors.adapter_norms import NormReport, norm_report
from governance.selectors.context_reads import jobs_about
from governance.selectors.evaluation_texts import Told
from governance.selectors.histories import Event
from governance.selectors.histories import told as in_words
from governance.selectors.lapses import Lapse, lapse
from governance.selectors.offers import Offer, offers
from governance.selectors.request_pages import EvaluationView, evaluation_views
from governance.services import facts, placing, references
from governance.services.void_changed import LIVE

HISTORY = 100
_ACTIONS = (Action.EVALUATE, Action.EXTEND, Action.ERASE, Action.REQUEST, Action.RETIRE)


@dataclass(frozen=True, kw_only=True)
class PolicyView:
    """How the adapter stands with an approval policy now."""

    name: str
    version: int
    gates: tuple[GateResult, ...]
    missing: tuple[str, ...]
    """Evaluations that it demands and that were not made."""

    @property
    def passed(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing and all(result.passed for result in self.gates)


@dataclass(frozen=True, kw_only=True)
class ApprovalView:
    """For which slot the adapter is approved, and until when that may be used."""

    row: RequestRow
    until: datetime
    expired: bool


@dataclass(frozen=True, kw_only=True)
class MlflowRun:
    """Where MLflow shows the adapter."""

    run: str
    address: str | None
    """None where MLflow is a file on this machine, and has no pages."""


@dataclass(frozen=True, kw_only=True)
class AdapterDossier:
    """An adapter with everything that its page says."""

    row: AdapterRow
    generated: Entry
    contexts: tuple[ContextRow, ...]
    evaluations: tuple[EvaluationView, ...]
    told: Told | None
    chunks: tuple[ChunkView, ...]
    policies: tuple[PolicyView, ...]
    approvals: tuple[ApprovalView, ...]
    """One a slot: the latest."""
    norms: NormReport
    run: MlflowRun | None
    """None until a worker has told MLflow of it."""
    parent: AdapterRow | None
    children: tuple[AdapterRow, ...]
    siblings: tuple[AdapterRow, ...]
    """Other adapters of its first context, newest first."""
    slots: tuple[slot_queries.SlotRow, ...]
    """Of the same base."""
    serving: tuple[str, ...]
    bound: bool
    """Whether a request or an approval is bound to the evaluations that there are."""
    lapses: tuple[Lapse, ...]
    """Slots that serve it without an approval in force."""
    more_contexts: tuple[ContextRow, ...]
    """What it could be extended by."""
    jobs: tuple[Job, ...]
    events: tuple[Event, ...]
    offers: Mapping[str, Offer]

    @property
    def can_erase_chunks(self) -> bool:
        """Whether to offer it: something must be left."""
        return self.offers[Action.ERASE.value].suits and len(self.chunks) > 1

    @property
    def next(self) -> str:
        """What is to be decided next: a name for the page."""
        if self.jobs:
            return "wait"
        steps = {"generated": "evaluate", "requested": "review", "in_review": "review", "deployed": "serving"}
        steps |= {"approved": "deploy", "conditionally_approved": "deploy", "retired": "ended", "sent_back": "improve"}
        steps |= {"superseded": "deploy", "rolled_back": "deploy"}
        step = steps.get(self.row.state, "request")
        in_force = any(not one.expired for one in self.approvals)
        if step == "deploy":
            return step if in_force else "renew"
        return "deploy" if step == "request" and in_force else step


def dossier(reader: Reader, actor: Actor, digest: str, *, now: datetime) -> AdapterDossier:
    """An adapter's page.

    Raises:
        UnknownSubjectError: there is none.
    """
    known = facts.dossier(reader, digest)
    row = known.row
    told = _told(reader, known)
    all_slots = slot_queries.slots(reader)
    made_of = {context.context for context in known.contexts}
    return AdapterDossier(
        row=row,
        generated=known.generated,
        contexts=known.contexts,
        evaluations=evaluation_views(reader, digest, known.reports),
        told=told,
        chunks=chunk_views(reader, known, told),
        policies=_policies(reader, known),
        approvals=_approvals(reader, digest, now),
        norms=norm_report(reader, row, known.generated),
        run=_run(reader, digest),
        parent=adapter_queries.adapter(reader, row.parent) if row.parent else None,
        children=adapter_queries.descendants(reader, digest),
        siblings=_siblings(reader, known),
        slots=tuple(slot for slot in all_slots if slot.base == row.base),
        serving=tuple(slot.slot for slot in all_slots if slot.adapter == digest),
        bound=bool(find_requests(reader, RequestFilter(adapter=digest, states=LIVE), limit=1)),
        lapses=tuple(
            one for slot in all_slots if slot.adapter == digest and (one := lapse(reader, slot, now)) is not None
        ),
        more_contexts=tuple(
            one
            for one in context_queries.find_contexts(reader, ContextFilter(states=("active", "held")), limit=50)
            if one.context not in made_of
        ),
        jobs=jobs_about(reader, adapter=digest),
        events=in_words(
            queries.find_entries(reader, EntryFilter(about=references.adapter(digest)), limit=HISTORY)[::-1]
        ),
        offers=offers(actor, _ACTIONS, facts.adapter_facts(reader, digest), at=now),
    )


def norms(reader: Reader, digest: str) -> NormReport:
    """The norms alone.

    Raises:
        UnknownSubjectError: there is no such adapter.
    """
    row = adapter_queries.adapter(reader, digest)
    return norm_report(reader, row, queries.entry(reader, row.seq))


def _run(reader: Reader, digest: str) -> MlflowRun | None:
    """The latest one: MLflow may have been made anew."""
    tracked = [one for one in queries.history(reader, references.adapter(digest)) if one.event == "adapter:tracked"]
    if not tracked:
        return None
    run, experiment = tracked[-1].data["mlflow_run"], tracked[-1].data["experiment"]
    server = settings.MLFLOW_URL if settings.MLFLOW_URL.startswith(("http://", "https://")) else None
    return MlflowRun(run=run, address=f"{server.rstrip('/')}/#/experiments/{experiment}/runs/{run}" if server else None)


def _told(reader: Reader, known: facts.Dossier) -> Told | None:
    asked = [entry for entry in known.evaluations if entry.data["suite"] == "context"]
    contexts = [context.context for context in known.contexts]
    return evaluation_texts.told(reader, asked[-1], contexts) if asked else None


def _policies(reader: Reader, known: facts.Dossier) -> tuple[PolicyView, ...]:
    evidence = facts.evidence(reader, known)
    return tuple(
        PolicyView(
            name=policy.subject.id,
            version=policy.data["version"],
            gates=check_gates(policy.data, evidence),
            missing=missing_suites(policy.data, evidence),
        )
        for policy in people_queries.policies(reader)
    )


def _approvals(reader: Reader, digest: str, now: datetime) -> tuple[ApprovalView, ...]:
    latest: dict[str, ApprovalView] = {}
    for row in find_requests(reader, RequestFilter(adapter=digest, states=placing.APPROVED)):
        until = placing.approved_until(reader, row)
        if until and row.slot not in latest:
            latest[row.slot] = ApprovalView(row=row, until=until, expired=until <= now)
    return tuple(latest.values())


def _siblings(reader: Reader, known: facts.Dossier) -> tuple[AdapterRow, ...]:
    if not known.contexts:
        return ()
    found = adapter_queries.find_adapters(
        reader, adapter_queries.AdapterFilter(context=known.contexts[0].context), limit=6
    )
    return tuple(one for one in found.rows if one.digest != known.row.digest)[:5]
