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
    found = subprocess.run(  # noqa: S603  # fixed arguments
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],  # noqa: S607
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{package}+{found.stdout.strip()}" if found.returncode == 0 else package
