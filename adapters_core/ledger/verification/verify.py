"""Verifying a ledger in its database: chain, checkpoints, guards, indexes; wholly, or from a verified checkpoint on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import delete, insert, select

from adapters_core.errors import IntegrityError
from adapters_core.ledger import queries
from adapters_core.ledger.chain import GENESIS, Frontier
from adapters_core.ledger.checkpoints import stored_frontier
from adapters_core.ledger.records import entry_of, parse_time, time_text
from adapters_core.ledger.signing import VerifyingKey
from adapters_core.ledger.tables import entries
from adapters_core.ledger.transactions import Reader, Writer
from adapters_core.ledger.verification.diagnosis import diagnose
from adapters_core.ledger.verification.findings import Finding, Level, Report
from adapters_core.ledger.verification.guards import check_guards
from adapters_core.ledger.verification.replay import IndexCheck
from adapters_core.ledger.verification.signed import (
    Statement,
    anchor_statement,
    check_anchors,
    check_roots,
    check_signatures,
)
from adapters_core.ledger.verification.stored import stored_checkpoints, stored_entries
from adapters_core.ledger.verification.walk import Walk
from adapters_core.ledger.work_tables import marks

VERIFIED = "verified"
Progress = Callable[[int, int], None]


def verify(
    reader: Reader,
    keys: Sequence[VerifyingKey],
    *,
    since: int = 0,
    anchors: Iterable[Mapping[str, Any]] = (),
    indexes: bool = True,
    progress: Progress = lambda _done, _total: None,
) -> Report:
    """Verify chain (V0), checkpoints (V1), guards and indexes. Finds; never raises for what it finds.

    Args:
        reader: the snapshot to verify.
        keys: the public keys that may have signed checkpoints: from their files, not from this database.
        since: the size of a checkpoint that was verified earlier (``verified_size``): its signature is checked again
            and what lies before is taken as verified. Wrong in anything, and all is verified. Indexes are compared only
            in a full run. 0 for a full run.
        anchors: envelopes of checkpoints that were kept elsewhere.
        indexes: whether the search indexes are compared with what follows from the entries.
        progress: told how many entries were gone through, of how many; what it raises ends the verification.
    """
    kept = tuple(anchors)
    if since and (resumed := _resume(reader, keys, since)):
        walk, before = resumed
        report = _verify(reader, keys, walk, before, anchors=kept, index_check=None, progress=progress)
        if report.ok:
            return report
    index_check = IndexCheck(reader) if indexes else None
    return _verify(reader, keys, Walk(), None, anchors=kept, index_check=index_check, progress=progress)


def verified_size(reader: Reader) -> int:
    """The size up to which the ledger was verified and signed when ``mark_verified`` was called last; 0 for never."""
    size: int | None = reader.connection.execute(select(marks.c.size).where(marks.c.name == VERIFIED)).scalar()
    return size or 0


def verified_when(reader: Reader) -> datetime | None:
    """When ``mark_verified`` was called last."""
    moment: str | None = reader.connection.execute(select(marks.c.time).where(marks.c.name == VERIFIED)).scalar()
    return parse_time(moment) if moment else None


def mark_verified(writer: Writer, report: Report) -> None:
    """Remember the newest checkpoint of a report without findings as the place from which to verify next time.

    The mark is a convenience, no evidence: what it spares is checked again through the checkpoint's signature.

    Raises:
        IntegrityError: the report has findings.
    """
    if not report.ok:
        raise IntegrityError(
            f"only a ledger without findings is marked as verified, this one has {len(report.findings)}"
        )
    writer.connection.execute(delete(marks).where(marks.c.name == VERIFIED))
    row = {"name": VERIFIED, "size": report.checkpoint or 0, "time": time_text(writer.now)}
    writer.connection.execute(insert(marks).values(row))


def _verify(
    reader: Reader,
    keys: Sequence[VerifyingKey],
    walk: Walk,
    before: Statement | None,
    *,
    anchors: tuple[Mapping[str, Any], ...],
    index_check: IndexCheck | None,
    progress: Progress,
) -> Report:
    since = walk.size
    statements, findings = check_signatures(
        stored_checkpoints(reader, since=since + 1 if before else 0), keys, after=before
    )
    kept, strange = _anchors(anchors, keys)
    _walk(reader, walk, {item.size for item in statements} | kept, index_check, progress)
    findings += [*walk.findings, *strange, *check_guards(reader)]
    if walk.broken:
        findings += diagnose(chain.from_iterable(stored_entries(reader)))
    end = max(walk.size, walk.last_place + 1)
    first = min((item.seq or 0 for item in findings if item.level == "V0"), default=end)
    sound = [item for item in statements if item.size <= first or item.size > end]
    wrong, newest = check_roots(sound, walk.roots, size=end, origin=walk.origin, good_to=since)
    findings += [*wrong, *check_anchors(_in_reach(anchors, keys, since), keys, walk.roots, size=end)]
    if index_check and not walk.broken:
        findings += index_check.finish(walk.size)
    levels: tuple[Level, ...] = ("V0", "V1", "guards", *(("indexes",) if index_check else ()))
    return Report(
        levels=levels,
        since=since,
        size=walk.size,
        root_hash=walk.frontier.root().hex(),
        checkpoint=newest,
        findings=tuple(findings),
    )


def _walk(reader: Reader, walk: Walk, sizes: set[int], index_check: IndexCheck | None, progress: Progress) -> None:
    since, end = walk.size, queries.size(reader)
    for batch in stored_entries(reader, since=walk.size or None):
        read = []
        for row in batch:
            stated = walk.step(row, ask_root=walk.size + 1 in sizes)
            if index_check and not walk.broken and stated is not None:
                read.append((stated, row))
        if index_check and read and not walk.broken:
            try:
                index_check.take([entry_of(stated, row.body, row.leaf_hash) for stated, row in read])
            except IntegrityError as error:
                walk.findings.append(_no_entry(read[0][1].seq, error))
        progress(walk.size - since, max(end, walk.size) - since)


def _resume(reader: Reader, keys: Sequence[VerifyingKey], size: int) -> tuple[Walk, Statement] | None:
    """The walk as it stood after a checkpoint, when signature, root and head still agree."""
    stored = next(iter(stored_checkpoints(reader, since=size)), None)
    if stored is None or stored.size != size:
        return None
    statements, findings = check_signatures([stored], keys)
    if not statements or any(item.code != "removed_checkpoint" for item in findings):
        return None
    (statement,) = statements
    try:
        frontier: Frontier = stored_frontier(reader, size)
    except (IntegrityError, ValueError):
        return None
    head = reader.connection.execute(select(entries.c.leaf_hash).where(entries.c.seq == size - 1)).scalar() or GENESIS
    if (frontier.root().hex(), head) != (statement.root_hash, statement.head):
        return None
    walk = Walk(size=size, head=head, frontier=frontier, origin=statement.ledger)
    walk.roots[size] = (frontier.root().hex(), head)
    return walk, statement


def _anchors(anchors: Iterable[Mapping[str, Any]], keys: Sequence[VerifyingKey]) -> tuple[set[int], list[Finding]]:
    sizes, findings = set(), []
    for index, envelope in enumerate(anchors):
        try:
            sizes.add(anchor_statement(envelope, keys).size)
        except IntegrityError as error:
            what = f"anchor {index + 1}"
            findings.append(Finding(level="V1", code="replaced_checkpoint", what=what, detail=str(error)))
    return sizes, findings


def _in_reach(
    anchors: Iterable[Mapping[str, Any]], keys: Sequence[VerifyingKey], since: int
) -> list[Mapping[str, Any]]:
    """The anchors that are signed, and that a run from ``since`` on can judge."""
    found = []
    for envelope in anchors:
        try:
            statement = anchor_statement(envelope, keys)
        except IntegrityError:
            continue
        if statement.size >= since:
            found.append(envelope)
    return found


def _no_entry(seq: int, error: IntegrityError) -> Finding:
    return Finding(level="V0", code="changed_body", what=f"entries from {seq}", detail=str(error), seq=seq)
