"""Appending: one entry, its tree nodes and its search indexes, in the writer's transaction."""

from collections.abc import Iterable, Mapping
from typing import Any

import rfc8785
from sqlalchemy import bindparam, select

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import EntryError, IntegrityError
from adapters_core.ledger.chain import GENESIS, Frontier, leaf_hash
from adapters_core.ledger.checkpoints import stored_frontier
from adapters_core.ledger.events import DENIED, EVENTS, KINDS
from adapters_core.ledger.index import index_entry
from adapters_core.ledger.records import Actor, Entry, Subject, entry_from, time_text
from adapters_core.ledger.statements import insert_rows, query
from adapters_core.ledger.tables import entries
from adapters_core.ledger.transactions import Writer

MAX_BODY_BYTES = 4 * 2**20
MAX_ID = 255
_NEWEST = select(entries.c.seq, entries.c.leaf_hash).order_by(entries.c.seq.desc()).limit(1)
_BODY = select(entries.c.body).where(entries.c.seq == bindparam("place"))


def append(
    writer: Writer,
    event: str,
    *,
    subject: Subject,
    actor: Actor,
    data: Mapping[str, Any],
    refs: Iterable[Subject] = (),
) -> Entry:
    """Append one entry. It is there when the writer's block ends well, and not at all when it does not.

    Args:
        writer: the open write transaction.
        event: one of ``events.EVENTS``.
        subject: what the entry is about.
        actor: who acted.
        data: plain JSON; at least the fields that the event must carry.
        refs: other subjects by which the entry shall be found.

    Raises:
        EntryError: the event, subject, actor or data are not what the ledger takes.
        IllegalTransitionError: the subject is not in a state in which this can happen.
    """
    references = tuple(refs)
    _check(event, subject, actor, data, references)
    prev_hash, since = _head(writer)
    frontier = writer.frontiers[-1]
    body = _body(
        {
            "v": 1,
            "seq": frontier.size,
            "prev_hash": prev_hash,
            "time": max(time_text(writer.now), since),
            "event": event,
            "subject": subject.to_json(),
            "refs": [ref.to_json() for ref in references],
            "actor": actor.to_json(),
            "data": dict(data),
        }
    )
    leaf = leaf_hash(body)
    grown, completed = frontier.push(leaf)
    entry = _entry(body, leaf)
    index_entry(writer, entry)
    row = {
        "seq": entry.seq,
        "prev_hash": entry.prev_hash,
        "leaf_hash": entry.leaf_hash,
        "nodes": b"".join(completed),
        "body": entry.body,
    }
    insert_rows(writer.connection, entries, [row])
    writer.appended.append(entry)
    writer.frontiers.append(grown)
    return entry


def _check(event: str, subject: Subject, actor: Actor, data: Mapping[str, Any], refs: tuple[Subject, ...]) -> None:
    rule = EVENTS.get(event)
    if rule is None:
        raise EntryError(f"an event must be one of {sorted(EVENTS)}, got {event!r}")
    if event != DENIED and subject.kind != rule.kind:
        raise EntryError(f"{event} is about a {rule.kind}, got a {subject.kind}")
    for named in (subject, *refs):
        if named.kind not in KINDS:
            raise EntryError(f"a subject's kind must be one of {sorted(KINDS)}, got {named.kind!r}")
        if not 0 < len(named.id) <= MAX_ID:
            raise EntryError(f"an id of a {named.kind} has 1 to {MAX_ID} characters, got {len(named.id)}")
    if not actor.id or not actor.name or actor.kind not in {"person", "service", "system"}:
        raise EntryError(f"an actor needs an id, a name and a kind of person, service or system, got {actor}")
    if missing := [name for name in rule.fields if name not in data]:
        raise EntryError(f"the data of {event} must name {', '.join(missing)} (None where there is no value)")


def _body(stated: Mapping[str, Any]) -> bytes:
    try:
        body = canonical_bytes(stated)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise EntryError(f"an entry must be JSON in the sense of RFC 8785: {error}") from error
    if len(body) > MAX_BODY_BYTES:
        raise EntryError(f"an entry has at most {MAX_BODY_BYTES} bytes, got {len(body)}: store a file and its digest")
    return body


def _entry(body: bytes, leaf: bytes) -> Entry:
    try:
        return entry_from(body.decode(), leaf.hex())
    except IntegrityError as error:
        raise EntryError(f"what is appended must be readable: {error}") from error


def _head(writer: Writer) -> tuple[str, str]:
    """Hash and time of the entry before; the first call of a transaction also finds the tree before it."""
    if writer.appended:
        last = writer.appended[-1]
        return last.leaf_hash, time_text(last.time)
    newest = query(writer.connection, _NEWEST)
    if not newest:
        writer.frontiers.append(Frontier())
        return GENESIS, ""
    [(seq, leaf)] = newest
    if writer.known and leaf == writer.known.leaf_hash:
        writer.frontiers.append(writer.known.frontier)
        return leaf, writer.known.time
    writer.frontiers.append(stored_frontier(writer, seq + 1))
    [(body,)] = query(writer.connection, _BODY, place=seq)
    return leaf, time_text(entry_from(body, leaf).time)
