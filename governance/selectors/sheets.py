"""The decision sheet: every signature on a request, verified, with its place in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters_core.errors import IntegrityError
from adapters_core.ledger import checkpoints, queries
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.signing import DECISION_TYPE, opened
from adapters_core.ledger.transactions import Reader
from governance.installation import installation
from governance.policy.gates import GateResult, recorded_gates
from governance.selectors.person_names import names_of
from governance.services.deciding import DECIDED

CHECKED = (
    "stage",
    "meaning",
    "on_behalf_of",
    "bound_digest",
    "gates",
    "passed_over",
    "comment",
    "conditions",
    "required",
)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """One decision with its signature."""

    seq: int
    leaf: str
    time: datetime
    event: str
    stage: int
    """From 1."""
    name: str
    roles: tuple[str, ...]
    method: str
    behalf: str | None
    meaning: str
    gates: tuple[GateResult, ...] | None
    """As they were signed; None in an entry that was made before entries held them."""
    comment: str
    conditions: str
    passed_over: tuple[str, ...]
    """Names of the gates that an approval with conditions passed over."""
    required: str
    holds: bool
    """Whether this installation's key has signed exactly this."""
    checkpoint: int | None
    """Size of the first signed checkpoint that covers the entry."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """All decisions on a request."""

    opened_seq: int
    opened_leaf: str
    signed: tuple[Signed, ...]


def decision_sheet(reader: Reader, identifier: str) -> Sheet:
    """The sheet of one request; the caller has made sure that it exists."""
    entries = queries.history(reader, Subject(kind="request", id=identifier))
    decided = [entry for entry in entries if entry.event in DECIDED]
    names = names_of(reader, [entry.data["on_behalf_of"] for entry in decided])
    return Sheet(
        opened_seq=entries[0].seq,
        opened_leaf=entries[0].leaf_hash,
        signed=tuple(_signed(reader, entry, names) for entry in decided),
    )


def _signed(reader: Reader, entry: Entry, names: Mapping[str, str]) -> Signed:
    data = entry.data
    covering = checkpoints.checkpoint_at(reader, covering=entry.seq)
    return Signed(
        seq=entry.seq,
        leaf=entry.leaf_hash,
        time=entry.time,
        event=entry.event.partition(":")[2],
        stage=data["stage"] + 1,
        name=entry.actor.name,
        roles=entry.actor.roles,
        method=entry.actor.auth.method if entry.actor.auth else "",
        behalf=names.get(data["on_behalf_of"]),
        meaning=data["meaning"],
        gates=recorded_gates(data),
        comment=data.get("comment") or "",
        conditions=data.get("conditions") or "",
        passed_over=tuple(data.get("passed_over", ())),
        required=data.get("required") or "",
        holds=_holds(entry, data),
        checkpoint=covering.size if covering else None,
    )


def _holds(entry: Entry, data: Mapping[str, Any]) -> bool:
    """Whether the envelope was signed by our key, and says what the entry says."""
    try:
        stated = opened(data["signature"], [installation().signing_key.public], DECISION_TYPE)
    except IntegrityError:
        return False
    same = all(stated.get(name) == data.get(name) for name in CHECKED)
    return same and stated["signed_by"]["id"] == entry.actor.id and stated["request"] == entry.subject.id
