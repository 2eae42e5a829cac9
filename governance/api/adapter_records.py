"""What operations on adapters take and answer."""

from typing import Annotated, Literal

from pydantic import Field

from governance.api.fields import Given, Json, Key, Line, Moment, Record
from governance.api.slot_records import Deployment

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
State = Literal[
    "generated",
    "evaluated",
    "requested",
    "in_review",
    "approved",
    "conditionally_approved",
    "sent_back",
    "rejected",
    "withdrawn",
    "expired",
    "voided",
    "deployed",
    "superseded",
    "rolled_back",
    "retired",
]


class EvaluateIn(Given):
    """Which questions to ask."""

    suite: Literal["context", "retention"] = "context"
    """`context`: about its own contexts; `retention`: what the base must not forget."""


class ExtendIn(Given):
    """A context that is added."""

    context: Key
    name: Line = ""
    """Of the new adapter; the old one's unless given. It stays in the ledger for ever: no personal data."""


class EraseIn(Given):
    """What is taken out: one of several contexts, or single chunks."""

    context: Key | None = None
    chunks: list[Digest] = Field(default=[], max_length=1000)
    """Commitments of chunks, as `sources` names them."""
    name: Line = ""
    """Of the new adapter; the old one's unless given. It stays in the ledger for ever: no personal data."""


class Adapter(Record):
    """An adapter as lists show it."""

    digest: str
    """Of its manifest: its name everywhere."""
    seq: int
    """Of the entry that records its generation."""
    time: Moment
    name: str
    base: str
    """Digest of the base model."""
    base_name: str
    generator: str
    """Digest of the generator."""
    parent: str | None
    """The adapter that it extends, or was erased from."""
    actor: str
    actor_name: str
    tokens: int
    chunks: int
    bytes: int
    norm_total: float
    """Frobenius norm of all that it changes."""
    state: State
    serving: int
    """Slots that serve it now."""
    evaluations: int
    recovery: float | None
    """Of the latest evaluation: 1 is as good as the context in the prompt; null: not measured."""
    retention: float | None
    """Of the latest evaluation: 1 is unchanged on unrelated questions; null: not measured."""
    request: str | None
    """Its latest request for approval."""
    approvals: int
    """Requests by which it is approved, each for its slot; none once it is retired."""
    last_seq: int
    last_time: Moment


class Adapters(Record):
    """A page of adapters."""

    rows: list[Adapter]
    next: str | None
    """Hand it in as `after`; null on the last page."""


class Evaluation(Record):
    """One evaluation."""

    evaluation: str
    seq: int
    time: Moment
    suite: str
    report_digest: str
    scores: Json
    """Method -> metric -> value with its 95% interval."""
    recovery: Json | float | None
    retention: Json | float | None
    gates: list[Json]
    """Thresholds of the policies, and whether each was met."""


class Source(Record):
    """A context that is part of an adapter: keyed digests, which bind to the text and say nothing of it."""

    id: str
    commitment: str
    chunk_commitments: list[str]


class AdapterDetail(Adapter):
    """An adapter with what is recorded of it."""

    contexts: list[str]
    """What it was made from."""
    sources: list[Source]
    """The same with what of each is part of it."""
    norms: dict[str, Json]
    """Module -> Frobenius and spectral norm, effective rank, spectral gap of what it changes there."""
    artifact: Json
    """Digests of its files."""
    measured: list[Evaluation]
    """Its evaluations, oldest first."""
    extended_by: list[str]
    """Adapters that were made from this one."""


class AdapterDeployments(Record):
    """Deployments, newest first."""

    rows: list[Deployment]
