"""V3: the bytes of stored files against the digests that the ledger recorded."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from adapters_core.canonical import file_sha256
from adapters_core.ledger.queries import EntryFilter, find_entries
from adapters_core.ledger.records import Entry
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.verification.findings import Code, Finding

PAGE = 500


def artifact_path(folder: Path, digest: str) -> Path:
    """Where a file of this SHA-256 lies in a content-addressed folder: ``<aa>/<digest>``."""
    return folder / digest[:2] / digest


def verify_artifacts(
    reader: Reader, folder: Path, *, since: int = 0, settled: float | None = None
) -> tuple[Finding, ...]:
    """Read every file that the ledger recorded (adapters' files, evaluation reports) and name what is not as recorded.

    What was deleted with an entry (``adapter:artifact_deleted``) is not missed; what is there and needed by no entry, a
    deleted file among it, is named as well.

    Args:
        reader: the snapshot.
        folder: the content-addressed folder.
        since: look only at files recorded by entries from this one on.
        settled: files that were written after this time (seconds since 1970) may be on their way to their entry, and
            are not asked for it; None: no file is asked. Only where all entries are looked at.
    """
    gone = {entry.subject.id for entry in _entries(reader, ("adapter:artifact_deleted",), 0)}
    checked: set[str] = set()
    reports: set[str] = set()
    findings: list[Finding] = []
    for entry in _entries(reader, ("adapter:generated", "adapter:evaluated"), since):
        if entry.subject.id in gone:
            if entry.event == "adapter:evaluated":  # without its text: it stays
                reports |= {digest for _name, digest in _files(entry)}
            continue
        for name, digest in _files(entry):
            if digest not in checked:
                checked.add(digest)
                findings += _check(folder, name, digest, entry)
    if settled is not None and not since:
        findings += _unknown(folder, checked | reports, settled)
    return tuple(findings)


def _entries(reader: Reader, events: tuple[str, ...], since: int) -> Iterator[Entry]:
    before: int | None = None
    while page := find_entries(reader, EntryFilter(events=events), before=before, limit=PAGE):
        yield from (entry for entry in page if entry.seq >= since)
        if page[-1].seq < since:
            return
        before = page[-1].seq


def _files(entry: Entry) -> Iterator[tuple[str, str]]:
    if entry.event == "adapter:evaluated":
        yield "evaluation report", str(entry.data["report_digest"])
        return
    artifact: Any = entry.data["artifact"]
    files = artifact.get("files") if isinstance(artifact, Mapping) else None
    if isinstance(files, Mapping):
        yield from ((str(name), str(digest)) for name, digest in files.items())


def _check(folder: Path, name: str, digest: str, entry: Entry) -> Iterator[Finding]:
    path = artifact_path(folder, digest)
    if not path.is_file():
        yield _finding("missing_artifact", name, entry, f"{path} is not there")
        return
    found = file_sha256(path)
    if found != digest:
        yield _finding("changed_artifact", name, entry, f"{path} has the digest {found}")


def _unknown(folder: Path, known: Collection[str], settled: float) -> Iterator[Finding]:
    """Files that no entry needs: left by a worker that was killed, or of what was deleted."""
    for path in sorted(folder.glob("*/*")):
        if path.name in known:
            continue
        with suppress(FileNotFoundError):  # removed while we look
            if path.stat().st_mtime <= settled:
                yield Finding(level="V3", code="unknown_artifact", what=path.name, detail=f"no entry needs {path}")


def _finding(code: Code, name: str, entry: Entry, detail: str) -> Finding:
    what = f"{name} of adapter {entry.subject.id[:16]}"
    return Finding(level="V3", code=code, what=what, detail=detail, seq=entry.seq)
