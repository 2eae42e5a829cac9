"""What verifying found: frozen records that name what is wrong, in words that a person can act on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Code = Literal[
    "changed_body",
    "changed_hash",
    "changed_nodes",
    "changed_place",
    "not_canonical",
    "removed_entry",
    "inserted_entry",
    "reordered_entry",
    "rechained_tail",
    "truncated",
    "replaced_checkpoint",
    "removed_checkpoint",
    "anchor_contradicted",
    "unproved_entry",
    "illegal_entry",
    "missing_guard",
    "index_differs",
    "changed_artifact",
    "missing_artifact",
    "unknown_artifact",
    "not_served",
    "served_otherwise",
    "served_unknown",
]
Level = Literal["V0", "V1", "V3", "V4", "indexes", "guards"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it was recorded."""

    level: Level
    code: Code
    what: str
    """Which entry, checkpoint, file, row or slot."""
    detail: str
    """What holds there, and what should."""
    seq: int | None = None
    """The entry concerned, the first one of a range."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The outcome of verifying."""

    levels: tuple[Level, ...]
    """What was checked."""
    since: int
    """Entries before this one were covered by a signed checkpoint that was verified earlier; 0 for a full run."""
    size: int
    """Entries that the ledger holds."""
    root_hash: str
    """Root over all of them, computed anew."""
    checkpoint: int | None
    """Size of the newest checkpoint that holds; None where there is none."""
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether everything is as it was recorded."""
        return not self.findings


def spans(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Runs of consecutive numbers, as (first, last)."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def entries_named(first: int, last: int) -> str:
    """``entry 5`` or ``entries 5 to 9``."""
    return f"entry {first}" if first == last else f"entries {first} to {last}"
