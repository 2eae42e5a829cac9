"""The metrics of a run: one row a step, in order, whatever stopped it."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.errors import StorageError
from adapters_core.training.metrics_file import append_row, keep_until, read_rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "metrics.jsonl"
    for step in range(1, 6):
        append_row(path, {"step": step, "loss": step / 7})
    return path


def steps(path: Path) -> list[int]:
    return [row["step"] for row in read_rows(path)]


def test_rows_come_back_in_order(path: Path) -> None:
    assert list(read_rows(path))[:2] == [{"step": 1, "loss": 0.142857}, {"step": 2, "loss": 0.285714}]


def test_what_is_no_number_is_null(path: Path) -> None:
    append_row(path, {"step": 6, "loss": math.nan, "norm": math.inf})

    assert list(read_rows(path))[-1] == {"step": 6, "loss": None, "norm": None}


def test_a_file_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    keep_until(tmp_path / "none.jsonl", 3)

    assert list(read_rows(tmp_path / "none.jsonl")) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", range(7))
def test_later_rows_are_dropped(path: Path, step: int) -> None:
    keep_until(path, step)

    assert steps(path) == list(range(1, min(step, 5) + 1))
    assert [entry.name for entry in path.parent.iterdir()] == ["metrics.jsonl"]


def test_a_file_with_nothing_to_drop_is_left_alone(path: Path) -> None:
    before = path.stat().st_ino

    keep_until(path, 5)

    assert path.stat().st_ino == before


@given(cut=st.integers(0, 120), step=st.integers(0, 6))
def test_a_file_cut_short_anywhere_goes_on_with_whole_rows(
    tmp_path_factory: pytest.TempPathFactory, cut: int, step: int
) -> None:
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    for number in range(1, 6):
        append_row(path, {"step": number, "loss": 0.25})
    path.write_bytes(path.read_bytes()[:cut])
    whole = steps(path)

    keep_until(path, step)
    append_row(path, {"step": step + 1})

    assert steps(path) == [*(number for number in whole if number <= step), step + 1]
    assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize("line", ["", "[1]", "3", "null", '{"loss": 1}', '{"step": "2"}', "\udcff"])
def test_lines_that_are_no_rows_are_left_out(path: Path, line: str) -> None:
    with path.open("a", errors="surrogateescape") as file:
        file.write(line + "\n")

    assert steps(path) == [1, 2, 3, 4, 5]
    keep_until(path, 9)
    assert len(path.read_text().splitlines()) == 5


def test_a_place_that_cannot_be_written_is_named(path: Path) -> None:
    """The old file stays as it was: it is replaced, not written over."""
    before = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_text", _full)
        with pytest.raises(StorageError, match="No space left"):
            keep_until(path, 2)

    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["metrics.jsonl"]


def _full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")
