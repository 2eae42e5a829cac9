"""A real file system that is soon full."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoMountError(Exception):
    """This machine lets us mount nothing (root is needed)."""


@contextmanager
def mounted(folder: Path, *, kibibytes: int) -> Iterator[Path]:
    """A tmpfs of a size on a folder, which is made.

    Raises:
        NoMountError: that is not permitted here.
    """
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "none", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoMountError(str(error)) from error
    if done.returncode != 0:
        raise NoMountError(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607  # found as mount is
