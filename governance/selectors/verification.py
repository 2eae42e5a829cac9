"""Verifying the ledger on request: which levels, what they found, and what a finding means in plain words."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from adapters_core.errors import RingiError
from adapters_core.ledger import adapter_queries, queries
from adapters_core.ledger.signing import VerifyingKey, load_public
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.verification.artifacts import verify_artifacts
from adapters_core.ledger.verification.findings import Finding, Report
from adapters_core.ledger.verification.serving import Loaded, Observed, verify_serving
from adapters_core.ledger.verification.verify import Progress, verified_size, verify
from governance.installation import installation, key_path

_SETTLED_SECONDS = 3600.0
"""A file that was written longer ago has its entry, or will have none."""
FILE_IN_ENTRIES = 100
"""Entries that are verified in the time in which an adapter's files are."""
LEVELS: dict[str, Promise] = {
    "V0": _("Every entry against its hash, and every link of the chain"),
    "V1": _("Signatures of the checkpoints, and what they sign"),
    "V3": _("The files of adapters and reports against their digests"),
    "V4": _("What the engines serve against what the ledger says"),
    "guards": _("The guards in the database that refuse changes"),
    "indexes": _("The search indexes against the entries"),
}
MEANINGS: dict[str, Promise] = {
    "changed_body": _("The text of an entry was changed after it had been recorded."),
    "changed_hash": _("The stored hash of an entry was changed."),
    "changed_nodes": _("The stored hashes of the tree were changed at an entry."),
    "changed_place": _("An entry stands in another place than it says."),
    "not_canonical": _("An entry is not written in the canonical form in which it was hashed."),
    "removed_entry": _("Entries were taken out of the ledger."),
    "inserted_entry": _("An entry was added between others."),
    "reordered_entry": _("Entries were put into another order."),
    "rechained_tail": _("Everything from some place on was made anew: a signed checkpoint says otherwise."),
    "truncated": _("The ledger ends before a signed checkpoint does: the end was cut off."),
    "replaced_checkpoint": _("A checkpoint was replaced, or was not signed with our key."),
    "removed_checkpoint": _("A checkpoint was taken out."),
    "anchor_contradicted": _("The ledger contradicts a checkpoint that was kept elsewhere."),
    "unproved_entry": _("An entry is not what was signed."),
    "illegal_entry": _("An entry tells something that could not happen."),
    "missing_guard": _("A guard of the database is missing, switched off or reads otherwise."),
    "index_differs": _("A search index says otherwise than the entries: rebuild it."),
    "changed_artifact": _("A stored file is not what was recorded."),
    "missing_artifact": _("A stored file is missing."),
    "unknown_artifact": _("A stored file is recorded nowhere, or should have been deleted: remove it."),
    "not_served": _("A slot does not serve what the ledger says, or its engine gives no answer."),
    "served_otherwise": _("A slot serves something else than the ledger says."),
    "served_unknown": _("Something is served that the ledger does not know."),
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to verify."""

    full: bool = True
    """From the first entry on; otherwise from the last verified checkpoint on."""
    artifacts: bool = False
    serving: bool = False
    anchors: tuple[Mapping[str, Any], ...] = ()
    """Envelopes of checkpoints that were kept elsewhere."""

    def to_json(self) -> dict[str, Any]:
        """As a job states it."""
        return {
            "full": self.full,
            "artifacts": self.artifacts,
            "serving": self.serving,
            "anchors": [dict(one) for one in self.anchors],
        }


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What verifying found."""

    report: Report
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """As programs read it."""
        report = self.report
        return {
            "ok": report.ok,
            "levels": list(report.levels),
            "since": report.since,
            "size": report.size,
            "root_hash": report.root_hash,
            "checkpoint": report.checkpoint,
            "seconds": round(self.seconds, 3),
            "findings": [{**asdict(finding), "meaning": str(meaning)} for finding, meaning in self.findings],
        }

    @property
    def levels(self) -> tuple[tuple[str, Promise, int], ...]:
        """(level, what was checked, how many findings)."""
        counts = {level: sum(one.level == level for one in self.report.findings) for level in self.report.levels}
        return tuple((level, LEVELS[level], count) for level, count in counts.items())

    @property
    def findings(self) -> tuple[tuple[Finding, Promise], ...]:
        """Each finding with what it means."""
        return tuple((finding, MEANINGS[finding.code]) for finding in self.report.findings)


def outcome_from(stated: Mapping[str, Any]) -> Outcome:
    """The outcome that :meth:`Outcome.to_json` stated."""
    names = [field.name for field in fields(Finding)]
    report = Report(
        levels=tuple(stated["levels"]),
        since=stated["since"],
        size=stated["size"],
        root_hash=stated["root_hash"],
        checkpoint=stated["checkpoint"],
        findings=tuple(Finding(**{name: one[name] for name in names}) for one in stated["findings"]),
    )
    return Outcome(report=report, seconds=stated["seconds"])


def takes_long(reader: Reader, wanted: Wanted) -> bool:
    """Whether it takes longer than anybody waits for a page: a worker does it then, as a job."""
    entries = queries.size(reader) - (0 if wanted.full else verified_size(reader))
    few = settings.VERIFY_AT_ONCE // FILE_IN_ENTRIES
    many = wanted.artifacts and adapter_queries.count_adapters(reader, limit=few + 1) > few
    return many or entries > settings.VERIFY_AT_ONCE


def public_keys() -> tuple[VerifyingKey, ...]:
    """The keys that may have signed: from their file, never from the database that is verified.

    Raises:
        StorageError: the file cannot be read.
        IntegrityError: it holds no public key.
    """
    return (load_public(key_path("ledger.key.pub")),)


def run(reader: Reader, wanted: Wanted, progress: Progress = lambda _done, _total: None) -> Outcome:
    """Verify. Finds; never raises for what it finds. Raises as :func:`public_keys`."""
    began = time.monotonic()
    since = 0 if wanted.full else verified_size(reader)
    report = verify(reader, public_keys(), since=since, anchors=wanted.anchors, progress=progress)
    if wanted.artifacts:
        more = verify_artifacts(reader, settings.VAR / "artifacts", settled=time.time() - _SETTLED_SECONDS)
        report = replace(report, levels=(*report.levels, "V3"), findings=(*report.findings, *more))
    if wanted.serving:
        served = verify_serving(reader, observed())
        report = replace(report, levels=(*report.levels, "V4"), findings=(*report.findings, *served))
    return Outcome(report=report, seconds=time.monotonic() - began)


def observed() -> Sequence[Observed]:
    """What the engines of this installation say that they have; an engine that gives no answer is left out."""
    found = []
    for name, engine in installation().engines.all.items():
        try:
            residents = engine.residents()
        except RingiError:
            continue
        loaded = tuple(Loaded(name=one.name, adapter=one.digest) for one in residents if one.parent is not None)
        found.append(Observed(engine=name, loaded=loaded))
    return found
