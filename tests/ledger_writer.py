"""A process that appends to a ledger: ``python -m tests.ledger_writer URL NAME COUNT``. Prints what it committed."""

import sys

from adapters_core.ledger.append import append
from adapters_core.ledger.records import Actor, Subject
from adapters_core.ledger.session import open_ledger


def run(url: str, name: str, count: int) -> None:
    """Append entries, each in a transaction of its own."""
    ledger = open_ledger(url)
    me = Actor(id=name, name=name, kind="service")
    for i in range(count):
        with ledger.write() as tx:
            subject = Subject(kind="person", id=f"{name}-{i}")
            entry = append(tx, "person:created", subject=subject, actor=me, data={"i": i})
        sys.stdout.write(f"{entry.seq}\n")
        sys.stdout.flush()
    ledger.close()


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
