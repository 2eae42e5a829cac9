"""Files by their SHA-256: written once, whole or not at all, and checked whenever they are read."""

import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from adapters_core.canonical import file_sha256, sha256_hex
from adapters_core.errors import BusyError, IntegrityError, StorageError
from adapters_core.storage import atomic_folder, remove_files, write_files
from governance.installation import artifact_path

_TRIES = 50
_PAUSE = 0.1
_READ_ONLY = 0o444


def keep(data: bytes) -> str:
    """Keep a file; answers its SHA-256. It is on the disk when this returns.

    Raises:
        StorageError: it could not be written; nothing is left of it.
    """
    digest = sha256_hex(data)
    keep_all({digest: data})
    return digest


def keep_all(files: Mapping[str, bytes]) -> None:
    """Keep files that are kept or lost together, as those of an adapter. They are on the disk when this returns.

    Args:
        files: SHA-256 -> bytes. Who has just computed it need not wait for it twice; whoever reads finds a wrong one.

    Raises:
        StorageError: one could not be written; nothing is left of it.
    """
    paths = {artifact_path(digest): digest for digest in files}
    write_files({path: files[digest] for path, digest in paths.items() if not _is_whole(path, digest)})


def read(digest: str) -> bytes:
    """The file of this SHA-256.

    Raises:
        StorageError: it is not here.
        IntegrityError: it was changed.
    """
    path = artifact_path(digest)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"the artifact {digest} must lie in var/artifacts: {error.strerror}") from error
    if sha256_hex(data) != digest:
        raise IntegrityError(f"the artifact {digest} was changed: it now has the digest {sha256_hex(data)}")
    return data


def adapter_folder(adapter: str, files: Mapping[str, str]) -> Path:
    """The folder that an engine loads an adapter from: named by its digest, read-only, every byte checked now.

    Args:
        adapter: the digest of its manifest.
        files: name -> SHA-256, as the ledger records them.

    Raises:
        StorageError: a file is missing, or the folder could not be written.
        IntegrityError: a file was changed.
    """
    folder = serving_folder() / adapter
    for _ in range(_TRIES):
        if folder.is_dir():
            _check(folder, files)
            return folder
        with suppress(BusyError):  # another worker is at it: its result is ours
            _make(folder, files)
            continue
        time.sleep(_PAUSE)
    raise BusyError(f"another process has been writing {folder} for long: try again")


def missing(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of some files that are not here; the bytes of the others are not looked at."""
    return {digest: data for digest, data in files.items() if not artifact_path(digest).is_file()}


def remove(digests: Iterable[str]) -> None:
    """Remove files for good; what is not here any more is no error. They do not come back when the power fails.

    Raises:
        StorageError: one could not be removed.
    """
    remove_files([artifact_path(digest) for digest in digests])


def remove_folder(adapter: str) -> None:
    """Remove the folder that engines load an adapter from; that there is none is no error.

    Raises:
        StorageError: it could not be removed.
    """
    try:
        if (folder := serving_folder() / adapter).is_dir():
            shutil.rmtree(folder)
    except OSError as error:
        raise StorageError(f"the folder of adapter {adapter} could not be removed: {error.strerror}") from error


def serving_folder() -> Path:
    """Where the folders lie from which engines load."""
    folder: Path = settings.VAR / "serving"
    return folder


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and file_sha256(path) == digest


def _make(folder: Path, files: Mapping[str, str]) -> None:
    contents = {name: read(digest) for name, digest in files.items()}
    try:
        with atomic_folder(folder) as draft:
            for name, data in contents.items():
                (draft / name).write_bytes(data)
                (draft / name).chmod(_READ_ONLY)
    except StorageError:
        if not folder.is_dir():
            raise


def _check(folder: Path, files: Mapping[str, str]) -> None:
    found = {path.name for path in folder.iterdir()}
    if found != set(files):
        raise IntegrityError(f"{folder} must hold {sorted(files)}, it holds {sorted(found)}: remove the folder")
    for name, digest in files.items():
        if file_sha256(folder / name) != digest:
            raise IntegrityError(f"{folder / name} must have the digest {digest}: it was changed; remove the folder")
