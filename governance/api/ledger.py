"""The ledger as a whole: how far it is signed and verified, its newest checkpoint, proofs that it only grew."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Status
from pydantic import Field

from adapters_core.errors import UnknownSubjectError
from adapters_core.ledger.checkpoints import Checkpoint, latest_checkpoint
from adapters_core.ledger.transactions import Reader
from governance.api.fields import Given, Json, Moment, Record
from governance.api.jobs import JobOut
from governance.api.reading import actor_of, read
from governance.installation import installation
from governance.selectors import audit_reads, verification
from governance.selectors.consistency import consistency
from governance.services.note_left import note_left
from governance.services.note_verified import note_verified
from governance.services.verify_later import verify_later

router = Router(tags=["ledger"])
Size = Annotated[int, Query(ge=1, lt=2**53, description="Entries of a tree")]


class CheckpointOut(Record):
    """A signed statement of what the ledger held. Keep it elsewhere: it shows later whether anything was changed."""

    size: int
    """Entries that it covers: 0 to size - 1."""
    root_hash: str
    time: Moment
    key_id: str
    envelope: Json
    """DSSE, signed with Ed25519."""


class Standing(Record):
    """How far the ledger has come, and how much of it is signed and verified."""

    size: int
    unsigned: int
    """Entries that no checkpoint covers yet."""
    checkpoint_size: int | None
    checkpoint_time: Moment | None
    checkpoint_age_seconds: float | None
    left_size: int | None
    """Entries that the newest checkpoint covers which left this machine. null: none has."""
    left_time: Moment | None
    """When that checkpoint was signed."""
    left_age_seconds: float | None
    verified: int
    """Entries that the last verification without findings covers."""
    verified_time: Moment | None
    """null: never verified."""


class VerifyIn(Given):
    """What is verified."""

    full: bool = True
    """From the first entry on; otherwise from the last verified checkpoint on."""
    artifacts: bool = False
    """Also the files of adapters and reports against their digests."""
    anchors: list[Json] = Field(default=[], max_length=20)
    """Envelopes of checkpoints that were kept elsewhere: the ledger must not contradict them."""


class FindingOut(Record):
    """Something that is not as it was signed."""

    level: str
    code: str
    """Stable: for programs."""
    what: str
    detail: str
    seq: int | None
    meaning: str
    """In plain words."""


class Verified(Record):
    """What verifying found."""

    ok: bool
    """Nothing was found."""
    levels: list[str]
    """V0 chain, V1 signatures, V3 files, guards and indexes of the database."""
    findings: list[FindingOut]
    seconds: float


class Consistency(Record):
    """The proof that the tree of `second` entries only added to the tree of `first` (RFC 9162, 2.1.4)."""

    first: int
    second: int
    first_root: str
    second_root: str
    path: list[str]
    holds: bool
    """Whether the path leads to both roots; check it yourself, against roots that you kept."""


@router.get("", response=Standing)
def read_standing(request: HttpRequest) -> object:
    """How much is recorded, signed and verified."""
    found = read(request, lambda db: audit_reads.standing(db, installation().ledger.clock()))
    return {
        "size": found.size,
        "unsigned": found.unsigned,
        "checkpoint_size": found.checkpoint.size if found.checkpoint else None,
        "checkpoint_time": found.checkpoint.time if found.checkpoint else None,
        "checkpoint_age_seconds": found.age.total_seconds() if found.age is not None else None,
        "left_size": found.left.size if found.left else None,
        "left_time": found.left.time if found.left else None,
        "left_age_seconds": found.left_age.total_seconds() if found.left_age is not None else None,
        "verified": found.verified,
        "verified_time": found.verified_when,
    }


@router.get("/checkpoint", response=CheckpointOut)
def read_checkpoint(request: HttpRequest) -> object:
    """The newest signed checkpoint. Whoever reads it is taken to keep it elsewhere."""
    newest = read(request, _latest)
    note_left(newest)
    return newest


@router.get("/consistency", response=Consistency)
def prove_consistency(request: HttpRequest, first: Size, second: Size) -> object:
    """That nothing was changed between two sizes."""
    return read(request, lambda db: consistency(db, first, second))


@router.post("/verifications", response={200: Verified, 202: JobOut})
def verify_ledger(request: HttpRequest, body: VerifyIn) -> object:
    """Verify now: 200. 202 where it takes long: a job, whose result says the same.

    It changes nothing but how far the ledger counts as verified.
    """
    wanted = verification.Wanted(full=body.full, artifacts=body.artifacts, anchors=tuple(body.anchors))
    if read(request, lambda db: verification.takes_long(db, wanted)):
        return Status(202, verify_later(actor_of(request), wanted.to_json()))
    found = read(request, lambda db: verification.run(db, wanted))
    note_verified(found.report)
    return found.to_json()


def _latest(db: Reader) -> Checkpoint:
    if found := latest_checkpoint(db):
        return found
    raise UnknownSubjectError("the ledger has no checkpoint yet: the first decision or deployment signs one")
