"""How often recording an adapter asks the database: each question holds the one write lock of the ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import event

from adapters_core.ledger import outbox, vault
from adapters_core.ledger.session import Ledger
from tests import ledger_cast as cast
from tests.ledger_story import evaluate, put, step


@contextmanager
def counted(ledger: Ledger) -> Iterator[list[str]]:
    """The first word of every statement, and each COMMIT, while the block runs."""
    asked: list[str] = []

    def statement(_connection: object, _cursor: object, text: str, *_: object) -> None:
        asked.append(text.split(maxsplit=1)[0])

    def commit(_connection: object) -> None:
        asked.append("COMMIT")

    event.listen(ledger.engine, "before_cursor_execute", statement)
    event.listen(ledger.engine, "commit", commit)
    yield asked
    event.remove(ledger.engine, "before_cursor_execute", statement)
    event.remove(ledger.engine, "commit", commit)


def grown(ledger: Ledger) -> None:
    step(ledger, "context:submitted", "c-1", cast.submitted())
    for number in range(20):
        evaluate(ledger, f"before-{number}")


def test_recording_an_adapter_with_its_message_asks_as_often_as_it_did(ledger: Ledger) -> None:
    grown(ledger)

    with counted(ledger) as asked, ledger.write() as tx:
        made = put(tx, "adapter:generated", "a", cast.generated("a"))
        outbox.send(tx, topic="mlflow.adapter", key="a", payload={"seq": made.seq}, seq=made.seq)

    assert asked.count("COMMIT") == 1
    assert (asked.count("SELECT"), asked.count("INSERT")) == (7, 7)


def test_sealing_a_context_asks_nothing(ledger: Ledger, tmp_path: Path) -> None:
    master = vault.create_master_key(tmp_path / "master.key")

    with counted(ledger) as asked, ledger.write() as tx:
        vault.seal_context(tx, master, "c-1", b"text", [b"text"])

    assert [word for word in asked if word in {"SELECT", "INSERT", "DELETE", "UPDATE"}] == ["INSERT", "INSERT"]


def test_a_ledger_of_any_length_is_asked_as_often(ledger: Ledger) -> None:
    grown(ledger)
    counts = []
    for name in ("first", "second"):
        with counted(ledger) as asked, ledger.write() as tx:
            put(tx, "adapter:generated", name, cast.generated(name))
        counts.append(len(asked))
        for number in range(100):
            step(ledger, "context:submitted", f"{name}-{number}", cast.submitted())

    assert counts[0] == counts[1]
