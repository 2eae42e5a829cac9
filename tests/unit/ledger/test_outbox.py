"""Messages leave with the entry, wait out a failure, and keep the order of their lane."""

import pytest

from adapters_core.errors import LeaseLostError
from adapters_core.ledger.outbox import delivered, failed, given_up, lease_messages, retry_now, send
from adapters_core.ledger.outbox_queries import Message, attempts, find_messages, pending_counts
from adapters_core.ledger.session import Ledger
from tests.ledger_story import Time


def put(timed: Ledger, key: str, *, topic: str = "mlflow", lane: str | None = None) -> bool:
    with timed.write() as tx:
        return send(tx, topic=topic, key=key, payload={"key": key}, lane=lane, seq=3)


def take(timed: Ledger, *, topics: tuple[str, ...] = ("mlflow",), worker: str = "w-1") -> tuple[Message, ...]:
    with timed.write() as tx:
        return lease_messages(tx, worker=worker, topics=topics, seconds=60)


def test_a_message_exists_exactly_when_its_transaction_does(timed: Ledger) -> None:
    def stop() -> None:
        with timed.write() as tx:
            send(tx, topic="mlflow", key="a", payload={})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stop()
    assert take(timed) == ()

    put(timed, "a")
    (message,) = take(timed)
    assert message.payload == {"key": "a"}
    assert message.seq == 3


def test_the_same_key_is_one_message(timed: Ledger) -> None:
    assert [put(timed, "a"), put(timed, "a"), put(timed, "a", topic="mail")] == [True, False, True]
    assert len(take(timed)) == 1


def test_a_delivered_message_is_not_delivered_again(timed: Ledger, time: Time) -> None:
    put(timed, "a")
    (message,) = take(timed)
    with timed.write() as tx:
        delivered(tx, message, detail="run 17")
    time.passes(10_000)

    assert take(timed) == ()
    with timed.read() as db:
        (attempt,) = attempts(db, message.message)
        assert pending_counts(db) == {}
    assert attempt.delivered
    assert attempt.detail == "run 17"


def test_a_failed_message_comes_back_after_growing_pauses_without_end(timed: Ledger, time: Time) -> None:
    put(timed, "a")
    pauses = []
    for _ in range(12):
        (message,) = take(timed)
        with timed.write() as tx:
            failed(tx, message, error="down")
        waited = 0
        while not (found := take(timed)):
            time.passes(1)
            waited += 1
        pauses.append(waited)
        time.passes(61)  # the lease that the look took
        assert len(found) == 1

    assert pauses[0] == 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 300


def test_a_message_whose_worker_died_is_taken_by_another(timed: Ledger, time: Time) -> None:
    put(timed, "a")
    (first,) = take(timed)
    assert take(timed, worker="w-2") == ()
    time.passes(61)
    (second,) = take(timed, worker="w-2")

    with pytest.raises(LeaseLostError), timed.write() as tx:
        delivered(tx, first)
    with timed.write() as tx:
        delivered(tx, second)


def test_a_lane_is_delivered_in_order(timed: Ledger, time: Time) -> None:
    for key in ("a", "b"):
        put(timed, key, lane="slot support")
    put(timed, "other", lane="slot sales")
    put(timed, "free")

    taken = take(timed)
    assert [message.key for message in taken] == ["a", "other", "free"]
    with timed.write() as tx:
        failed(tx, taken[0], error="down")
    assert take(timed) == ()
    time.passes(2)
    (first,) = take(timed)
    assert first.key == "a"
    with timed.write() as tx:
        delivered(tx, first)
    assert [message.key for message in take(timed)] == ["b"]


def test_a_refused_message_lets_its_lane_go_on(timed: Ledger) -> None:
    for key in ("a", "b"):
        put(timed, key, lane="slot support")
    (first,) = take(timed)
    with timed.write() as tx:
        given_up(tx, first, error="410 gone")

    assert [message.key for message in take(timed)] == ["b"]
    with timed.read() as db:
        (refused,) = find_messages(db, states=("refused",))
    assert refused.error == "410 gone"


def test_all_waiting_messages_are_due_when_the_other_side_is_back(timed: Ledger) -> None:
    put(timed, "a")
    (message,) = take(timed)
    with timed.write() as tx:
        failed(tx, message, error="down")
    assert take(timed) == ()

    with timed.write() as tx:
        assert retry_now(tx, ("mlflow",)) == 1
    assert [message.key for message in take(timed)] == ["a"]


def test_messages_are_listed_by_state_and_topic_from_the_newest(timed: Ledger) -> None:
    put(timed, "a")
    put(timed, "b", topic="mail")

    with timed.read() as db:
        assert [message.key for message in find_messages(db)] == ["b", "a"]
        assert [message.key for message in find_messages(db, topics=("mlflow",))] == ["a"]
        assert find_messages(db, before=1) == ()
        assert pending_counts(db) == {"mlflow": 1, "mail": 1}
