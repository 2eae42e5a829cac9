"""What operations on slots take and answer."""

from typing import Literal

from governance.api.fields import Given, Json, Key, Moment, Reason, Record


class DeployIn(Given):
    """What to put where, and what was seen."""

    adapter: Key
    seen: Key | None = None
    """The adapter that the slot served when this was decided; null: the bare base."""
    reason: Reason


class RollBackIn(Given):
    """What to put back, and what was seen."""

    adapter: Key | None = None
    """null: the bare base."""
    seen: Key | None = None
    reason: Reason


class KillIn(Given):
    """What was seen, and why."""

    seen: Key | None = None
    reason: Reason


class Slot(Record):
    """A place that serves one adapter at a time."""

    slot: str
    seq: int
    time: Moment
    """When it was created."""
    title: str
    base: str
    engine: str
    policy: str
    """Under which an adapter is approved for it."""
    adapter: str | None
    """What it serves; null: the bare base."""
    adapter_name: str | None
    current: str | None
    """The deployment that put it there."""
    pending: str | None
    """The deployment that is on its way."""


class Slots(Record):
    """All slots by name."""

    rows: list[Slot]


class Deployment(Record):
    """A deployment, rollback, kill switch or break-glass."""

    deployment: str
    seq: int
    time: Moment
    """When it was requested."""
    slot: str
    adapter: str | None
    """null: the bare base."""
    adapter_name: str | None
    previous: str | None
    """What the slot served before."""
    kind: Literal["deploy", "rollback", "kill", "break_glass"]
    request: str | None
    """The approval on which it rests."""
    reason: str
    state: Literal["requested", "succeeded", "failed"]
    finished_time: Moment | None
    """When it began to serve, or failed."""
    until_time: Moment | None
    """When it stopped serving; null while it serves."""
    actor: str
    actor_name: str


class DeploymentDetail(Deployment):
    """A deployment and how it went."""

    end: Json
    """What the worker recorded: what was read back, the canary, or the error; empty while it is under way."""
    restore_seconds: float | None
    """From the request to its end."""


class Deployments(Record):
    """A page of a slot's history, newest first."""

    rows: list[Deployment]
    next: int | None
    """Hand it in as `before`; null on the last page."""


class Approved(Record):
    """A decision on which a deployment rested."""

    seq: int
    time: Moment
    event: str
    stage: int
    name: str
    meaning: str
    holds: bool
    """Whether this installation's key has signed exactly this."""


class Served(Record):
    """What served in a slot at a moment."""

    slot: str
    moment: Moment
    existed: bool
    """Whether there was such a slot at that moment."""
    adapter: str | None
    """null: the bare base."""
    deployment: Deployment | None
    """null: nothing had been deployed yet."""
    request: str | None
    signed: list[Approved]
    """Decisions up to that moment."""
    evaluations: list[str]
    """Digests of the reports on which the approval rests."""
