"""States kept in files: what comes back is what went in, nothing is shared but bytes, and room is used again."""

import errno
import gc
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from adapters_core.errors import IntegrityError, StorageError
from adapters_core.modeling.kept_states import KeptStates
from adapters_core.modeling.state import ChunkState
from tests.full_disk import NoMountError, mounted


def chunk(number: int, size: int = 4) -> ChunkState:
    rng = torch.Generator().manual_seed(number)
    return ChunkState.of(torch.randn(2, size, size, generator=rng), commitment=f"c{number}", tokens=number + 1)


def kept_of(*numbers: int) -> KeptStates:
    kept = KeptStates()
    for number in numbers:
        kept[f"c{number}"] = chunk(number)
    return kept


def same(one: ChunkState, two: ChunkState) -> bool:
    return one.commitment == two.commitment and one.tokens == two.tokens and torch.equal(one.state_NKV, two.state_NKV)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def kept_files() -> Callable[[], list[int]]:
    """Sizes of the nameless files that were opened since."""
    before = {path.name for path in Path("/proc/self/fd").iterdir()}

    def sizes() -> list[int]:
        opened = (path for path in Path("/proc/self/fd").iterdir() if path.name not in before and path.exists())
        return [path.stat().st_size for path in opened if "(deleted)" in str(path.readlink())]

    return sizes


def test_what_comes_back_is_what_went_in_in_its_order() -> None:
    kept = kept_of(3, 1, 2)

    assert list(kept) == ["c3", "c1", "c2"]
    assert len(kept) == 3
    assert "c1" in kept
    assert "c4" not in kept
    assert all(same(kept[f"c{number}"], chunk(number)) for number in (1, 2, 3))


def test_what_is_read_is_a_copy() -> None:
    kept = kept_of(1)
    kept["c1"].state_NKV.zero_()

    assert same(kept["c1"], chunk(1))


def test_copies_share_the_file_and_nothing_else() -> None:
    one = kept_of(1, 2)
    before = open_files()
    two = one.copy()
    del two["c1"]
    two["c3"] = chunk(3)
    one["c4"] = chunk(4)

    assert open_files() == before
    assert list(one) == ["c1", "c2", "c4"]
    assert list(two) == ["c2", "c3"]
    assert all(same(one[name], chunk(int(name[1:]))) for name in one)
    assert all(same(two[name], chunk(int(name[1:]))) for name in two)


def test_a_chunk_that_is_not_kept_is_a_key_error() -> None:
    kept = kept_of(1)

    with pytest.raises(KeyError):
        kept["c2"]
    with pytest.raises(KeyError):
        del kept["c2"]


def test_the_file_has_no_name_and_goes_with_the_last_that_refers_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = open_files()
    one = kept_of(1)
    two = one.copy()

    assert list(tmp_path.iterdir()) == []
    del one
    gc.collect()
    assert same(two["c1"], chunk(1))
    del two
    gc.collect()
    assert open_files() == before


def test_threads_that_keep_at_once_lose_nothing() -> None:
    kept = kept_of(0)
    lines = [kept.copy() for _ in range(8)]

    def keep(line: int) -> None:
        for number in range(100 * line, 100 * line + 50):
            lines[line][f"c{number}"] = chunk(number)

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(keep, range(8)))

    for line, states in enumerate(lines):
        names = ["c0", *(f"c{number}" for number in range(100 * line, 100 * line + 50) if number)]
        assert list(states) == names
        assert all(same(states[name], chunk(int(name[1:]))) for name in names)


def test_a_full_temporary_folder_is_said_and_what_was_kept_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with mounted(tmp_path / "disk", kibibytes=64) as disk:
            monkeypatch.setattr(tempfile, "tempdir", str(disk))
            kept = kept_of(1)
            with pytest.raises(StorageError, match=r"in a temporary file: No space left on device .*TMPDIR"):
                kept["c2"] = chunk(2, size=256)
            assert list(kept) == ["c1"]
            assert same(kept["c1"], chunk(1))
            del kept
            gc.collect()
    except NoMountError as error:
        pytest.skip(f"cannot mount a small disk here: {error}")


def test_a_write_that_is_cut_into_parts_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    whole_write, whole_read = os.pwrite, os.preadv

    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: whole_write(fd, data[:10], offset))
    monkeypatch.setattr(os, "preadv", lambda fd, parts, offset: whole_read(fd, [parts[0][:7]], offset))

    assert same(kept_of(1)["c1"], chunk(1))


@pytest.mark.parametrize(
    ("failing", "call"),
    [
        ("pwrite", lambda: kept_of(1)),
        ("dup", lambda: kept_of(1)),
    ],
)
def test_a_disk_that_fails_is_a_storage_error(
    failing: str, call: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, failing, fail)

    with pytest.raises(StorageError, match="TMPDIR"):
        call()


def test_a_file_that_was_cut_short_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = kept_of(1)
    monkeypatch.setattr(os, "preadv", lambda *_arguments: 0)

    with pytest.raises(IntegrityError, match="cut short"):
        kept["c1"]


def test_a_file_that_cannot_be_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    kept = kept_of(1)
    monkeypatch.setattr(os, "preadv", fail)

    with pytest.raises(StorageError, match="could not be read back: Input/output error"):
        kept["c1"]


def test_no_temporary_folder_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_arguments: object, **_named: object) -> object:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", none)

    with pytest.raises(StorageError, match=r"No usable temporary directory found .*TMPDIR"):
        kept_of(1)


def test_the_room_of_what_no_mapping_refers_to_is_used_again(kept_files: Callable[[], list[int]]) -> None:
    window = kept_of(0)
    size = chunk(0).state_NKV.nbytes
    for number in range(1, 100):
        child = window.copy()
        child[f"c{number}"] = chunk(number)
        if number > 3:
            del child[f"c{number - 3}"]
        window = child

    assert all(same(window[name], chunk(int(name[1:]))) for name in window)
    assert kept_files() == [size * (len(window) + 1)]


def test_what_another_mapping_still_holds_is_not_written_over() -> None:
    parent = kept_of(1, 2)
    child = parent.copy()
    del child["c1"]
    for number in range(3, 20):
        child[f"c{number}"] = chunk(number)

    assert same(parent["c1"], chunk(1))
    assert all(same(child[name], chunk(int(name[1:]))) for name in child)


def test_a_failed_write_leaves_its_room_to_the_next(
    monkeypatch: pytest.MonkeyPatch, kept_files: Callable[[], list[int]]
) -> None:
    kept = kept_of(1)
    whole = os.pwrite

    def fail(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(StorageError):
        kept["c2"] = chunk(2)
    monkeypatch.setattr(os, "pwrite", whole)
    kept["c3"] = chunk(3)

    assert list(kept) == ["c1", "c3"]
    assert kept_files() == [2 * chunk(1).state_NKV.nbytes]
