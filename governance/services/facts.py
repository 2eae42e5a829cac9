"""What the rules are told: facts of contexts and adapters, read in the transaction that acts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from adapters_core.canonical import digest_of
from adapters_core.ledger import adapter_queries, context_queries, marks, people_queries, queries, request_queries
from adapters_core.ledger.adapter_queries import AdapterRow
from adapters_core.ledger.records import Entry
from adapters_core.ledger.request_queries import RequestFilter
from adapters_core.ledger.slot_queries import pending_deployments, slots
from adapters_core.ledger.transactions import Reader
from adapters_core.versions import code_version
from governance.installation import artifact_path
from governance.policy.gates import Evidence
from governance.policy.norms import place
from governance.policy.subjects import AdapterFacts, ContextFacts
from governance.services import references

OPEN = ("requested", "in_review")


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """An adapter with what was recorded of it."""

    row: AdapterRow
    generated: Entry
    evaluations: tuple[Entry, ...]
    contexts: tuple[context_queries.ContextRow, ...]
    makers: frozenset[str] = frozenset()
    """Who generated it or what it continues, or submitted a context of it; with those who answer for their tokens."""

    @property
    def reports(self) -> list[str]:
        """Digests of its evaluation reports, in order."""
        return [evaluation.data["report_digest"] for evaluation in self.evaluations]


def context_facts(reader: Reader, identifier: str) -> ContextFacts:
    """Of a context.

    Raises:
        UnknownSubjectError: there is none.
    """
    row = context_queries.context(reader, identifier)
    return ContextFacts(owner=row.actor, erased=row.state == "erased", held=row.state == "held")


def dossier(reader: Reader, digest: str) -> Dossier:
    """An adapter's record.

    Raises:
        UnknownSubjectError: there is none.
    """
    row = adapter_queries.adapter(reader, digest)
    history = queries.history(reader, references.adapter(digest))
    contexts = tuple(
        context_queries.context(reader, context) for context in adapter_queries.contexts_of_adapter(reader, digest)
    )
    return Dossier(
        row=row,
        generated=history[0],
        evaluations=tuple(entry for entry in history if entry.event == "adapter:evaluated"),
        contexts=contexts,
        makers=_makers(reader, row, contexts),
    )


def _makers(reader: Reader, row: AdapterRow, contexts: tuple[context_queries.ContextRow, ...]) -> frozenset[str]:
    found = {row.actor, *(context.actor for context in contexts)}
    while row.parent:
        row = adapter_queries.adapter(reader, row.parent)
        found.add(row.actor)
    issued = [queries.history(reader, references.token(actor)) for actor in sorted(found)]
    holders = {str(entries[0].data.get("holder") or entries[0].actor.id) for entries in issued if entries}
    return frozenset(found | holders)


def adapter_facts(reader: Reader, digest: str, policy: Mapping[str, Any] | None = None) -> AdapterFacts:
    """Of an adapter; with a policy, also which of its evaluations are missing."""
    known = dossier(reader, digest)
    suites = {evaluation.data["suite"] for evaluation in known.evaluations}
    required = policy["required_suites"] if policy else ()
    open_requests = request_queries.find_requests(reader, RequestFilter(adapter=digest, states=OPEN), limit=1)
    serving = {row.slot for row in slots(reader) if row.adapter == digest}
    coming = {row.slot for row in pending_deployments(reader) if row.adapter == digest}
    return AdapterFacts(
        generated_by=known.row.actor,
        state=known.row.state,
        context_erased=any(context.state == "erased" for context in known.contexts),
        serving_in=tuple(sorted(serving | coming)),
        open_request=bool(open_requests),
        missing_suites=tuple(suite for suite in required if suite not in suites),
    )


def evidence(
    reader: Reader, known: Dossier, *, newest: Mapping[str, Any] | None = None, only: Collection[str] | None = None
) -> Evidence:
    """What the gates of a policy are asked about.

    Args:
        reader: the snapshot or transaction.
        known: the adapter.
        newest: an evaluation that is about to be recorded.
        only: digests of the reports that count; all unless given.
    """
    made = [one.data for one in known.evaluations if only is None or one.data["report_digest"] in only]
    approved = adapter_queries.approved_norms(reader, known.row.base, besides=known.row.digest)
    submitted = queries.entries_at(reader, [context.seq for context in known.contexts])
    return Evidence(
        evaluations=[*made, *([newest] if newest else [])],
        norms=place(known.row.norm_total, approved),
        personal_data=sum(sum(entry.data["scan"]["found"].values()) for entry in submitted),
    )


def involved(known: Dossier) -> frozenset[str]:
    """Who took part in making the adapter, in person or by a token they answer for: they never decide on it."""
    return known.makers


def bound_digest(digest: str, reports: list[str], policy: str, version: int) -> str:
    """What an approval is bound to: change any of it, and the approval is void."""
    return digest_of({"adapter": digest, "evaluations": reports, "policy": {"name": policy, "version": version}})


def bound_now(reader: Reader, digest: str, policy: str) -> str:
    """What an approval under this policy would be bound to at this moment."""
    version = people_queries.policy(reader, policy).data["version"]
    return bound_digest(digest, dossier(reader, digest).reports, policy, version)


def maker(reader: Reader) -> dict[str, str | None]:
    """What makes adapters now: the core's generator, as a worker saw it last, and this code. It names their jobs."""
    return {"generator": marks.noted(reader, marks.CORE_GENERATOR), "code": code_version()}


def files_present(generated: Entry) -> bool:
    """Whether every file of an adapter lies in this installation; the bytes are checked before loading."""
    files = generated.data["artifact"]["files"]
    return bool(files) and all(artifact_path(sha256).is_file() for sha256 in files.values())
