"""Frozen records of the ledger: who, what, on which subject, and the entry that states it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic_core import from_json

from adapters_core.errors import EntryError, IntegrityError

TIME_EXAMPLE = "2026-11-23T23:42:12.123456Z"
ActorKind = Literal["person", "service", "system"]


def time_text(moment: datetime) -> str:
    """A moment as the ledger writes it: UTC with microseconds, always 27 characters, so that text sorts as time does.

    Raises:
        EntryError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise EntryError(f"a time must carry its time zone, got {moment}: use datetime.now(UTC)")
    return _utc_text(moment if moment.tzinfo is UTC else moment.astimezone(UTC))


@lru_cache(maxsize=64)  # one moment is written into many rows
def _utc_text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """The moment that ``time_text`` wrote.

    Raises:
        IntegrityError: the text has another form.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise IntegrityError(f"a time must look like {TIME_EXAMPLE}, got {text!r}") from error
    if len(text) != len(TIME_EXAMPLE) or not text.endswith("Z"):
        raise IntegrityError(f"a time must look like {TIME_EXAMPLE}, got {text!r}")
    return moment


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What an entry is about, or refers to."""

    kind: str
    id: str
    """A uuid, a manifest digest (adapter), or a name (slot, policy)."""

    def to_json(self) -> dict[str, Any]:
        """As the entry body holds it."""
        return {"kind": self.kind, "id": self.id}


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """How and when the actor proved who they are."""

    method: str
    """Such as ``password+totp``, ``passkey``, ``oidc``, ``token``."""
    time: datetime

    def to_json(self) -> dict[str, Any]:
        """As the entry body holds it."""
        return {"method": self.method, "time": time_text(self.time)}


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A snapshot of who acted: it stays true when the person is renamed or leaves."""

    id: str
    name: str
    kind: ActorKind
    roles: tuple[str, ...] = ()
    auth: Authentication | None = None

    def to_json(self) -> dict[str, Any]:
        """As the entry body holds it."""
        auth = self.auth.to_json() if self.auth else None
        return {"id": self.id, "name": self.name, "kind": self.kind, "roles": list(self.roles), "auth": auth}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the ledger."""

    seq: int
    """Its place, from 0 without gaps; also its leaf index in the Merkle tree."""
    time: datetime
    event: str
    subject: Subject
    refs: tuple[Subject, ...]
    actor: Actor
    data: Mapping[str, Any]
    prev_hash: str
    """Leaf hash of the entry before, 64 hexadecimal digits; zeros at 0."""
    leaf_hash: str
    """SHA-256(0x00 || body), 64 hexadecimal digits."""
    body: str
    """Canonical JSON (RFC 8785): what is hashed."""


def entry_from(body: str, leaf_hash: str) -> Entry:
    """The entry that a stored body states.

    Raises:
        IntegrityError: the body is not the JSON of an entry.
    """
    try:
        stated = stated_in(body)
    except ValueError as error:
        raise _no_entry(body, error) from error
    return entry_of(stated, body, leaf_hash)


def stated_in(body: str) -> Any:  # noqa: ANN401  # any JSON
    """What a body states, whatever it is.

    Raises:
        ValueError: it is no JSON, or its lists and objects lie in one another some 200 deep.
    """
    return from_json(body)


def entry_of(stated: Mapping[str, Any], body: str, leaf_hash: str) -> Entry:
    """The entry that a stored body states, where it has been read already.

    Raises:
        IntegrityError: it does not state an entry.
    """
    try:
        return Entry(
            seq=stated["seq"],
            time=parse_time(stated["time"]),
            event=stated["event"],
            subject=Subject(**stated["subject"]),
            refs=tuple(Subject(**ref) for ref in stated["refs"]),
            actor=actor_from(stated["actor"]),
            data=stated["data"],
            prev_hash=stated["prev_hash"],
            leaf_hash=leaf_hash,
            body=body,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _no_entry(body, error) from error


def actor_from(stated: Mapping[str, Any]) -> Actor:
    """The actor that ``Actor.to_json`` wrote."""
    auth = stated["auth"]
    return Actor(
        id=stated["id"],
        name=stated["name"],
        kind=stated["kind"],
        roles=tuple(stated["roles"]),
        auth=Authentication(method=auth["method"], time=parse_time(auth["time"])) if auth else None,
    )


def _no_entry(body: str, error: Exception) -> IntegrityError:
    return IntegrityError(f"an entry's body must state an entry, got {body[:80]!r}: {error}")
