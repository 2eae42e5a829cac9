"""The metrics of a run, one JSON object a line: each step once, whatever stopped the run in between."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from adapters_core.storage import atomic_file

NAME = "metrics.jsonl"
"""Of the file in a run's folder."""


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Add a row; NaN and infinity are written as null, others to six decimals.

    Raises:
        OSError: it could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({name: _written(value) for name, value in row.items()}) + "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(line)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows; a line that was cut short when a process was killed is left out, a missing file has none."""
    for line in _text(path).splitlines():
        if (row := _row(line)) is not None:
            yield row


def keep_until(path: Path, step: int) -> None:
    """Drop the rows after a step, which a resumed run makes again, and what was cut short.

    The file is replaced whole or not at all, and left alone where there is nothing to drop.

    Raises:
        StorageError: it could not be written.
    """
    text = _text(path)
    lines = [line for line in text.splitlines() if (row := _row(line)) is not None and row["step"] <= step]
    kept = "".join(f"{line}\n" for line in lines)
    if kept == text:
        return
    with atomic_file(path) as staging:
        staging.write_text(kept, encoding="utf-8")


def _text(path: Path) -> str:
    if not path.is_file():  # a device as well: it may have no end
        return ""
    return path.read_bytes().decode(errors="replace")


def _row(line: str) -> dict[str, Any] | None:
    with suppress(ValueError):
        row = json.loads(line)
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            return row
    return None


def _written(value: float) -> float | None:
    """A number as JSON holds it."""
    return round(value, 6) if math.isfinite(value) else None
