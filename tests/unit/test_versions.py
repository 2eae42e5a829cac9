"""Versions: of the checkout that the code is part of, and of no other."""

import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from adapters_core.versions import LIBRARIES, code_version, commit_of, library_versions


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one module, committed."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "repository").mkdir()
    module = tmp_path / "repository" / "module.py"
    module.write_text("x = 1\n")
    for arguments in (["init", "-q"], ["add", "module.py"], ["commit", "-q", "-m", "first"]):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=module.parent, check=True)  # noqa: S607  # the git of this machine
    return module


def test_a_tracked_file_has_its_commit(checkout: Path) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607  # the git of this machine
        cwd=checkout.parent,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert commit_of(checkout) == head[:12]


def test_a_changed_checkout_says_so(checkout: Path) -> None:
    checkout.write_text("x = 2\n")

    assert str(commit_of(checkout)).endswith("-dirty")


def test_a_copy_installed_into_anothers_repository_is_not_at_its_commit(checkout: Path) -> None:
    installed = checkout.parent / ".venv" / "installed.py"
    installed.parent.mkdir()
    installed.write_text("x = 1\n")

    assert commit_of(installed) is None


def test_without_a_repository_there_is_no_commit(checkout: Path, tmp_path: Path) -> None:
    assert checkout.exists()
    (tmp_path / "alone.py").write_text("x = 1\n")

    assert commit_of(tmp_path / "alone.py") is None


def test_without_git_there_is_no_commit_and_no_error(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout.parent))

    assert commit_of(checkout) is None


def test_the_code_names_its_package_version_first() -> None:
    assert re.fullmatch(rf"{re.escape(version('ringi'))}(\+[0-9a-f]{{12}}(-dirty)?)?", code_version())


def test_every_library_that_numbers_depend_on_is_named() -> None:
    assert set(library_versions()) == {"python", *LIBRARIES}
    assert library_versions()["torch"] == version("torch")
