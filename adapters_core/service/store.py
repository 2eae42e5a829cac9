"""Sessions on disk, each under its adapter's digest: written once, read by every replica, kept across restarts."""

import re
import shutil
import time
import uuid
from pathlib import Path

from adapters_core.artifact import CONFIG, MANIFEST, WEIGHTS, Session, read_session, write_session
from adapters_core.errors import BusyError, InputError, IntegrityError, StorageError, UnknownAdapterError

SERVED = frozenset({CONFIG, WEIGHTS, MANIFEST})
"""Files that travel; states, chunk places and keys stay."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WAIT_SECONDS = 0.05
_TRIES = 200


class SessionStore:
    """Sessions under ``<root>/adapters/<digest>``."""

    def __init__(self, root: Path) -> None:
        """Open a store; its folder is made where there is none.

        Raises:
            StorageError: that cannot be done.
        """
        self.folder = root / "adapters"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the store {root} must be a folder that can be written: {error.strerror}") from error

    def write(self, session: Session) -> bool:
        """Keep a session; gives whether it was new. The same digest is the same adapter and is written once.

        Raises:
            StorageError: it could not be written.
            BusyError: another replica has been writing the same one for long.
        """
        folder = self.folder / session.adapter.digest
        for _ in range(_TRIES):
            if folder.is_dir():
                return False
            try:
                write_session(session, folder)
            except BusyError:  # another replica is at it: its result is ours
                time.sleep(_WAIT_SECONDS)
            except StorageError:
                if not folder.is_dir():
                    raise
            else:
                return True
        raise BusyError(f"adapter {session.adapter.digest[:16]} is being written by another replica: ask again later")

    def read(self, digest: str) -> Session:
        """A session.

        Raises:
            UnknownAdapterError: there is none.
            IntegrityError: its files were changed.
        """
        session = read_session(self.path(digest))
        if session.adapter.digest != digest:
            raise IntegrityError(f"the folder of adapter {digest[:16]} holds {session.adapter.digest[:16]}")
        return session

    def holds(self, digest: str) -> bool:
        """Whether there is a session of this digest."""
        return bool(_DIGEST.fullmatch(digest)) and (self.folder / digest).is_dir()

    def path(self, digest: str) -> Path:
        """The folder of a session.

        Raises:
            UnknownAdapterError: there is none.
        """
        if not self.holds(digest):
            raise UnknownAdapterError(
                f"no adapter {digest[:64]!r} in this store: name one by the 64 digits of its digest"
            )
        return self.folder / digest

    def file(self, digest: str, name: str) -> Path:
        """One of the files that travel.

        Raises:
            UnknownAdapterError: there is no such adapter.
            InputError: another file.
        """
        folder = self.path(digest)
        if name not in SERVED:
            raise InputError(f"the files of an adapter are {sorted(SERVED)}, got {name[:64]!r}")
        return folder / name

    def delete(self, digest: str) -> None:
        """Remove a session with its states and key; it vanishes in one step.

        Raises:
            UnknownAdapterError: there is none.
            StorageError: it could not be removed.
        """
        folder = self.path(digest)
        grave = folder.with_name(f".{digest}-{uuid.uuid4().hex}")
        try:
            folder.rename(grave)
            shutil.rmtree(grave)
        except FileNotFoundError as error:
            raise UnknownAdapterError(f"no adapter {digest} in this store") from error
        except OSError as error:
            raise StorageError(f"adapter {digest[:16]} could not be removed: {error.strerror}") from error
