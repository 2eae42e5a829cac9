"""How often recording an adapter asks the database: each question holds the one write lock of the ledger."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import bindparam, select

from adapters_core.ledger import outbox, vault
from adapters_core.ledger.checkpoints import latest_checkpoint
from adapters_core.ledger.session import Ledger, open_ledger
from adapters_core.ledger.signing import SigningKey
from adapters_core.ledger.statements import query
from adapters_core.ledger.tables import entries
from adapters_core.ledger.verification.verify import verify
from tests import ledger_cast as cast
from tests.ledger_story import evaluate, put, step
from tests.ledger_trace import traced


@contextmanager
def counted(ledger: Ledger) -> Iterator[list[str]]:
    """The first word of every statement while the block runs."""
    asked: list[str] = []

    with traced(ledger.engine, lambda _connection, text: asked.append(text.split(maxsplit=1)[0])):
        yield asked


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
    assert (asked.count("SELECT"), asked.count("INSERT")) == (3, 6)


def test_a_context_its_adapter_and_its_evaluation_take_a_fixed_number_of_statements(
    ledger: Ledger, tmp_path: Path
) -> None:
    master = vault.create_master_key(tmp_path / "master.key")
    grown(ledger)

    with counted(ledger) as asked:
        with ledger.write() as tx:
            vault.seal_context(tx, master, "c-2", b"text", [b"text"])
            put(tx, "context:submitted", "c-2", cast.submitted())
        with ledger.write() as tx:
            made = put(tx, "adapter:generated", "a", cast.generated("a", context="c-2"))
            for topic in ("mlflow.adapter", "notice"):
                outbox.send(tx, topic=topic, key="a", payload={"seq": made.seq}, seq=made.seq)
        with ledger.write() as tx:
            measured = put(tx, "adapter:evaluated", "a", cast.evaluated())
            outbox.send(tx, topic="mlflow.evaluation", key="a", payload={"seq": measured.seq}, seq=measured.seq)

    counts = {word: asked.count(word) for word in ("BEGIN", "SELECT", "INSERT", "UPDATE", "COMMIT")}
    assert counts == {"BEGIN": 3, "SELECT": 7, "INSERT": 15, "UPDATE": 1, "COMMIT": 3}
    assert len(asked) == sum(counts.values())


def test_what_others_wrote_since_is_read_and_not_remembered(ledger: Ledger, path: Path, key: SigningKey) -> None:
    other = open_ledger(path, signer=key)
    for number in range(9):
        for writer in (ledger, other, other)[: 1 + number % 3]:
            step(writer, "context:submitted", f"{number}-{uuid4()}", cast.submitted())
    other.close()

    with ledger.read() as db:
        report = verify(db, [key.public])
    assert report.ok
    assert report.size == 18


def test_what_was_undone_is_not_remembered(ledger: Ledger, key: SigningKey) -> None:
    grown(ledger)
    for number in range(3):
        with suppress(LookupError), ledger.write() as tx:
            put(tx, "context:submitted", f"undone-{number}", cast.submitted())
            raise LookupError
        step(ledger, "context:submitted", f"kept-{number}", cast.submitted())

    with ledger.read() as db:
        assert verify(db, [key.public]).ok


def test_checkpoints_are_due_as_often_although_their_number_is_remembered(path: Path, key: SigningKey) -> None:
    ledger, other = (open_ledger(path, signer=key, checkpoint_every=5) for _ in range(2))
    sizes = []
    for number in range(24):
        step(other if number in {7, 8, 16} else ledger, "context:submitted", f"c-{number}", cast.submitted())
        with ledger.read() as db:
            newest = latest_checkpoint(db)
            sizes.append(newest.size if newest else 0)
    ledger.close()
    other.close()

    assert sizes == [(number + 1) // 5 * 5 for number in range(24)]


def test_sealing_a_context_asks_nothing(ledger: Ledger, tmp_path: Path) -> None:
    master = vault.create_master_key(tmp_path / "master.key")
    grown(ledger)

    with counted(ledger) as asked, ledger.write() as tx:
        vault.seal_context(tx, master, "c-2", b"text", [b"text"])

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


@pytest.mark.parametrize("values", [{}, {"plcae": 0}, {"place": 0, "more": 1}])
def test_a_statement_is_given_the_values_that_it_asks_for(ledger: Ledger, values: dict[str, int]) -> None:
    body = select(entries.c.body).where(entries.c.seq == bindparam("place")).limit(1)

    with ledger.read() as db, pytest.raises(TypeError, match=r"the values \['place'\] are asked for"):
        query(db.connection, body, **values)
