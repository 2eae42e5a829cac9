"""Every kind of tampering with the file or the database underneath is found, and named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import IntegrityError
from adapters_core.ledger.append import append
from adapters_core.ledger.chain import Frontier, leaf_hash
from adapters_core.ledger.checkpoints import latest_checkpoint, sign_checkpoint
from adapters_core.ledger.queries import find_entries, size
from adapters_core.ledger.records import Subject
from adapters_core.ledger.session import Ledger, open_ledger
from adapters_core.ledger.signing import CHECKPOINT_TYPE, SigningKey, create_key, unverified
from adapters_core.ledger.tables import checkpoints, entries
from adapters_core.ledger.verification.findings import Report
from adapters_core.ledger.verification.replay import rebuild_indexes
from adapters_core.ledger.verification.verify import mark_verified, verified_size, verified_when, verify
from tests import ledger_cast as cast
from tests.ledger_attacker import (
    body_of,
    change,
    drop_constraints,
    drop_guard,
    edited,
    owner,
    rechain,
    unguarded,
)
from tests.ledger_story import approve, deploy, prepare, step

LAST = 13
"""The last entry of the story. Its checkpoints cover 6 (approval), 8 (deployment) and 13 entries (second approval)."""


@pytest.fixture
def url(each_url: str) -> str:
    return each_url


@pytest.fixture
def story(ledger: Ledger) -> Ledger:
    prepare(ledger)
    approve(ledger, "a", request="r-1")
    deploy(ledger, "a", as_id="d-1")
    step(ledger, "person:created", "p-1", {"note": "one"})
    approve(ledger, "b", request="r-2")
    step(ledger, "person:created", "p-2")
    return ledger


def found(ledger: Ledger, key: SigningKey, **more: object) -> list[tuple[str, str]]:
    return [(finding.code, finding.what) for finding in report(ledger, key, **more).findings]


def report(ledger: Ledger, key: SigningKey, **more: object) -> Report:
    options = {"indexes": False, **more}
    with ledger.read() as db:
        return verify(db, [key.public], **options)  # type: ignore[arg-type]  # options are checked where they are used


def test_an_untouched_ledger_verifies(story: Ledger, key: SigningKey) -> None:
    result = report(story, key, indexes=True)

    assert result.ok
    assert result.levels == ("V0", "V1", "guards", "indexes")
    assert result.size == LAST + 1
    assert result.checkpoint == LAST
    with story.read() as db:
        assert result.size == size(db)


def test_an_empty_ledger_verifies(ledger: Ledger, key: SigningKey) -> None:
    result = report(ledger, key, indexes=True)

    assert result.ok
    assert (result.size, result.checkpoint) == (0, None)


@pytest.mark.parametrize("seq", [0, 4, LAST])
def test_a_changed_body_is_named(story: Ledger, key: SigningKey, url: str, seq: int) -> None:
    with unguarded(url) as db:
        change(db, seq, body=edited(body_of(db, seq)))

    assert found(story, key) == [("changed_body", f"entry {seq}")]


@pytest.mark.parametrize("seq", [0, 4, LAST - 2])
def test_a_changed_body_is_named_when_its_hash_was_recomputed(
    story: Ledger, key: SigningKey, url: str, seq: int
) -> None:
    with unguarded(url) as db:
        body = edited(body_of(db, seq))
        change(db, seq, body=body, leaf_hash=leaf_hash(body.encode()).hex())

    assert ("changed_body", f"entry {seq}") in found(story, key)
    assert {code for code, _ in found(story, key)} <= {"changed_body", "changed_nodes", "changed_hash"}


def test_a_body_that_is_no_json_is_named(story: Ledger, key: SigningKey, url: str) -> None:
    with unguarded(url) as db:
        change(db, 3, body="not json")

    assert ("changed_body", "entry 3") in found(story, key)


@pytest.mark.parametrize("column", ["leaf_hash", "prev_hash"])
def test_a_changed_hash_is_named(story: Ledger, key: SigningKey, url: str, column: str) -> None:
    with unguarded(url) as db:
        change(db, 5, **{column: "f" * 64})

    assert found(story, key) == [("changed_hash", "entry 5")]


def test_changed_tree_nodes_are_named(story: Ledger, key: SigningKey, url: str) -> None:
    with unguarded(url) as db:
        change(db, 5, nodes=bytes(32))

    assert found(story, key) == [("changed_nodes", "entry 5")]


@pytest.mark.parametrize("seq", [0, 4, LAST - 1])
def test_a_removed_entry_is_named(story: Ledger, key: SigningKey, url: str, seq: int) -> None:
    with unguarded(url) as db:
        db.execute(delete(entries).where(entries.c.seq == seq))

    assert ("removed_entry", f"entry {seq}") in found(story, key)
    assert not {code for code, _ in found(story, key)} & {"inserted_entry", "reordered_entry", "changed_body"}


def test_several_removed_entries_are_named_as_one_range(story: Ledger, key: SigningKey, url: str) -> None:
    with unguarded(url) as db:
        db.execute(delete(entries).where(entries.c.seq.between(3, 5)))

    assert ("removed_entry", "entries 3 to 5") in found(story, key)


def test_a_removed_entry_is_named_when_the_rest_moved_up(story: Ledger, key: SigningKey, url: str) -> None:
    with unguarded(url) as db:
        db.execute(delete(entries).where(entries.c.seq == 4))
        for seq in range(5, LAST + 1):
            change(db, seq, seq=seq - 1)

    assert ("removed_entry", "entry 4") in found(story, key)


def test_an_inserted_entry_is_named(story: Ledger, key: SigningKey, url: str) -> None:
    with unguarded(url) as db:
        kept = db.execute(select(entries).where(entries.c.seq == 4)).mappings().one()
        for seq in range(LAST, 3, -1):
            change(db, seq, seq=seq + 1)
        drop_constraints(db)  # which would have refused it
        forged = edited(kept["body"])
        db.execute(insert(entries).values({**kept, "body": forged, "leaf_hash": leaf_hash(forged.encode()).hex()}))

    codes = found(story, key)
    assert ("inserted_entry", "entry 4") in codes
    assert not {code for code, _ in codes} & {"removed_entry", "reordered_entry", "changed_body"}


def test_a_second_row_in_one_place_is_named_wherever_a_batch_ends(
    story: Ledger, key: SigningKey, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters_core.ledger.verification.stored.BATCH", 5)
    with unguarded(url) as db:
        drop_constraints(db)
        kept = db.execute(select(entries).where(entries.c.seq == 4)).mappings().one()
        db.execute(insert(entries).values({**kept, "body": edited(kept["body"])}))

    assert ("inserted_entry", "entry 4") in found(story, key)


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"seq": None}, ("reordered_entry", "entry -1")),
        ({"prev_hash": None}, ("changed_hash", "entry 5")),
        ({"leaf_hash": None}, ("changed_hash", "entry 5")),
        ({"nodes": None}, ("changed_nodes", "entry 5")),
        ({"body": None}, ("changed_body", "entry 5")),
        ({"body": DEEP}, ("changed_body", "entry 5")),
    ],
)
def test_a_row_that_no_table_would_take_is_named(
    story: Ledger, key: SigningKey, url: str, columns: dict[str, str | None], named: tuple[str, str]
) -> None:
    with unguarded(url) as db:
        drop_constraints(db)
        change(db, 5, **columns)

    assert named in found(story, key, indexes=True)


@pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        ("leaf_hash = CAST(x'ff' AS TEXT)", ("changed_hash", "entry 5")),
        ("nodes = 'text'", ("changed_nodes", "entry 5")),
        ("body = CAST(x'ff' AS TEXT)", ("changed_body", "entry 5")),
        ("body = x'ff'", ("changed_body", "entry 5")),
    ],
)
def test_what_sqlite_alone_stores_is_named(
    story: Ledger, key: SigningKey, url: str, assignment: str, named: tuple[str, str]
) -> None:
    with unguarded(url) as db:
        db.execute(text(f"UPDATE entries SET {assignment} WHERE seq = 5"))  # noqa: S608  # parameters of this test

    assert named in found(story, key, indexes=True)


def test_reordered_entries_are_named(story: Ledger, key: SigningKey, url: str) -> None:
    with unguarded(url) as db:
        for old, new in ((3, -1), (6, 3), (-1, 6)):
            change(db, old, seq=new)

    codes = found(story, key)
    assert ("reordered_entry", "entry 3") in codes
    assert ("reordered_entry", "entry 6") in codes
    assert not {code for code, _ in codes} & {"removed_entry", "inserted_entry", "changed_body"}


def test_entries_at_other_places_are_named(story: Ledger, key: SigningKey, url: str) -> None:
    with unguarded(url) as db:
        change(db, LAST, seq=LAST + 100)

    assert ("changed_place", f"entry {LAST + 100}") in found(story, key)


@pytest.mark.parametrize(("first", "what"), [(2, "entries 0 to 5"), (10, "entries 8 to 12"), (0, "entries 0 to 5")])
def test_a_rechained_tail_is_caught_by_the_next_checkpoint(
    story: Ledger, key: SigningKey, url: str, first: int, what: str
) -> None:
    with unguarded(url) as db:
        rechain(db, first)

    assert found(story, key) == [("rechained_tail", what)]


def test_a_tail_that_was_cut_off_is_caught_by_its_checkpoint(story: Ledger, key: SigningKey, url: str) -> None:
    with unguarded(url) as db:
        db.execute(delete(entries).where(entries.c.seq > 7))

    assert found(story, key) == [("truncated", "entries 8 to 12")]


def test_a_tail_cut_off_with_its_checkpoints_is_caught_by_one_kept_elsewhere(
    story: Ledger, key: SigningKey, url: str
) -> None:
    with story.read() as db:
        kept = latest_checkpoint(db)
    with unguarded(url) as db:
        db.execute(delete(entries).where(entries.c.seq > 7))
        db.execute(delete(checkpoints).where(checkpoints.c.size > 8))

    assert kept is not None
    assert found(story, key) == []
    assert found(story, key, anchors=[kept.envelope]) == [("truncated", "entries 8 to 12")]


def test_a_ledger_made_anew_is_caught_by_a_checkpoint_kept_elsewhere(story: Ledger, key: SigningKey, url: str) -> None:
    with story.read() as db:
        kept = latest_checkpoint(db)
    with unguarded(url) as db:
        rechain(db, 2)
        db.execute(delete(checkpoints))
    with story.write() as tx:
        sign_checkpoint(tx, key)

    assert kept is not None
    assert found(story, key) == []
    assert found(story, key, anchors=[kept.envelope]) == [("anchor_contradicted", f"checkpoint {LAST}")]


def test_a_forged_anchor_is_named(story: Ledger, key: SigningKey, tmp_path: Path) -> None:
    stranger = create_key(tmp_path / "stranger.key")
    forged = stranger.sign({"size": 3}, CHECKPOINT_TYPE)

    assert found(story, key, anchors=[forged]) == [("replaced_checkpoint", "anchor 1")]


def replace_checkpoint(db: Connection, **columns: str | None) -> None:
    db.execute(update(checkpoints).where(checkpoints.c.size == 8).values(**columns))


def envelope_of(db: Connection, covered: int) -> str:
    return str(db.execute(select(checkpoints.c.envelope).where(checkpoints.c.size == covered)).scalar_one())


def replace_by_stranger(db: Connection, tmp_path: Path) -> None:
    stated = unverified(json.loads(envelope_of(db, 8)))
    forged = create_key(tmp_path / "stranger.key").sign(stated, CHECKPOINT_TYPE)
    replace_checkpoint(db, envelope=json.dumps(forged))


def replace_root(db: Connection, _: Path) -> None:
    replace_checkpoint(db, root_hash="0" * 64)


def replace_by_another(db: Connection, _: Path) -> None:
    replace_checkpoint(db, envelope=envelope_of(db, 6))


def replace_by_nonsense(db: Connection, _: Path) -> None:
    replace_checkpoint(db, envelope="[1]")


def replace_by_depth(db: Connection, _: Path) -> None:
    replace_checkpoint(db, envelope=DEEP)


def replace_by_no_number(db: Connection, _: Path) -> None:
    replace_checkpoint(db, envelope='{"payload": NaN}')


def replace_by_nothing(db: Connection, _: Path) -> None:
    drop_constraints(db)
    replace_checkpoint(db, envelope=None)


REPLACED = [
    replace_by_stranger,
    replace_root,
    replace_by_another,
    replace_by_nonsense,
    replace_by_depth,
    replace_by_no_number,
    replace_by_nothing,
]


@pytest.mark.parametrize("replace", REPLACED)
def test_a_replaced_checkpoint_is_named(
    story: Ledger, key: SigningKey, url: str, tmp_path: Path, replace: Callable[[Connection, Path], None]
) -> None:
    with unguarded(url) as db:
        replace(db, tmp_path)

    assert ("replaced_checkpoint", "checkpoint 8") in found(story, key)


def test_a_removed_checkpoint_is_named(story: Ledger, key: SigningKey, url: str) -> None:
    with unguarded(url) as db:
        db.execute(delete(checkpoints).where(checkpoints.c.size == 8))

    assert found(story, key) == [("removed_checkpoint", f"checkpoint {LAST}")]


def test_a_checkpoint_of_an_unknown_key_is_named(story: Ledger, tmp_path: Path) -> None:
    stranger = create_key(tmp_path / "stranger.key")

    assert {code for code, _ in found(story, stranger)} == {"replaced_checkpoint"}


@pytest.mark.parametrize(("table", "kind"), [("entries", "update"), ("checkpoints", "delete")])
def test_a_missing_guard_is_named(story: Ledger, key: SigningKey, url: str, table: str, kind: str) -> None:
    with owner(url) as db:
        drop_guard(db, table, kind)

    assert found(story, key) == [("missing_guard", f"guard {table}_guard_{kind}")]


INDEX_CHANGES = [
    ("UPDATE index_adapters SET state='approved' WHERE name='a'", "index_adapters"),
    ("UPDATE index_requests SET state='approved', stage=0 WHERE request='r-1'", "index_requests"),
    ("UPDATE index_slots SET adapter=NULL", "index_slots"),
    ("DELETE FROM index_entries WHERE seq=3", "index_entries"),
    ("UPDATE index_entries SET actor='nobody' WHERE seq=3", "index_entries"),
    ("DELETE FROM index_refs WHERE seq=5", "index_refs"),
    ("INSERT INTO index_roles VALUES ('p-1', 'admin', 3, 'now')", "index_roles"),
    ("INSERT INTO index_entries VALUES (99, 'now', 'x', 'x', 'x', 'x')", "index_entries"),
    ("INSERT INTO index_refs VALUES ('slot', 'x', 99)", "index_refs"),
]


@pytest.mark.parametrize(("statement", "table"), INDEX_CHANGES)
def test_a_changed_index_is_named_and_can_be_rebuilt(
    story: Ledger, key: SigningKey, url: str, statement: str, table: str
) -> None:
    with owner(url) as db:
        db.execute(text(statement))

    codes = found(story, key, indexes=True)
    assert codes
    assert all(code == "index_differs" and what.startswith(table) for code, what in codes)

    with story.write() as tx:
        assert rebuild_indexes(tx) == LAST + 1
    assert found(story, key, indexes=True) == []


def test_an_entry_that_could_not_happen_is_named(story: Ledger, key: SigningKey, url: str) -> None:
    with story.read() as db:
        last = find_entries(db, limit=1)[0]
    stated = json.loads(last.body) | {"seq": last.seq + 1, "prev_hash": last.leaf_hash, "event": "incident:closed"}
    stated["subject"] = {"kind": "incident", "id": "i-1"}
    stated["data"] = {"comment": "never raised"}
    body = canonical_bytes(stated).decode()
    with owner(url) as db:  # past our code, and past the guards: it goes to the end of the chain
        row = (last.seq + 1, last.leaf_hash, leaf_hash(body.encode()).hex(), _nodes(db, body), body)
        db.execute(insert(entries).values(row))

    assert ("illegal_entry", f"entry {last.seq + 1}") in found(story, key, indexes=True)


def _nodes(db: Connection, body: str) -> bytes:
    frontier = Frontier()
    for stored in db.execute(select(entries.c.body).order_by(entries.c.seq)).scalars():
        frontier, _ = frontier.push(leaf_hash(stored.encode()))
    return b"".join(frontier.push(leaf_hash(body.encode()))[1])


def test_verifying_goes_on_from_a_verified_checkpoint(story: Ledger, key: SigningKey, url: str) -> None:
    with story.write() as tx:
        mark_verified(tx, verify(tx, [key.public]))
    with story.read() as db:
        since = verified_size(db)
        assert verified_when(db) is not None
    step(story, "person:created", "p-3")

    later = report(story, key, since=since)

    assert since == LAST
    assert later.ok
    assert (later.since, later.size, later.checkpoint) == (since, LAST + 2, since)
    with unguarded(url) as db:
        change(db, LAST, body=edited(body_of(db, LAST)))
    assert ("changed_body", f"entry {LAST}") in found(story, key, since=since)


def test_a_checkpoint_that_does_not_hold_makes_the_whole_ledger_be_verified(
    story: Ledger, key: SigningKey, url: str
) -> None:
    with unguarded(url) as db:
        change(db, 7, nodes=bytes(32))

    result = report(story, key, since=LAST)

    assert result.since == 0
    assert [(finding.code, finding.what) for finding in result.findings] == [("changed_nodes", "entry 7")]
    assert report(story, key, since=5).since == 0


def test_a_ledger_with_findings_is_not_marked(story: Ledger, key: SigningKey, url: str) -> None:
    with unguarded(url) as db:
        db.execute(delete(checkpoints).where(checkpoints.c.size == 8))
    bad = report(story, key)

    with pytest.raises(IntegrityError, match="without findings"), story.write() as tx:
        mark_verified(tx, bad)


def test_a_ledger_without_a_key_signs_nothing_and_verifies(url: str, key: SigningKey) -> None:
    ledger = open_ledger(url)
    prepare(ledger)
    with ledger.write() as tx:
        append(
            tx,
            "policy:set",
            subject=Subject(kind="policy", id="p"),
            actor=cast.ADMIN,
            data=cast.policy(),
        )

    assert report(ledger, key).checkpoint is None
    assert report(ledger, key).ok
    ledger.close()
