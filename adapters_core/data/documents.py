"""Documents: the named texts that adapters are generated from, checked once where they enter."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters_core.errors import ContextError, StorageError

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Largest file that is read as one document."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A named text. The text is kept as it was given, line endings and spaces included."""

    name: str
    """What attribution and manifests call it; distinct among the documents of one context."""
    text: str
    """The text; holds at least one character that is not white space, and encodes as UTF-8."""

    def __post_init__(self) -> None:
        """Check the text.

        Raises:
            ContextError: the name or the text is empty, or the text cannot be written as UTF-8.
        """
        if not self.name:
            raise ContextError("a document must have a name, got an empty one")
        if not self.text.strip():
            raise ContextError(f"document {self.name!r} must hold text, got {len(self.text)} blank characters")
        try:
            self.text.encode()
        except UnicodeEncodeError as error:
            raise ContextError(
                f"document {self.name!r} must be valid Unicode, got an unpaired surrogate at character {error.start}"
            ) from error


def read_documents(
    paths: Sequence[str | os.PathLike[str]], *, max_file_bytes: int = MAX_FILE_BYTES
) -> tuple[Document, ...]:
    """Read files as documents, in the order given.

    A document is named after its file; where two files share a name, after the path as given.

    Raises:
        ContextError: no path, a path given twice, a missing file, a folder, a file over ``max_file_bytes``,
            an empty file, or bytes that are not UTF-8 (the message tells the offset of the first bad byte).
        StorageError: the operating system refuses to read.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise ContextError("a context must have at least one document, got no path")
    resolved = [file.resolve() for file in files]
    for place, file in enumerate(files):
        if resolved[place] in resolved[:place]:
            raise ContextError(f"each document must be given once, got {str(file)!r} twice")
    names = [file.name for file in files]
    return tuple(
        Document(name=file.as_posix() if names.count(file.name) > 1 else file.name, text=_read(file, max_file_bytes))
        for file in files
    )


def _read(file: Path, max_file_bytes: int) -> str:
    try:
        if file.is_dir():
            raise ContextError(f"a document must be a file, {str(file)!r} is a folder: name the files in it")
        with file.open("rb") as stream:
            data = stream.read(max_file_bytes + 1)
    except FileNotFoundError as error:
        raise ContextError(f"a document must exist, no file at {str(file)!r}") from error
    except OSError as error:
        raise StorageError(f"{str(file)!r} must be readable: {error.strerror}") from error
    if len(data) > max_file_bytes:
        raise ContextError(f"a document must be at most {max_file_bytes} bytes, {str(file)!r} is larger: split it")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ContextError(
            f"{str(file)!r} must be UTF-8 text, got byte 0x{data[error.start]:02x} at offset {error.start}: "
            "save it as UTF-8"
        ) from error
