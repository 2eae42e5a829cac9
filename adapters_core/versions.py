"""Versions of our code and of the libraries that the numbers depend on."""

import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("torch", "transformers", "safetensors", "tokenizers", "numpy")


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that take part in generation."""
    return {"python": ".".join(map(str, sys.version_info[:3])), **{name: version(name) for name in LIBRARIES}}


@cache
def code_version() -> str:
    """Version of this package, with the commit where it runs from a checkout."""
    try:
        package = version("ringi")
    except PackageNotFoundError:
        package = "0+source"
    commit = commit_of(Path(__file__))
    return package if commit is None else f"{package}+{commit}"


def commit_of(file: Path) -> str | None:
    """Commit of the checkout that a file is part of, ``-dirty`` where it was changed since.

    None where there is no git, no repository, or one that does not know the file: a copy that was installed into
    somebody else's repository is not at that repository's commit.
    """
    if _git(file.parent, "ls-files", "--error-unmatch", "--", file.name) is None:
        return None
    return _git(file.parent, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  # our own arguments
            ["git", *arguments],  # noqa: S607
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # git is not installed, or may not be run
        return None
    return done.stdout.strip() if done.returncode == 0 else None
