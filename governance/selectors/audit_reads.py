"""The audit log: entries in words, one entry with its proof, how old the newest checkpoint is."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.chain import leaf_hash
from adapters_core.ledger.checkpoints import Checkpoint, latest_checkpoint
from adapters_core.ledger.events import KINDS
from adapters_core.ledger.pack import latest_proof
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.transactions import Reader
from adapters_core.ledger.tree import includes
from adapters_core.ledger.verification.verify import verified_size, verified_when
from governance.policy.reasons import REASONS
from governance.policy.system_words import spoken
from governance.policy.words import ACTION_NAMES, MEANING_NAMES, ROLE_NAMES
from governance.services.note_left import Left, last_left

PAGE = 50
_SPOKEN = ("reason", "comment", "conditions", "cause", "legal_basis", "error", "title", "name")
"""Fields of an entry that somebody wrote or that name something, in the order in which one of them is shown."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One entry in a list."""

    entry: Entry
    note: str
    """What was said with it, or what it names."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """A page of the log, newest first."""

    lines: tuple[Line, ...]
    next: int | None
    """``before`` of the next page; None on the last one."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far the ledger has come, and how much of it is signed and verified."""

    size: int
    checkpoint: Checkpoint | None
    age: timedelta | None
    """Of the checkpoint."""
    left: Left | None
    """The newest checkpoint that left this machine."""
    left_age: timedelta | None
    verified: int
    verified_when: datetime | None

    @property
    def unsigned(self) -> int:
        """Entries that no checkpoint covers yet."""
        return self.size - (self.checkpoint.size if self.checkpoint else 0)


@dataclass(frozen=True, kw_only=True)
class Proved:
    """One entry with everything that proves it."""

    entry: Entry
    note: str
    recomputed: str
    """The leaf hash, computed anew from the body."""
    data: str
    """The entry's data, indented for reading."""
    path: tuple[str, ...]
    """The audit path to the checkpoint's root."""
    checkpoint: Checkpoint | None
    included: bool
    """Whether the path leads from this body to the signed root."""
    last: int
    """Number of the newest entry."""

    @property
    def unchanged(self) -> bool:
        """Whether the body is the one that was hashed."""
        return self.recomputed == self.entry.leaf_hash


def lines(reader: Reader, wanted: EntryFilter, *, before: int | None) -> Lines:
    """A page of the log."""
    found = queries.find_entries(reader, wanted, before=before, limit=PAGE + 1)
    shown = tuple(Line(entry=entry, note=note(entry)) for entry in found[:PAGE])
    return Lines(lines=shown, next=shown[-1].entry.seq if len(found) > PAGE else None)


def every(reader: Reader, wanted: EntryFilter) -> Iterator[Entry]:
    """All entries that meet a filter, newest first, a page in memory at a time."""
    before: int | None = None
    while found := queries.find_entries(reader, wanted, before=before, limit=500):
        yield from found
        before = found[-1].seq


def standing(reader: Reader, at: datetime) -> Standing:
    """Of the ledger now."""
    checkpoint, left = latest_checkpoint(reader), last_left(reader)
    return Standing(
        size=queries.size(reader),
        checkpoint=checkpoint,
        age=max(at - checkpoint.time, timedelta(0)) if checkpoint else None,
        left=left,
        left_age=max(at - left.time, timedelta(0)) if left else None,
        verified=verified_size(reader),
        verified_when=verified_when(reader),
    )


def proved(reader: Reader, seq: int) -> Proved:
    """One entry with its proof to the newest checkpoint.

    Raises:
        UnknownSubjectError: there is none.
    """
    entry = queries.entry(reader, seq)
    computed = leaf_hash(entry.body.encode())
    plain = Proved(
        entry=entry,
        note=note(entry),
        recomputed=computed.hex(),
        data=json.dumps(entry.data, ensure_ascii=False, indent=2),
        path=(),
        checkpoint=None,
        included=False,
        last=queries.size(reader) - 1,
    )
    if not (found := latest_proof(reader, seq)):
        return plain
    proof, checkpoint = found
    nodes = [bytes.fromhex(node) for node in proof["path"]]
    root = bytes.fromhex(checkpoint.root_hash)
    holds = includes(nodes, index=seq, size=checkpoint.size, leaf=computed, root=root)
    return replace(plain, path=tuple(proof["path"]), checkpoint=checkpoint, included=holds)


def named_subject(reader: Reader, kind: str, identifier: str) -> Subject:
    """The subject that a person asks for; without a kind, the first kind that knows the id."""
    kinds = [kind] if kind else sorted(KINDS)
    for candidate in kinds:
        subject = Subject(kind=candidate, id=identifier)
        if people_queries.state_of(reader, subject) is not None:
            return subject
    return Subject(kind=kinds[0], id=identifier)


def people(reader: Reader) -> tuple[tuple[str, str], ...]:
    """(id, name) of everybody whom the ledger knows, by name."""
    created = queries.find_entries(reader, EntryFilter(events=("person:created",)), limit=1000)
    known = ((entry.subject.id, str(entry.data.get("name") or entry.subject.id)) for entry in created)
    return tuple(sorted(known, key=lambda one: one[1]))


def note(entry: Entry) -> str:
    """What was said with an entry, or what it names; empty where nothing was."""
    data = entry.data
    if entry.event == "denied":
        # The ledger says it in English; where the reason is one of ours, the person reads it in their language.
        why = REASONS.get(data["reason_code"], data["detail"] or data["reason_code"])
        return f"{ACTION_NAMES.get(data['action'], data['action'])}: {why}"
    if entry.event.startswith("role:"):
        return _joined(ROLE_NAMES.get(data["role"], data["role"]), data.get("reason"))
    if meaning := data.get("meaning"):
        return _joined(MEANING_NAMES.get(meaning, meaning), _spoken(data))
    return _spoken(data)


def _spoken(data: Mapping[str, Any]) -> str:
    return next((spoken(name, value) for name in _SPOKEN if isinstance(value := data.get(name), str) and value), "")


def _joined(*parts: object) -> str:
    return ": ".join(str(part) for part in parts if part)
