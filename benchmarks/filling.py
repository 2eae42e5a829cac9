"""Filling a ledger by the hundred thousand, for measurements: the ledger that appending one by one would have made.

Bodies, hashes, tree, indexes and checkpoints (at every decision and deployment) come from the ledger's own code; only
the rows are inserted many at a time. ``verify`` finds nothing to object to, which whoever fills has to show.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

from sqlalchemy import Table, delete, insert

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import IllegalTransitionError
from adapters_core.ledger import queries, vault
from adapters_core.ledger.approval_tables import INDEXES
from adapters_core.ledger.chain import leaf_hash
from adapters_core.ledger.checkpoints import sign_checkpoint, stored_frontier
from adapters_core.ledger.events import EVENTS
from adapters_core.ledger.index import entry_row
from adapters_core.ledger.index_tables import index_entries, index_refs
from adapters_core.ledger.records import Entry, entry_from, time_text
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.signing import SigningKey
from adapters_core.ledger.tables import entries
from adapters_core.ledger.transactions import Writer
from adapters_core.ledger.vault import MasterKey
from adapters_core.ledger.verification.replay import Replay
from benchmarks import population
from benchmarks.population import Step

BATCH = 10_000
PAUSE = timedelta(seconds=1)
"""Between two entries."""
TEXT = "当社の旅費規程では、日当は一日三千円とする。宿泊費は一泊一万二千円を上限とする。\n" * 40


def fill(ledger: Ledger, signer: SigningKey, master: MasterKey, *, adapters: int, since: datetime) -> int:
    """Append a population to a founded ledger; answers its size.

    Args:
        ledger: founded, in SQLite or PostgreSQL; nobody else writes to it meanwhile.
        signer: of the checkpoints.
        master: of the vault.
        adapters: how many; each brings ``population.ENTRIES_EACH`` entries.
        since: the time of the first one.

    Raises:
        IllegalTransitionError: the population does what the ledger does not allow.
    """
    serving: dict[int, str] = {}
    stories = (population.story(number, serving) for number in range(adapters))
    steps = chain(population.slots(), chain.from_iterable(stories))
    filling = _Filling(ledger, signer, since)
    while batch := tuple(islice(steps, BATCH)):
        with ledger.write() as tx:
            filling.take(tx, batch, every=ledger.checkpoint_every)
            for step in batch:
                if step.event == "context:submitted":
                    vault.seal_context(tx, master, step.subject.id, TEXT.encode(), [])
    with ledger.write() as tx:
        _store_indexes(tx, filling.replay)
    return filling.frontier.size


class _Filling:
    """The end of the ledger while it grows."""

    def __init__(self, ledger: Ledger, signer: SigningKey, since: datetime) -> None:
        """Begin where a ledger ends."""
        self.replay, self.signer, self.since = Replay(), signer, since
        with ledger.read() as db:
            for entry in queries.chain_entries(db):
                self.replay.take(entry)
                self.head = entry
            self.frontier = stored_frontier(db, self.head.seq + 1)
        self.rows: dict[Table, list[dict[str, Any]]] = {entries: [], index_entries: [], index_refs: []}

    def take(self, tx: Writer, steps: tuple[Step, ...], *, every: int) -> None:
        """Append a batch, with the checkpoints that would have been signed; other indexes are stored at the end."""
        for step in steps:
            self._append(step)
            if EVENTS[step.event].sealed or len(self.rows[entries]) >= every:
                self._store(tx)
                sign_checkpoint(tx, self.signer)
        self._store(tx)

    def _append(self, step: Step) -> None:
        self.since += PAUSE
        body = _body(step, self.head, self.since)
        leaf = leaf_hash(body)
        self.frontier, completed = self.frontier.push(leaf)
        self.head = entry_from(body.decode(), leaf.hex())
        found_by, finding = self.replay.take(self.head)
        if finding:
            raise IllegalTransitionError(f"{finding.what}: {finding.detail}")
        self.rows[entries].append({**_row(self.head), "nodes": b"".join(completed)})
        self.rows[index_entries].append(entry_row(self.head))
        self.rows[index_refs] += found_by

    def _store(self, tx: Writer) -> None:
        for table, rows in self.rows.items():
            if rows:
                tx.connection.execute(insert(table), rows)
                rows.clear()
        tx.frontiers.append(self.frontier)


def _body(step: Step, before: Entry, moment: datetime) -> bytes:
    return canonical_bytes(
        {
            "v": 1,
            "seq": before.seq + 1,
            "prev_hash": before.leaf_hash,
            "time": time_text(moment),
            "event": step.event,
            "subject": step.subject.to_json(),
            "refs": [],
            "actor": step.actor.to_json(),
            "data": dict(step.data),
        }
    )


def _row(entry: Entry) -> dict[str, Any]:
    return {"seq": entry.seq, "prev_hash": entry.prev_hash, "leaf_hash": entry.leaf_hash, "body": entry.body}


def _store_indexes(tx: Writer, replay: Replay) -> None:
    for table in INDEXES:
        if table in (index_entries, index_refs):
            continue
        tx.connection.execute(delete(table))
        rows = (dict(row) for row in replay.tables[table.name].values())
        for part in _parts(rows):
            tx.connection.execute(insert(table), part)


def _parts(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while part := list(islice(rows, BATCH)):
        yield part
