"""Entries of the ledger: lists, one with the proof that it is in the signed ledger, and all of them as JSON lines."""

from collections.abc import Generator
from typing import Annotated, Any

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router

from adapters_core.ledger import queries
from adapters_core.ledger.events import Kind
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.transactions import Reader
from governance.api.callers import may_read
from governance.api.fields import Before, Json, Limit, Moment, Number, Record, Time, Wanted
from governance.api.jobs import Actor
from governance.api.reading import actor_of, page, read
from governance.installation import installation
from governance.selectors import audit_reads
from governance.views.streaming import streamed

router = Router(tags=["ledger"])
LINES = "application/jsonl"
Event = Annotated[str | None, Query(pattern=r"^[a-z]+(:[a-z_]+)?$", max_length=50, description="Such as `denied`")]
About = Annotated[
    str | None,
    Query(
        pattern=r"^[a-z]+:[A-Za-z0-9][A-Za-z0-9._:-]*$",
        max_length=250,
        description="`<kind>:<id>`: entries about this, or that name it",
    ),
]


class SubjectOut(Record):
    """What an entry is about, or names."""

    kind: Kind
    id: str


class EntryOut(Record):
    """One entry of the ledger."""

    seq: int
    """Its place, from 0 without gaps."""
    time: Moment
    event: str
    subject: SubjectOut
    refs: list[SubjectOut]
    actor: Actor
    data: Json
    prev_hash: str
    leaf_hash: str
    """SHA-256(0x00 || body)."""


class Entries(Record):
    """A page of entries, newest first."""

    rows: list[EntryOut]
    next: int | None
    """Hand it in as `before`; null on the last page."""


class Inclusion(Record):
    """The way from an entry to a signed root (RFC 9162, 2.1.3)."""

    size: int
    """Of the tree, as the checkpoint says."""
    root_hash: str
    path: list[str]
    """Leaf first."""
    holds: bool
    """Whether the path leads from this body to that root; check it yourself."""
    envelope: Json
    """The checkpoint: DSSE, signed with Ed25519."""


class ProvedEntry(EntryOut):
    """An entry with its body as it was hashed, and its proof."""

    body: str
    """Canonical JSON (RFC 8785)."""
    recomputed: str
    """The leaf hash, computed anew."""
    proof: Inclusion | None
    """null: no checkpoint covers it yet."""


@router.get("/entries", response=Entries)
def list_entries(
    request: HttpRequest,
    *,
    event: Event = None,
    kind: Annotated[Kind | None, Query()] = None,
    about: About = None,
    actor: Wanted = None,
    since: Time = None,
    until: Time = None,
    before: Before = None,
    limit: Limit = 50,
) -> object:
    """Entries that meet every condition that is given."""
    events = (event,) if event else ()
    wanted = EntryFilter(about=_about(about), kind=kind, events=events, actor=actor, since=since, until=until)

    def look(db: Reader) -> tuple[Entry, ...]:
        return queries.find_entries(db, wanted, before=before, limit=limit + 1)

    return page(read(request, look), limit, lambda entry: entry.seq)


@router.get("/entries.jsonl", openapi_extra={"responses": {200: {"content": {LINES: {"schema": {"type": "string"}}}}}})
def export_entries(
    request: HttpRequest,
    *,
    event: Event = None,
    kind: Annotated[Kind | None, Query()] = None,
    about: About = None,
    actor: Wanted = None,
    since: Time = None,
    until: Time = None,
) -> StreamingHttpResponse:
    """All entries that meet the conditions, newest first: the body of one in each line, as it was hashed."""
    may_read(actor_of(request))
    events = (event,) if event else ()
    wanted = EntryFilter(about=_about(about), kind=kind, events=events, actor=actor, since=since, until=until)
    return streamed(request, _lines(wanted), kind=LINES)


@router.get("/entries/{seq}", response=ProvedEntry)
def read_entry(request: HttpRequest, seq: Number) -> object:
    """One entry with its inclusion proof."""
    return read(request, lambda db: _proved(db, seq))


def _about(named: str | None) -> Subject | None:
    kind, _colon, identifier = (named or "").partition(":")
    return Subject(kind=kind, id=identifier) if named else None


def _lines(wanted: EntryFilter) -> Generator[str, None, None]:
    """In a snapshot of its own: the answer is still being sent when the view has returned."""
    with installation().ledger.read() as reader:
        for entry in audit_reads.every(reader, wanted):
            yield f"{entry.body}\n"


def _proved(db: Reader, seq: int) -> dict[str, Any]:
    found = audit_reads.proved(db, seq)
    signed = found.checkpoint
    proof = signed and {
        "size": signed.size,
        "root_hash": signed.root_hash,
        "path": found.path,
        "holds": found.included,
        "envelope": signed.envelope,
    }
    return {**vars(found.entry), "recomputed": found.recomputed, "proof": proof}
