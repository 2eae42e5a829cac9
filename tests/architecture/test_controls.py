"""The table of controls names code and tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "controls.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and "`" in line]


def named(row: str) -> list[tuple[Path, str]]:
    """(file, test or nothing) of the last column; ``::test`` alone is of the file before."""
    found: list[tuple[Path, str]] = []
    file = ROOT
    for path, test in re.findall(r"`([\w/]+(?:\.py)?)?(?:::(\w+))?`", row.split("|")[-2]):
        if path:
            file = ROOT / "tests" / re.sub(r"^G/", "unit/governance/", path)
        found.append((file, test))
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_control_names_tests_that_there_are(row: str) -> None:
    tests = named(row)

    assert tests
    for file, test in tests:
        assert file.exists(), file
        assert not test or f"def {test}(" in file.read_text(encoding="utf-8"), f"{file}::{test}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_control_names_code_that_there_is(row: str) -> None:
    code = re.findall(r"`((?:core:)?[\w/]+\.py|(?:core:)?\w+/[\w/]*)`", row.split("|")[2].replace("/*`", "/`"))

    assert code
    for path in code:
        place = path.replace("core:", "adapters_core/") if path.startswith("core:") else f"governance/{path}"
        assert (ROOT / place).exists() or (ROOT / path).exists(), path
