"""Packs are verified elsewhere: without the database, and against keys that the verifier trusts."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import InputError, StorageError, UnknownSubjectError
from adapters_core.ledger.checkpoints import sign_checkpoint
from adapters_core.ledger.pack import export_pack, export_slice, latest_proof
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.signing import SigningKey, create_key
from adapters_core.ledger.verification.offline import verify_pack
from tests.ledger_story import approve, deploy, prepare, step


@pytest.fixture
def story(ledger: Ledger) -> Ledger:
    prepare(ledger)
    approve(ledger, "a", request="r-1")
    deploy(ledger, "a", as_id="d-1")
    step(ledger, "person:created", "p-1")
    return ledger


@pytest.fixture
def whole(story: Ledger, key: SigningKey, tmp_path: Path) -> Path:
    path = tmp_path / "whole.zip"
    with story.read() as db:
        assert export_pack(db, path, [key.public]) == 9
    return path


@pytest.fixture
def part(story: Ledger, key: SigningKey, tmp_path: Path) -> Path:
    path = tmp_path / "slice.zip"
    with story.read() as db:
        assert export_slice(db, path, [5, 2], [key.public]).size == 6
    return path


def found(path: Path, key: SigningKey) -> list[tuple[str, str]]:
    return [(finding.code, finding.what) for finding in verify_pack(path, [key.public]).findings]


def edit(path: Path, name: str, change: Callable[[list[str]], list[str]]) -> Path:
    """The pack with one of its files changed."""
    with zipfile.ZipFile(path) as pack:
        files = {item: pack.read(item).decode() for item in pack.namelist()}
    files[name] = "".join(line + "\n" for line in change(files[name].splitlines()))
    with zipfile.ZipFile(path, "w") as pack:
        for item, text in files.items():
            pack.writestr(item, text)
    return path


def changed(line: str) -> str:
    return canonical_bytes({**json.loads(line), "event": "person:changed"}).decode()


def test_a_whole_pack_verifies(whole: Path, key: SigningKey) -> None:
    report = verify_pack(whole, [key.public])

    assert report.ok
    assert (report.size, report.checkpoint) == (9, 8)


def test_a_slice_verifies(part: Path, key: SigningKey) -> None:
    report = verify_pack(part, [key.public])

    assert report.ok
    assert (report.size, report.checkpoint) == (2, 6)


def test_a_pack_is_verified_without_database_and_heavy_libraries(whole: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from adapters_core.ledger.verification.offline import verify_pack\n"
        "report = verify_pack(pathlib.Path(sys.argv[1]), [])\n"
        "sys.exit(', '.join({'sqlalchemy', 'alembic', 'django', 'torch', 'mlflow'} & sys.modules.keys()) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, whole], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_pack_is_not_believed_for_its_own_keys(whole: Path, part: Path, tmp_path: Path) -> None:
    stranger = create_key(tmp_path / "stranger.key")

    assert {code for code, _ in found(whole, stranger)} == {"replaced_checkpoint"}
    assert {code for code, _ in found(part, stranger)} == {"replaced_checkpoint", "unproved_entry"}


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda lines: [*lines[:3], changed(lines[3]), *lines[4:]], ("changed_body", "entry 3")),
        (lambda lines: [*lines[:3], *lines[4:]], ("removed_entry", "entry 3")),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], ("reordered_entry", "entry 3")),
        (lambda lines: [*lines[:4], changed(lines[3]), *lines[4:]], ("inserted_entry", "entry 4")),
        (lambda lines: lines[:7], ("truncated", "entry 7")),
        (lambda lines: [*lines[:3], "nonsense", *lines[4:]], ("changed_body", "entry 3")),
    ],
)
def test_a_changed_pack_is_named(
    whole: Path, key: SigningKey, change: Callable[[list[str]], list[str]], finding: tuple[str, str]
) -> None:
    assert finding in found(edit(whole, "entries.jsonl", change), key)


def test_a_removed_checkpoint_of_a_pack_is_named(whole: Path, key: SigningKey) -> None:
    edit(whole, "checkpoints.jsonl", lambda lines: lines[1:])

    assert found(whole, key) == [("removed_checkpoint", "checkpoint 8")]


def test_a_changed_entry_of_a_slice_is_named(part: Path, key: SigningKey) -> None:
    def change(lines: list[str]) -> list[str]:
        proof = json.loads(lines[0])
        return [canonical_bytes({**proof, "body": changed(proof["body"])}).decode(), *lines[1:]]

    assert found(edit(part, "proved.jsonl", change), key) == [("unproved_entry", "entry 2")]


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"body":"x","path":["zz"]}', '{"body":1,"path":null}'])
def test_a_proof_that_is_none_is_named(part: Path, key: SigningKey, line: str) -> None:
    edit(part, "proved.jsonl", lambda lines: [line, *lines[1:]])

    assert [code for code, _ in found(part, key)] == ["unproved_entry"]


def test_entries_beyond_the_last_checkpoint_cannot_be_proved_yet(
    story: Ledger, key: SigningKey, tmp_path: Path
) -> None:
    with story.read() as db:
        assert latest_proof(db, 8) is None
        with pytest.raises(InputError, match="sign one first"):
            export_slice(db, tmp_path / "x.zip", [8], [key.public])
        with pytest.raises(InputError, match="name some"):
            export_slice(db, tmp_path / "x.zip", [], [key.public])
        with pytest.raises(UnknownSubjectError):
            export_slice(db, tmp_path / "x.zip", [99], [key.public])
    with story.write() as tx:
        sign_checkpoint(tx, key)
    with story.read() as db:
        proof = latest_proof(db, 8)
    assert proof is not None
    assert proof[1].size == 9


def test_what_is_no_pack_is_refused(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "x.zip"
    with pytest.raises(StorageError):
        verify_pack(path, [])
    path.write_bytes(b"not a zip")
    with pytest.raises(InputError, match="must be a pack"):
        verify_pack(path, [])
    with zipfile.ZipFile(path, "w") as pack:
        pack.writestr("other", "x")
    with pytest.raises(InputError, match="must be a pack"):
        verify_pack(path, [])
    for text in ("no json", '{"v":2}', "[]"):
        with pytest.raises(InputError, match=r"pack\.json|version 1"):
            verify_pack(edit(whole, "pack.json", lambda _, text=text: [text]), [])  # type: ignore[misc]
