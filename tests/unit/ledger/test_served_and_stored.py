"""V3 and V4: files against digests, engines against the ledger; keys and their files."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from adapters_core.canonical import sha256_hex
from adapters_core.errors import IntegrityError, StorageError
from adapters_core.ledger import queries
from adapters_core.ledger.artifact_queries import is_deleted, needed_by
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.signing import (
    DECISION_TYPE,
    SigningKey,
    create_key,
    load_key,
    load_public,
    opened,
    public_from_json,
)
from adapters_core.ledger.verification.artifacts import artifact_path, verify_artifacts
from adapters_core.ledger.verification.serving import Loaded, Observed, verify_serving
from tests import ledger_cast as cast
from tests.ledger_story import approve, deploy, prepare, put, step

FILES = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"}
REPORT = b"report"


@pytest.fixture
def url(each_url: str) -> str:
    return each_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for data in (*FILES.values(), REPORT):
        path = artifact_path(tmp_path / "artifacts", sha256_hex(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "artifacts"


@pytest.fixture
def story(ledger: Ledger) -> Ledger:
    prepare(ledger)
    files = {name: sha256_hex(data) for name, data in FILES.items()}
    with ledger.write() as tx:
        put(tx, "adapter:generated", "a", cast.generated("a", artifact={"digest": "x", "files": files, "bytes": 9}))
        put(tx, "adapter:evaluated", "a", cast.evaluated(report_digest=sha256_hex(REPORT)))
    return ledger


def stored(ledger: Ledger, folder: Path, since: int = 0) -> list[tuple[str, str, int | None]]:
    with ledger.read() as db:
        return [(item.code, item.what, item.seq) for item in verify_artifacts(db, folder, since=since)]


def test_files_that_are_as_recorded_are_no_finding(story: Ledger, folder: Path) -> None:
    assert stored(story, folder) == []


@pytest.mark.parametrize("name", [*FILES, "evaluation report"])
def test_a_changed_or_missing_file_is_named(story: Ledger, folder: Path, name: str) -> None:
    path = artifact_path(folder, sha256_hex(FILES.get(name, REPORT)))
    what, seq = f"{name} of adapter {cast.digest('a')[:16]}", 2 if name in FILES else 3
    path.write_bytes(b"changed")
    assert stored(story, folder) == [("changed_artifact", what, seq)]
    path.unlink()
    assert stored(story, folder) == [("missing_artifact", what, seq)]
    assert stored(story, folder, since=4) == []


def test_what_was_deleted_with_an_entry_is_not_missed(story: Ledger, tmp_path: Path) -> None:
    assert len(stored(story, tmp_path / "none")) == 3
    step(story, "adapter:retired", "a", {"reason": "old"})
    step(story, "adapter:artifact_deleted", "a")

    assert stored(story, tmp_path / "none") == []


def test_a_file_that_no_entry_needs_is_named_once_it_has_had_its_time(story: Ledger, folder: Path) -> None:
    for data in (b"orphan", b"late"):
        path = artifact_path(folder, sha256_hex(data))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (100, 100) if data == b"orphan" else (300, 300))

    def unknown(**more: Any) -> list[str]:
        with story.read() as db:
            return [one.what for one in verify_artifacts(db, folder, **more) if one.code == "unknown_artifact"]

    assert unknown() == []
    assert unknown(settled=200) == [sha256_hex(b"orphan")]
    assert unknown(settled=200, since=3) == [], "who looks at some entries knows nothing of the others' files"


def test_a_deleted_file_that_is_still_there_is_named_and_the_report_on_it_is_not(story: Ledger, folder: Path) -> None:
    step(story, "adapter:retired", "a", {"reason": "old"})
    step(story, "adapter:artifact_deleted", "a")

    with story.read() as db:
        found = verify_artifacts(db, folder, settled=float("inf"))

    assert {one.code for one in found} == {"unknown_artifact"}
    assert {one.what for one in found} == {sha256_hex(data) for data in FILES.values()}


def test_a_file_is_needed_by_every_adapter_that_names_it_until_its_files_are_deleted(story: Ledger) -> None:
    shared, own, report, nobodys = (sha256_hex(data) for data in (*FILES.values(), REPORT, b"nobody's"))
    first, second = cast.digest("a"), cast.digest("b")
    with story.write() as tx:
        size = queries.size(tx)
        files = {"adapter_config.json": shared}
        put(tx, "adapter:generated", "b", cast.generated("b", artifact={"digest": "y", "files": files, "bytes": 2}))
    with story.read() as db:
        assert needed_by(db, [shared, own, nobodys]) == {shared: second, own: first}
        assert needed_by(db, [shared, own], besides=second) == {shared: first, own: first}
        assert needed_by(db, [shared, own], besides=first) == {shared: second}
        assert needed_by(db, [shared, own], since=size) == {shared: second}
        assert needed_by(db, [own, report], besides=first) == {report: first}
        assert not is_deleted(db, first)

    step(story, "adapter:retired", "a", {"reason": "old"})
    step(story, "adapter:artifact_deleted", "a")

    with story.read() as db:
        assert needed_by(db, [shared, own, report]) == {shared: second, report: first}, "reports stay"
        assert is_deleted(db, first)


B, X = cast.digest("b"), cast.digest("x")
RIGHT = Loaded(name="support-0123", adapter=B)


@pytest.mark.parametrize(
    ("loaded", "codes"),
    [
        ((RIGHT,), []),
        ((RIGHT, Loaded(name=f"evaluation-{B[:16]}", adapter=B)), []),
        ((Loaded(name=B[:16], adapter=B),), []),
        ((), ["not_served"]),
        ((Loaded(name=f"other-{B[:16]}", adapter=B),), ["not_served"]),
        ((Loaded(name="support-0123", adapter=X),), ["served_otherwise"]),
        ((Loaded(name="support-0123", adapter=None),), ["served_otherwise"]),
        ((RIGHT, Loaded(name=f"support-{X[:16]}", adapter=X)), ["served_unknown"]),
        ((RIGHT, Loaded(name=f"support-{B[:16]}", adapter=None)), ["served_unknown"]),
        ((RIGHT, Loaded(name="by-hand", adapter=B)), ["served_unknown"]),
        (None, ["not_served"]),
    ],
)
def test_what_is_served_otherwise_than_recorded_is_named(
    ledger: Ledger, loaded: tuple[Loaded, ...] | None, codes: list[str]
) -> None:
    prepare(ledger)
    approve(ledger, "b", request="r-1")
    deploy(ledger, "b", as_id="d-1")
    observed = [] if loaded is None else [Observed(engine="core", loaded=loaded)]
    with ledger.read() as db:
        assert [item.code for item in verify_serving(db, observed)] == codes


def test_an_engine_that_no_slot_names_serves_nothing_unknown_either(ledger: Ledger) -> None:
    prepare(ledger)
    stray = Observed(engine="other", loaded=(Loaded(name="by-hand", adapter=X),))
    with ledger.read() as db:
        found = verify_serving(db, [Observed(engine="core", loaded=()), stray])

    assert [(item.code, item.what) for item in found] == [("served_unknown", "engine other")]


def test_a_key_lies_in_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ledger.key"
    made = create_key(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path).public.key_id == made.public.key_id
    assert load_public(tmp_path / "keys" / "ledger.key.pub").key_id == made.public.key_id
    with pytest.raises(StorageError, match="never overwritten"):
        create_key(path)
    path.chmod(0o640)
    with pytest.raises(StorageError, match="chmod 600"):
        load_key(path)


def test_files_that_are_no_keys_are_refused(tmp_path: Path, key: SigningKey) -> None:
    path = tmp_path / "bad.key"
    with pytest.raises(StorageError, match="readable"):
        load_key(path)
    with pytest.raises(StorageError, match="readable"):
        load_public(path)
    path.write_text("no key")
    path.chmod(0o600)
    with pytest.raises(IntegrityError, match="Ed25519"):
        load_key(path)
    with pytest.raises(IntegrityError, match="public key"):
        load_public(path)
    stated = key.public.to_json()
    for bad in ({}, {**stated, "keyid": "0" * 64}, {**stated, "keyval": {"public": "x"}}, {**stated, "keyval": None}):
        with pytest.raises(IntegrityError):
            public_from_json(bad)


def test_a_statement_is_believed_for_its_signature_and_type_only(key: SigningKey, tmp_path: Path) -> None:
    envelope = key.sign({"request": "r-1"}, DECISION_TYPE)
    assert opened(envelope, [key.public], DECISION_TYPE) == {"request": "r-1"}

    stranger = create_key(tmp_path / "stranger.key")
    for given, keys, kind in (
        (envelope, [stranger.public], DECISION_TYPE),
        (envelope, [key.public], "application/other"),
        ({**envelope, "payload": "e30="}, [key.public], DECISION_TYPE),
        ({**envelope, "signatures": []}, [key.public], DECISION_TYPE),
        ({}, [key.public], DECISION_TYPE),
        (envelope, [], DECISION_TYPE),
    ):
        with pytest.raises(IntegrityError):
            opened(given, keys, kind)
