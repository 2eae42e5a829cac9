"""Files and the entries that name them: there when they are recorded, gone when no entry needs them any more.

Files are shared by what they hold: every adapter of a generator has the same configuration, two contexts of one text
have the same weights. So what goes is decided, and removed, under the ledger's write lock; and what is recorded is
looked for once more under it. Between the two no erasure takes away what a record is about to name.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from adapters_core.errors import RingiError
from adapters_core.ledger import queries
from adapters_core.ledger.artifact_queries import is_deleted, needed_by
from adapters_core.ledger.transactions import Reader, Writer
from governance import artifacts
from governance.worker.workplace import Workplace

_LOG = logging.getLogger("ringi.worker")


@contextmanager
def recording(at: Workplace, files: Mapping[str, bytes]) -> Iterator[Writer]:
    """A write transaction for an entry that names files: they are on the disk while it is written.

    What its entries do not name in the end, and nothing else needs, is removed again: the ledger refused, or knew the
    adapter already.

    Args:
        at: the worker's tools.
        files: SHA-256 -> bytes.

    Raises:
        StorageError: a file could not be written; nothing is recorded.
        RingiError: what the block and the ledger raise.
    """
    artifacts.keep_all(files)
    named = ""
    try:
        with at.ledger.write() as tx:
            artifacts.keep_all(artifacts.missing(files))
            yield tx
        named = "".join(entry.body for entry in tx.appended)
    finally:
        if left := [digest for digest in files if digest not in named]:
            _try_to_remove(at, left)


@contextmanager
def removing(at: Workplace, digests: Collection[str], *, besides: str | None = None) -> Iterator[Writer]:
    """A write transaction with which files go that nothing recorded needs then; they are gone when it commits.

    Args:
        at: the worker's tools.
        digests: SHA-256 of the files.
        besides: the adapter whose files they were.

    Raises:
        StorageError: one could not be removed; the transaction is undone.
        RingiError: what the block and the ledger raise.
    """
    with at.ledger.read() as db:
        size = queries.size(db)
        before = needed_by(db, digests, besides=besides)
    with at.ledger.write() as tx:
        yield tx
        artifacts.remove(set(digests) - _needed(tx, digests, before, besides, size))


def _needed(
    reader: Reader, digests: Collection[str], before: Mapping[str, str], besides: str | None, size: int
) -> frozenset[str]:
    """The files that are needed now; ``before``: by whom, when the ledger had ``size`` entries."""
    since = needed_by(reader, digests, besides=besides, since=size)
    standing = {digest for digest, by in before.items() if not is_deleted(reader, by)}
    fallen = before.keys() - standing - since.keys()
    again = needed_by(reader, fallen, besides=besides) if fallen else {}
    return frozenset(standing | since.keys() | again.keys())


def _try_to_remove(at: Workplace, digests: Collection[str]) -> None:
    """Remove what was not recorded; where that fails the reason why it was not is what counts."""
    try:
        with removing(at, digests):
            pass
    except RingiError as error:
        _LOG.warning("files that were not recorded stay until they are found by verify: %s", error)
