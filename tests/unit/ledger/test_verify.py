"""Every kind of tampering with the file underneath is found, and named."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import IntegrityError
from adapters_core.ledger.append import append
from adapters_core.ledger.chain import Frontier, leaf_hash
from adapters_core.ledger.checkpoints import latest_checkpoint, sign_checkpoint
from adapters_core.ledger.queries import find_entries, size
from adapters_core.ledger.records import Subject
from adapters_core.ledger.session import Ledger, open_ledger
from adapters_core.ledger.signing import CHECKPOINT_TYPE, SigningKey, create_key
from adapters_core.ledger.verification.findings import Report
from adapters_core.ledger.verification.replay import rebuild_indexes
from adapters_core.ledger.verification.verify import mark_verified, verified_size, verified_when, verify
from tests import ledger_cast as cast
from tests.ledger_story import approve, deploy, prepare, step

LAST = 13
"""The last entry of the story. Its checkpoints cover 6 (approval), 8 (deployment) and 13 entries (second approval)."""


@pytest.fixture
def story(ledger: Ledger) -> Ledger:
    prepare(ledger)
    approve(ledger, "a", request="r-1")
    deploy(ledger, "a", as_id="d-1")
    step(ledger, "person:created", "p-1", {"note": "one"})
    approve(ledger, "b", request="r-2")
    step(ledger, "person:created", "p-2")
    return ledger


@contextmanager
def file(path: Path) -> Iterator[sqlite3.Connection]:
    """The database file, as somebody sees it who takes the guards away first and puts them back afterwards."""
    with closing(sqlite3.connect(path)) as db:
        guards = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            db.execute(f"DROP TRIGGER {name}")
        yield db
        for _, sql in guards:
            db.execute(sql)
        db.commit()


def found(ledger: Ledger, key: SigningKey, **more: object) -> list[tuple[str, str]]:
    return [(finding.code, finding.what) for finding in report(ledger, key, **more).findings]


def report(ledger: Ledger, key: SigningKey, **more: object) -> Report:
    options = {"indexes": False, **more}
    with ledger.read() as db:
        return verify(db, [key.public], **options)  # type: ignore[arg-type]  # options are checked where they are used


def edited(body: str) -> str:
    """The body with other data, canonical still."""
    stated = json.loads(body)
    stated["data"] = {**stated["data"], "note": "changed"}
    return canonical_bytes(stated).decode()


def rechain(db: sqlite3.Connection, first: int) -> None:
    """Chain everything from an entry on anew, as somebody would who knows how: hashes, links and tree nodes."""
    rows = db.execute("SELECT seq, body, leaf_hash FROM entries ORDER BY seq").fetchall()
    frontier, head = Frontier(), "0" * 64
    for seq, body, stored in rows:
        stated = json.loads(body)
        if seq >= first:
            stated["prev_hash"] = head
            body = canonical_bytes(stated).decode()  # noqa: PLW2901  # the row as it is from here on
        leaf = leaf_hash(body.encode())
        frontier, nodes = frontier.push(leaf)
        if leaf.hex() != stored or seq >= first:
            columns = (body, leaf.hex(), head, b"".join(nodes), seq)
            db.execute("UPDATE entries SET body=?, leaf_hash=?, prev_hash=?, nodes=? WHERE seq=?", columns)
        head = leaf.hex()


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
def test_a_changed_body_is_named(story: Ledger, key: SigningKey, path: Path, seq: int) -> None:
    with file(path) as db:
        (body,) = db.execute("SELECT body FROM entries WHERE seq=?", (seq,)).fetchone()
        db.execute("UPDATE entries SET body=? WHERE seq=?", (edited(body), seq))

    assert found(story, key) == [("changed_body", f"entry {seq}")]


@pytest.mark.parametrize("seq", [0, 4, LAST - 2])
def test_a_changed_body_is_named_when_its_hash_was_recomputed(
    story: Ledger, key: SigningKey, path: Path, seq: int
) -> None:
    with file(path) as db:
        (body,) = db.execute("SELECT body FROM entries WHERE seq=?", (seq,)).fetchone()
        digest = leaf_hash(edited(body).encode()).hex()
        db.execute("UPDATE entries SET body=?, leaf_hash=? WHERE seq=?", (edited(body), digest, seq))

    assert ("changed_body", f"entry {seq}") in found(story, key)
    assert {code for code, _ in found(story, key)} <= {"changed_body", "changed_nodes", "changed_hash"}


def test_a_body_that_is_no_json_is_named(story: Ledger, key: SigningKey, path: Path) -> None:
    with file(path) as db:
        db.execute("UPDATE entries SET body='not json' WHERE seq=3")

    assert ("changed_body", "entry 3") in found(story, key)


@pytest.mark.parametrize("column", ["leaf_hash", "prev_hash"])
def test_a_changed_hash_is_named(story: Ledger, key: SigningKey, path: Path, column: str) -> None:
    with file(path) as db:
        db.execute("UPDATE entries SET column=? WHERE seq=5".replace("column", column), ("f" * 64,))

    assert found(story, key) == [("changed_hash", "entry 5")]


def test_changed_tree_nodes_are_named(story: Ledger, key: SigningKey, path: Path) -> None:
    with file(path) as db:
        db.execute("UPDATE entries SET nodes=zeroblob(32) WHERE seq=5")

    assert found(story, key) == [("changed_nodes", "entry 5")]


@pytest.mark.parametrize("seq", [0, 4, LAST - 1])
def test_a_removed_entry_is_named(story: Ledger, key: SigningKey, path: Path, seq: int) -> None:
    with file(path) as db:
        db.execute("DELETE FROM entries WHERE seq=?", (seq,))

    assert ("removed_entry", f"entry {seq}") in found(story, key)
    assert not {code for code, _ in found(story, key)} & {"inserted_entry", "reordered_entry", "changed_body"}


def test_several_removed_entries_are_named_as_one_range(story: Ledger, key: SigningKey, path: Path) -> None:
    with file(path) as db:
        db.execute("DELETE FROM entries WHERE seq BETWEEN 3 AND 5")

    assert ("removed_entry", "entries 3 to 5") in found(story, key)


def test_a_removed_entry_is_named_when_the_rest_moved_up(story: Ledger, key: SigningKey, path: Path) -> None:
    with file(path) as db:
        db.execute("DELETE FROM entries WHERE seq=4")
        for seq in range(5, LAST + 1):
            db.execute("UPDATE entries SET seq=? WHERE seq=?", (seq - 1, seq))

    assert ("removed_entry", "entry 4") in found(story, key)


def test_an_inserted_entry_is_named(story: Ledger, key: SigningKey, path: Path) -> None:
    with file(path) as db:
        body, prev = db.execute("SELECT body, prev_hash FROM entries WHERE seq=4").fetchone()
        for seq in range(LAST, 3, -1):
            db.execute("UPDATE entries SET seq=? WHERE seq=?", (seq + 1, seq))
        db.execute("DROP TABLE IF EXISTS copy")
        db.execute("CREATE TABLE copy AS SELECT * FROM entries")
        db.execute("DROP TABLE entries")
        db.execute(  # without the unique link, which would have refused it
            "CREATE TABLE entries (seq INTEGER PRIMARY KEY, prev_hash TEXT, leaf_hash TEXT, nodes BLOB, body TEXT)"
        )
        db.execute("INSERT INTO entries SELECT * FROM copy")
        forged = edited(body)
        row = (4, prev, leaf_hash(forged.encode()).hex(), b"", forged)
        db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", row)

    codes = found(story, key)
    assert ("inserted_entry", "entry 4") in codes
    assert not {code for code, _ in codes} & {"removed_entry", "reordered_entry", "changed_body"}


def test_reordered_entries_are_named(story: Ledger, key: SigningKey, path: Path) -> None:
    with file(path) as db:
        for old, new in ((3, -1), (6, 3), (-1, 6)):
            db.execute("UPDATE entries SET seq=? WHERE seq=?", (new, old))

    codes = found(story, key)
    assert ("reordered_entry", "entry 3") in codes
    assert ("reordered_entry", "entry 6") in codes
    assert not {code for code, _ in codes} & {"removed_entry", "inserted_entry", "changed_body"}


def test_entries_at_other_places_are_named(story: Ledger, key: SigningKey, path: Path) -> None:
    with file(path) as db:
        db.execute("UPDATE entries SET seq=seq+100 WHERE seq=?", (LAST,))

    assert ("changed_place", f"entry {LAST + 100}") in found(story, key)


@pytest.mark.parametrize(("first", "what"), [(2, "entries 0 to 5"), (10, "entries 8 to 12"), (0, "entries 0 to 5")])
def test_a_rechained_tail_is_caught_by_the_next_checkpoint(
    story: Ledger, key: SigningKey, path: Path, first: int, what: str
) -> None:
    with file(path) as db:
        (body,) = db.execute("SELECT body FROM entries WHERE seq=?", (first,)).fetchone()
        db.execute("UPDATE entries SET body=? WHERE seq=?", (edited(body), first))
        rechain(db, first)

    assert found(story, key) == [("rechained_tail", what)]


def test_a_tail_that_was_cut_off_is_caught_by_its_checkpoint(story: Ledger, key: SigningKey, path: Path) -> None:
    with file(path) as db:
        db.execute("DELETE FROM entries WHERE seq > 7")

    assert found(story, key) == [("truncated", "entries 8 to 12")]


def test_a_tail_cut_off_with_its_checkpoints_is_caught_by_one_kept_elsewhere(
    story: Ledger, key: SigningKey, path: Path
) -> None:
    with story.read() as db:
        kept = latest_checkpoint(db)
    with file(path) as db:
        db.execute("DELETE FROM entries WHERE seq > 7")
        db.execute("DELETE FROM checkpoints WHERE size > 8")

    assert kept is not None
    assert found(story, key) == []
    assert found(story, key, anchors=[kept.envelope]) == [("truncated", "entries 8 to 12")]


def test_a_ledger_made_anew_is_caught_by_a_checkpoint_kept_elsewhere(
    story: Ledger, key: SigningKey, path: Path
) -> None:
    with story.read() as db:
        kept = latest_checkpoint(db)
    with file(path) as db:
        (body,) = db.execute("SELECT body FROM entries WHERE seq=2").fetchone()
        db.execute("UPDATE entries SET body=? WHERE seq=2", (edited(body),))
        rechain(db, 2)
        db.execute("DELETE FROM checkpoints")
    with story.write() as tx:
        sign_checkpoint(tx, key)

    assert kept is not None
    assert found(story, key) == []
    assert found(story, key, anchors=[kept.envelope]) == [("anchor_contradicted", f"checkpoint {LAST}")]


def test_a_forged_anchor_is_named(story: Ledger, key: SigningKey, tmp_path: Path) -> None:
    stranger = create_key(tmp_path / "stranger.key")
    forged = stranger.sign({"size": 3}, CHECKPOINT_TYPE)

    assert found(story, key, anchors=[forged]) == [("replaced_checkpoint", "anchor 1")]


def replace_by_stranger(db: sqlite3.Connection, tmp_path: Path) -> None:
    (envelope,) = db.execute("SELECT envelope FROM checkpoints WHERE size=8").fetchone()
    from adapters_core.ledger.signing import unverified

    forged = create_key(tmp_path / "stranger.key").sign(unverified(json.loads(envelope)), CHECKPOINT_TYPE)
    db.execute("UPDATE checkpoints SET envelope=? WHERE size=8", (json.dumps(forged),))


def replace_root(db: sqlite3.Connection, _: Path) -> None:
    db.execute("UPDATE checkpoints SET root_hash=? WHERE size=8", ("0" * 64,))


def replace_by_another(db: sqlite3.Connection, _: Path) -> None:
    (envelope,) = db.execute("SELECT envelope FROM checkpoints WHERE size=6").fetchone()
    db.execute("UPDATE checkpoints SET envelope=? WHERE size=8", (envelope,))


def replace_by_nonsense(db: sqlite3.Connection, _: Path) -> None:
    db.execute("UPDATE checkpoints SET envelope='[1]' WHERE size=8")


@pytest.mark.parametrize("replace", [replace_by_stranger, replace_root, replace_by_another, replace_by_nonsense])
def test_a_replaced_checkpoint_is_named(
    story: Ledger, key: SigningKey, path: Path, tmp_path: Path, replace: Callable[[sqlite3.Connection, Path], None]
) -> None:
    with file(path) as db:
        replace(db, tmp_path)

    assert ("replaced_checkpoint", "checkpoint 8") in found(story, key)


def test_a_removed_checkpoint_is_named(story: Ledger, key: SigningKey, path: Path) -> None:
    with file(path) as db:
        db.execute("DELETE FROM checkpoints WHERE size=8")

    assert found(story, key) == [("removed_checkpoint", f"checkpoint {LAST}")]


def test_a_checkpoint_of_an_unknown_key_is_named(story: Ledger, tmp_path: Path) -> None:
    stranger = create_key(tmp_path / "stranger.key")

    assert {code for code, _ in found(story, stranger)} == {"replaced_checkpoint"}


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DROP TRIGGER entries_guard_update", "guard entries_guard_update"),
        ("DROP TRIGGER checkpoints_guard_delete", "guard checkpoints_guard_delete"),
    ],
)
def test_a_missing_guard_is_named(story: Ledger, key: SigningKey, path: Path, statement: str, what: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)

    assert found(story, key) == [("missing_guard", what)]


def test_a_guard_without_teeth_is_named(story: Ledger, key: SigningKey, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TRIGGER entries_guard_update")
        db.execute("CREATE TRIGGER entries_guard_update BEFORE UPDATE ON entries BEGIN SELECT 1; END")

    assert found(story, key) == [("missing_guard", "guard entries_guard_update")]


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
    story: Ledger, key: SigningKey, path: Path, statement: str, table: str
) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()

    codes = found(story, key, indexes=True)
    assert codes
    assert all(code == "index_differs" and what.startswith(table) for code, what in codes)

    with story.write() as tx:
        assert rebuild_indexes(tx) == LAST + 1
    assert found(story, key, indexes=True) == []


def test_an_entry_that_could_not_happen_is_named(story: Ledger, key: SigningKey, path: Path) -> None:
    with story.read() as db:
        last = find_entries(db, limit=1)[0]
    stated = json.loads(last.body) | {"seq": last.seq + 1, "prev_hash": last.leaf_hash, "event": "incident:closed"}
    stated["subject"] = {"kind": "incident", "id": "i-1"}
    stated["data"] = {"comment": "never raised"}
    body = canonical_bytes(stated).decode()
    with closing(sqlite3.connect(path)) as db:  # past our code, and past the guards: it goes to the end of the chain
        row = (last.seq + 1, last.leaf_hash, leaf_hash(body.encode()).hex(), _nodes(db, body), body)
        db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", row)
        db.commit()

    assert ("illegal_entry", f"entry {last.seq + 1}") in found(story, key, indexes=True)


def _nodes(db: sqlite3.Connection, body: str) -> bytes:
    frontier = Frontier()
    for (stored,) in db.execute("SELECT body FROM entries ORDER BY seq"):
        frontier, _ = frontier.push(leaf_hash(stored.encode()))
    return b"".join(frontier.push(leaf_hash(body.encode()))[1])


def test_verifying_goes_on_from_a_verified_checkpoint(story: Ledger, key: SigningKey, path: Path) -> None:
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
    with file(path) as db:
        (body,) = db.execute("SELECT body FROM entries WHERE seq=?", (LAST,)).fetchone()
        db.execute("UPDATE entries SET body=? WHERE seq=?", (edited(body), LAST))
    assert ("changed_body", f"entry {LAST}") in found(story, key, since=since)


def test_a_checkpoint_that_does_not_hold_makes_the_whole_ledger_be_verified(
    story: Ledger, key: SigningKey, path: Path
) -> None:
    with file(path) as db:
        db.execute("UPDATE entries SET nodes=zeroblob(32) WHERE seq=7")

    result = report(story, key, since=LAST)

    assert result.since == 0
    assert [(finding.code, finding.what) for finding in result.findings] == [("changed_nodes", "entry 7")]
    assert report(story, key, since=5).since == 0


def test_a_ledger_with_findings_is_not_marked(story: Ledger, key: SigningKey, path: Path) -> None:
    with file(path) as db:
        db.execute("DELETE FROM checkpoints WHERE size=8")
    bad = report(story, key)

    with pytest.raises(IntegrityError, match="without findings"), story.write() as tx:
        mark_verified(tx, bad)


def test_a_ledger_without_a_key_signs_nothing_and_verifies(path: Path, key: SigningKey) -> None:
    ledger = open_ledger(path)
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
