"""How long does it take to verify a ledger of 1,000,000 entries, and what has come since the last time?

All of it: every hash, the chain, the tree, every signature (one for each decision and deployment), the triggers and
every row of the search indexes. Since: from the last verified checkpoint on, with the entries that came after it.
"""

import argparse
import resource
import time
from statistics import median
from typing import Any

from adapters_core.ledger.append import append
from adapters_core.ledger.checkpoints import latest_checkpoint
from adapters_core.ledger.records import Subject
from adapters_core.ledger.verification.verify import verify
from benchmarks.installing import filled
from benchmarks.population import actor
from benchmarks.reporting import plain_arguments, report
from governance.installation import installation
from tests.cast import HANAKO
from tests.factories.installations import Place

SIZES = (1_000, 100_000)
NEW = 100
"""Entries since the last checkpoint."""


def main() -> None:
    """Measure and report."""
    args = plain_arguments(__doc__ or "", repeats=3)
    rows = [measure(args, adapters) for adapters in SIZES]
    report("verifying", rows, args, None)


def measure(args: argparse.Namespace, adapters: int) -> dict[str, Any]:
    """One size of ledger."""
    with filled(args.folder, adapters) as place:
        keys = [installation().signing_key.public]
        whole, since, size = [], [], 0
        for _ in range(args.repeats):
            with place.ledger.read() as db:
                started = time.perf_counter()
                found = verify(db, keys)
                whole.append(time.perf_counter() - started)
            size = found.size
            print(f"{size} entries verified in {whole[-1]:.1f} s", flush=True)
            if not found.ok or found.checkpoint is None:
                raise RuntimeError(f"a filled ledger must verify, it does not: {found.findings[:3]}")
            _add(place)
            with place.ledger.read() as db:
                last = latest_checkpoint(db)
                started = time.perf_counter()
                later = verify(db, keys, since=found.checkpoint)
                since.append(time.perf_counter() - started)
            if not later.ok or later.since != found.checkpoint or last is None:
                raise RuntimeError(f"what was added must verify from {found.checkpoint} on: {later.findings[:3]}")
    return {
        "entries": size,
        "all s": median(whole),
        "entries a second": size / median(whole),
        f"since the last checkpoint, {NEW} new ones, ms": median(since) * 1e3,
        "memory MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _add(place: Place) -> None:
    """New entries, one transaction each ten."""
    about = Subject(kind="person", id=HANAKO.id)
    refused = {"action": "approve", "reason_code": "role_missing", "detail": "For a measurement."}
    for _ in range(NEW // 10):
        with place.ledger.write() as tx:
            for _entry in range(10):
                append(tx, "denied", subject=about, actor=actor(HANAKO), data=refused)


if __name__ == "__main__":
    main()
