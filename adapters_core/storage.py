"""Writing so that a reader sees all or nothing, and one writer at a time."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from adapters_core.errors import BusyError, StorageError


@contextmanager
def atomic_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder that becomes ``target`` when the block ends well, and vanishes when it does not.

    Two processes that write the same target: one of them gets it, the other an error.

    Args:
        target: the folder to make.
        replace: whether an existing one is replaced.

    Raises:
        StorageError: the target exists (or is no folder), or a write failed (disk full, no permission).
        BusyError: another process is writing it now.
    """
    with exclusive(target), _storage_errors(target):
        if target.exists() and not replace:
            raise StorageError(f"{target} exists already: choose another folder, or remove it first")
        if target.exists() and not target.is_dir():
            raise StorageError(f"{target} must be a folder to be replaced, it is a file")
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            yield staging
            staging.chmod(0o755)
            sync_tree(staging)
            if target.exists():
                _swap(staging, target)
            else:
                staging.rename(target)
            _sync(target.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """A temporary path in the target's folder that replaces the target when the block ends well.

    Raises:
        StorageError: a write failed.
    """
    with _storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        os.close(handle)
        staging = Path(name)
        try:
            yield staging
            staging.chmod(0o644)
            _sync(staging)
            staging.replace(target)
            _sync(target.parent)
        finally:
            staging.unlink(missing_ok=True)


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files, each of them whole or not at all; they are on the disk when this returns.

    All are written before the first is waited for, and a folder is waited for once: a journal that took them together
    has little left to do for the later ones.

    Args:
        contents: target -> bytes; a file that is there is replaced.

    Raises:
        StorageError: a write failed. Nothing is left of the files but those that were there, or were whole already.
    """
    staged: dict[Path, Path] = {}
    try:
        for target, data in contents.items():
            with _storage_errors(target):
                _make_folder(target.parent)
                handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
                staged[target] = Path(name)
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                staged[target].chmod(0o644)
        for target, staging in staged.items():
            with _storage_errors(target):
                _sync(staging)
        for target, staging in staged.items():
            with _storage_errors(target):
                staging.replace(target)
        for folder in {target.parent for target in staged}:
            with _storage_errors(folder):
                _sync(folder)
    finally:
        for staging in staged.values():
            staging.unlink(missing_ok=True)


def remove_files(targets: Iterable[Path]) -> None:
    """Remove files; that they are gone is on the disk when this returns. One that is not there is no error.

    Raises:
        StorageError: one could not be removed, others may be gone.
    """
    folders = set()
    for target in targets:
        try:
            target.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageError(f"{target} could not be removed: {error.strerror}") from error
        folders.add(target.parent)
    for folder in folders:
        with _storage_errors(folder):
            _sync(folder)


def sync_tree(folder: Path) -> None:
    """Flush every file and folder below to the disk."""
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


@contextmanager
def exclusive(target: Path) -> Iterator[None]:
    """The only writer of a target while the block runs, among all processes that ask in this way.

    Raises:
        BusyError: another one is writing it now.
        StorageError: the lock's file, beside the target, could not be made.
    """
    with _storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    lock_path = target.parent / f".{target.name}.lock"
    lock = FileLock(lock_path)
    try:
        with _storage_errors(target):
            lock.acquire(timeout=0)
    except Timeout as error:
        raise BusyError(f"another process is writing {target}: wait for it, or choose another path") from error
    try:
        yield
    finally:
        # While the lock is held: whoever then gets hold of the removed file sees that it has no name, and starts over.
        # The other way round, a third process could make a new file beside one that another already holds.
        with suppress(OSError):
            lock_path.unlink()
        lock.release()


def _make_folder(folder: Path) -> None:
    """A folder that is on the disk under its name, and those above it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


@contextmanager
def _storage_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except Timeout:
        raise
    except OSError as error:
        raise _not_written(target, error.strerror or str(error)) from error
    except SafetensorError as error:
        if not str(error).startswith("Error while serializing"):  # reading: the file is damaged, not the disk full
            raise
        raise _not_written(target, str(error).rpartition("I/O error: ")[2]) from error


def _not_written(target: Path, reason: str) -> StorageError:
    return StorageError(f"{target} could not be written: {reason}; nothing was left behind")


def _swap(staging: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}-old")
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    try:
        staging.rename(target)
    except BaseException:  # Ctrl-C between the two steps as well
        if not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
