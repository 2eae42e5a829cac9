"""The way of an adapter through the ledger, a step at a time, for tests that need it to be somewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters_core.ledger.append import append
from adapters_core.ledger.records import Actor, Entry, Subject
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.transactions import Writer
from tests import ledger_cast as cast


@dataclass
class Time:
    """A clock that a test moves."""

    now: datetime = datetime(2026, 11, 24, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def subject(kind: str, name: str) -> Subject:
    return Subject(kind=kind, id=cast.digest(name) if kind == "adapter" else name)


def put(
    tx: Writer, event: str, name: str, data: Mapping[str, Any] | None = None, actor: Actor = cast.ENGINEER
) -> Entry:
    """Append an entry about the subject that the event is about."""
    kind = {"role": "person"}.get(event.partition(":")[0], event.partition(":")[0])
    return append(tx, event, subject=subject(kind, name), actor=actor, data=data or {})


def step(
    ledger: Ledger, event: str, name: str, data: Mapping[str, Any] | None = None, actor: Actor = cast.ENGINEER
) -> Entry:
    """One entry in a transaction of its own."""
    with ledger.write() as tx:
        return put(tx, event, name, data, actor)


def prepare(ledger: Ledger, *, slots: Iterable[str] = ("support",)) -> None:
    """A context and slots."""
    with ledger.write() as tx:
        put(tx, "context:submitted", "c-1", cast.submitted())
        for slot in slots:
            put(
                tx,
                "slot:created",
                slot,
                cast.slot_data(slot.title()),
                cast.ADMIN,
            )


def evaluate(ledger: Ledger, name: str, **more: Any) -> None:
    """An adapter that is generated and evaluated."""
    with ledger.write() as tx:
        put(tx, "adapter:generated", name, cast.generated(name, **more))
        put(tx, "adapter:evaluated", name, cast.evaluated())


def approve(ledger: Ledger, name: str, *, request: str, slot: str = "support") -> None:
    """An adapter that was generated, evaluated, requested and approved."""
    evaluate(ledger, name)
    with ledger.write() as tx:
        put(tx, "request:opened", request, cast.opened(name, slot=slot))
        put(tx, "request:approved", request, cast.decision(), cast.REVIEWER)


def deploy(ledger: Ledger, name: str | None, *, as_id: str, previous: str | None = None, **more: Any) -> None:
    """A deployment that succeeds."""
    with ledger.write() as tx:
        put(tx, "deployment:requested", as_id, cast.deployment(name, previous=previous, **more), cast.ADMIN)
    with ledger.write() as tx:
        put(tx, "deployment:succeeded", as_id, cast.succeeded(), cast.WORKER)
