"""Reading text and JSON from plain, gzip and xz files, told apart by the ending of their name."""

import gzip
import json
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from adapters_core.errors import InputError, IntegrityError, StorageError


@contextmanager
def open_packed(path: Path, *, newline: str | None = None) -> Iterator[TextIO]:
    """Open UTF-8 text for reading: ``.gz``, ``.dz`` (dictzip) and ``.xz`` are unpacked as they are read.

    ``newline`` is that of :func:`open`: None makes all line ends equal, an empty text keeps every byte.

    Errors of the file that surface within the block are told apart as well.

    Raises:
        InputError: the file is missing, is a folder or is not UTF-8.
        IntegrityError: packed bytes are damaged or cut short.
        StorageError: the operating system refuses to read.
    """
    opener = {".gz": gzip.open, ".dz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    try:
        with opener(path, "rt", encoding="utf-8", newline=newline) as stream:  # type: ignore[operator]  # three openers, one signature
            yield stream
    except FileNotFoundError as error:
        raise InputError(f"no file at {str(path)!r}") from error
    except IsADirectoryError as error:
        raise InputError(f"a file is needed, {str(path)!r} is a folder") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{str(path)!r} must be UTF-8 text: {error.reason}") from error
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise IntegrityError(f"{str(path)!r} is damaged or cut short ({error}): fetch it again") from error
    except OSError as error:
        raise StorageError(f"{str(path)!r} must be readable: {error.strerror}") from error


def read_json(path: Path) -> object:
    """The JSON value of a plain, gzip or xz file.

    Raises:
        InputError: the file is missing, not UTF-8 or not JSON (with the place).
        IntegrityError: packed bytes are damaged or cut short.
        StorageError: the operating system refuses to read.
    """
    with open_packed(path) as stream:
        text = stream.read()
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{str(path)!r} must be JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise InputError(f"{str(path)!r} must be JSON of ordinary depth: it is nested too deeply") from error
