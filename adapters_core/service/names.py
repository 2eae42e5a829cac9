"""Names of loaded adapters, as files that every replica reads: what one replica loads, all serve.

A name is given once. It is taken by linking a finished file to its place, which fails where there is one: of two
replicas that give one name at the same time to two adapters, one is refused.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from adapters_core.errors import InputError, IntegrityError, MismatchError, StorageError
from adapters_core.storage import atomic_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SUFFIX = ".json"


@dataclass(frozen=True, kw_only=True)
class LoadedName:
    """What a name stands for."""

    name: str
    digest: str
    """Of the adapter."""
    path: str
    """Folder of its files."""
    loaded_at: int
    """Unix time."""


class NameRegistry:
    """Names under ``<root>/names``."""

    def __init__(self, root: Path) -> None:
        """Open a registry; its folder is made where there is none.

        Raises:
            StorageError: that cannot be done.
        """
        self._folder = root / "names"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the store {root} must be a folder that can be written: {error.strerror}") from error

    def find(self, name: str) -> LoadedName | None:
        """What a name stands for now; None: nothing.

        Raises:
            IntegrityError: its file is damaged.
            StorageError: it cannot be read.
        """
        if not _NAME.fullmatch(name):
            return None
        path = self._folder / (name + _SUFFIX)
        try:
            record = LoadedName(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"the name {name!r} could not be read: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise IntegrityError(f"the record of the name {name!r} is damaged: unload it and load it again") from error
        return record

    def give(self, record: LoadedName) -> LoadedName:
        """Give a name; where the same adapter has it already, nothing changes.

        Raises:
            InputError: it is no name.
            MismatchError: another adapter has it: names are never given twice.
            StorageError: it could not be written.
        """
        if not _NAME.fullmatch(record.name):
            raise InputError(f"a name must match {_NAME.pattern}, got {record.name[:64]!r}")
        path = self._folder / (record.name + _SUFFIX)
        staging = path.with_name(f".{record.name}-{os.getpid()}-{os.urandom(4).hex()}")
        try:
            with atomic_file(staging) as file:
                file.write_text(json.dumps(asdict(record), sort_keys=True), encoding="utf-8")
            os.link(staging, path)
        except FileExistsError:
            return self._same(record)
        except OSError as error:
            raise StorageError(f"the name {record.name!r} could not be written: {error.strerror}") from error
        finally:
            staging.unlink(missing_ok=True)
        return record

    def take_back(self, name: str) -> bool:
        """Free a name; gives whether it stood for something.

        Raises:
            StorageError: it could not be removed.
        """
        if not _NAME.fullmatch(name):
            return False
        try:
            (self._folder / (name + _SUFFIX)).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageError(f"the name {name!r} could not be removed: {error.strerror}") from error
        return True

    def all(self) -> Iterator[LoadedName]:
        """All names, in order; one that is damaged or goes meanwhile is left out."""
        for path in sorted(self._folder.glob(f"[!.]*{_SUFFIX}")):
            try:
                found = self.find(path.name.removesuffix(_SUFFIX))
            except IntegrityError:
                continue
            if found:
                yield found

    def _same(self, record: LoadedName) -> LoadedName:
        found = self.find(record.name)
        if found is None or found.digest != record.digest:
            raise MismatchError(
                f"the name {record.name!r} stands for adapter {found.digest[:16] if found else 'none'}, "
                f"not {record.digest[:16]}: a name is given once, choose another"
            )
        return found
