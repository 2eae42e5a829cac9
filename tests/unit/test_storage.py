"""All or nothing: whatever goes wrong while writing, a reader sees the old or the new, and nothing is left behind."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from adapters_core.errors import BusyError, StorageError
from adapters_core.storage import atomic_file, atomic_folder, remove_files, write_files

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB; skipped where we may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except OSError as error:
        pytest.skip(f"cannot mount a small file system: {error}")
    if done.returncode != 0:
        pytest.skip("cannot mount a small file system here: root is needed")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607  # found as mount is


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files of at most 4 KiB in this process: a write that fails half-way, without root."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_files_are_removed_whether_or_not_they_are_there(tmp_path: Path) -> None:
    there, gone, other = (tmp_path / name for name in ("there", "gone", "other"))
    there.write_text("1")
    other.write_text("2")

    remove_files([there, gone])

    assert names(tmp_path) == ["other"]


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    with pytest.raises(StorageError, match="folder could not be removed"):
        remove_files([folder])


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"

    with atomic_folder(target) as staging:
        (staging / "sub").mkdir()
        (staging / "sub" / "a").write_text("1")
        assert not target.exists()

    assert (target / "sub" / "a").read_text() == "1"
    assert names(target.parent) == ["out"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_file_appears_whole_and_replaces_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"

    for text in ("first", "second"):
        with atomic_file(target) as staging:
            staging.write_text(text)
        assert target.read_text() == text

    assert names(target.parent) == ["a.txt"]
    assert target.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), SystemExit(3)])
def test_nothing_is_left_of_a_block_that_ends_badly(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "old.txt").write_text("old")

    def fail(staging: Path) -> None:
        staging.write_text("half")
        raise error

    with pytest.raises(type(error)), atomic_folder(tmp_path / "out") as staging:
        fail(staging / "half")
    with pytest.raises(type(error)), atomic_file(tmp_path / "old.txt") as staging:
        fail(staging)

    assert names(tmp_path) == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


def test_an_existing_folder_is_kept_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as staging:
        (staging / "a").write_text("first")

    with pytest.raises(StorageError, match="exists already: choose another folder"), atomic_folder(target):
        pytest.fail("never gets here")
    assert names(target) == ["a"]

    with atomic_folder(target, replace=True) as staging:
        (staging / "b").write_text("second")
    assert names(target) == ["b"]
    assert names(tmp_path) == ["out"]


def test_a_replacement_that_fails_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as staging:
        (staging / "a").write_text("first")
    rename = Path.rename

    def fail_for_new(self: Path, to: Path) -> Path:
        if to == target and "-old" not in self.name:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(StorageError, match="Input/output error"), atomic_folder(target, replace=True) as staging:
        (staging / "b").write_text("second")

    assert names(target) == ["a"]
    assert names(tmp_path) == ["out"]


def test_a_file_in_the_place_of_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")

    with pytest.raises(StorageError, match="must be a folder"), atomic_folder(tmp_path / "out", replace=True):
        pytest.fail("never gets here")

    assert (tmp_path / "out").read_text() == "a file"


def test_a_full_disk_is_an_error_that_leaves_nothing_half_written(small_disk: Path) -> None:
    with atomic_file(small_disk / "old") as staging:
        staging.write_bytes(b"old")

    with pytest.raises(StorageError, match="No space left on device"), atomic_file(small_disk / "old") as staging:
        staging.write_bytes(bytes(10**6))
    with pytest.raises(StorageError, match="No space left on device"), atomic_folder(small_disk / "out") as staging:
        (staging / "a").write_bytes(bytes(10**6))

    assert names(small_disk) == ["old"]
    assert (small_disk / "old").read_bytes() == b"old"


def test_a_full_disk_under_safetensors_is_the_same_error(small_disk: Path) -> None:
    tensors = {"a": torch.zeros(10**6)}

    with pytest.raises(StorageError, match="No space left on device"), atomic_file(small_disk / "a") as staging:
        save_file(tensors, staging)
    with pytest.raises(StorageError, match="No space left on device"), atomic_folder(small_disk / "out") as staging:
        save_file(tensors, staging / "a")

    assert names(small_disk) == []


@pytest.mark.usefixtures("small_files")
def test_a_write_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="File too large"), atomic_file(tmp_path / "a") as staging:
        save_file({"a": torch.zeros(10**4)}, staging)
    with pytest.raises(StorageError, match="File too large"), atomic_folder(tmp_path / "out") as staging:
        (staging / "a").write_bytes(bytes(10**5))

    assert names(tmp_path) == []


@pytest.mark.parametrize("call", ["os.fsync", "tempfile.mkstemp", "tempfile.mkdtemp"])
def test_a_disk_that_fails_in_any_call_is_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(call, fail)
    writers = {"os.fsync": (atomic_file, atomic_folder), "tempfile.mkstemp": (atomic_file,)}
    for write in writers.get(call, (atomic_folder,)):
        with pytest.raises(StorageError, match="No space left on device"), write(tmp_path / "out") as staging:
            (staging / "a" if staging.is_dir() else staging).write_text("half")

    assert names(tmp_path) == []


def test_a_damaged_file_that_is_read_inside_stays_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no tensors")

    with pytest.raises(SafetensorError), atomic_folder(tmp_path / "out"):
        load_file(tmp_path / "broken")


def test_a_folder_that_is_being_written_is_busy_for_another_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from adapters_core.storage import atomic_folder\n"
        "try:\n    with atomic_folder(Path(sys.argv[1])) as staging: (staging / 'b').touch()\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    with atomic_folder(tmp_path / "out") as staging:
        (staging / "a").touch()
        other = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "out")],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    assert other.stdout.startswith("BusyError another process is writing")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a"]


def test_many_writers_of_one_folder_never_write_at_once(tmp_path: Path) -> None:
    """The lock's file comes and goes: at no moment two writers hold a lock on the same name."""
    inside, most, wrong = [0], [0], []
    guard = threading.Lock()

    def write() -> None:
        for _ in range(40):
            try:
                with atomic_folder(tmp_path / "out", replace=True) as staging:
                    with guard:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                    (staging / "a").touch()
                    with guard:
                        inside[0] -= 1
            except BusyError:
                continue
            except BaseException as error:  # noqa: BLE001  # a thread must not swallow it
                wrong.append(error)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert most[0] == 1
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a"]


def test_the_lock_goes_after_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way round, a second writer could lock the old file while a third makes and locks a new one."""
    there: list[bool] = []

    class Watched(FileLock):
        def release(self, force: bool = False) -> None:  # noqa: FBT001, FBT002  # filelock's signature
            there.append(Path(self.lock_file).exists())
            super().release(force)

    monkeypatch.setattr("adapters_core.storage.FileLock", Watched)
    with atomic_folder(tmp_path / "out"):
        assert (tmp_path / ".out.lock").exists()

    assert there[0] is False


def test_a_writer_that_was_killed_blocks_nobody(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from adapters_core.storage import atomic_folder\n"
        "with atomic_folder(Path(sys.argv[1])) as staging: os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "out")],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert killed.returncode == -9

    with atomic_folder(tmp_path / "out") as staging:
        (staging / "a").touch()

    assert names(tmp_path / "out") == ["a"]


def test_files_appear_whole_in_folders_that_are_made_for_them(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    contents = {tmp_path / "old": b"new", tmp_path / "a" / "b" / "c": b"c" * 100_000, tmp_path / "a" / "d": b""}

    write_files(contents)

    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == contents


@pytest.mark.usefixtures("small_files")
def test_of_files_of_which_one_cannot_be_written_none_is_left(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")

    with pytest.raises(StorageError, match="big could not be written"):
        write_files({tmp_path / "old": b"new", tmp_path / "small": b"s", tmp_path / "big": b"b" * 10_000})

    assert names(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_files_are_on_the_disk_before_their_names_are_and_folders_are_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    done: list[str] = []
    sync, rename = os.fsync, Path.replace

    def syncing(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        done.append(f"sync {'file' if path.is_file() else path.name}")
        sync(handle)

    def renaming(path: Path, target: Path) -> Path:
        done.append(f"name {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "replace", renaming)
    write_files({tmp_path / "there" / name: b"x" for name in "ab"} | {tmp_path / "new" / "c": b"y"})

    assert done[:7] == [f"sync {tmp_path.name}", *["sync file"] * 3, "name a", "name b", "name c"]
    assert sorted(done[7:]) == ["sync new", "sync there"]
