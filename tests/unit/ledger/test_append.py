"""What append takes, what it writes, and that it writes all or nothing."""

import itertools
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import EntryError, LedgerError
from adapters_core.ledger import queries
from adapters_core.ledger.append import append
from adapters_core.ledger.chain import GENESIS, leaf_hash
from adapters_core.ledger.records import TIME_EXAMPLE, Actor, Authentication, Subject, parse_time, stated_in, time_text
from adapters_core.ledger.session import Ledger, open_ledger
from tests import ledger_cast as cast
from tests.json_values import JSON

SLOT = Subject(kind="slot", id="support")
CREATED = cast.slot_data()


def person(name: str) -> Subject:
    return Subject(kind="person", id=name)


def test_an_entry_is_read_as_it_was_appended(ledger: Ledger) -> None:
    auth = Authentication(method="password+totp", time=datetime(2026, 11, 24, 8, tzinfo=UTC))
    actor = Actor(id="u", name="近藤 蓮", kind="person", roles=("admin",), auth=auth)
    with ledger.write() as tx:
        written = append(tx, "slot:created", subject=SLOT, actor=actor, data=CREATED, refs=[cast.adapter("a")])

    with ledger.read() as db:
        assert queries.entry(db, 0) == written
    assert written.actor == actor
    assert written.refs == (cast.adapter("a"),)
    assert written.prev_hash == GENESIS


def test_bodies_are_canonical_and_each_names_the_one_before(ledger: Ledger) -> None:
    for i in range(3):
        with ledger.write() as tx:
            append(tx, "person:created", subject=person(f"p{i}"), actor=cast.ADMIN, data={"ratio": 0.1, "名": "蓮"})

    with ledger.read() as db:
        entries = queries.find_entries(db)[::-1]
    for before, after in itertools.pairwise(entries):
        assert after.prev_hash == before.leaf_hash
    for entry in entries:
        assert rfc8785.dumps(json.loads(entry.body)) == entry.body.encode()
        assert leaf_hash(entry.body.encode()).hex() == entry.leaf_hash


def test_an_exception_leaves_nothing(ledger: Ledger) -> None:
    def stop_after_one() -> None:
        with ledger.write() as tx:
            append(tx, "person:created", subject=person("p"), actor=cast.ADMIN, data={})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stop_after_one()

    with ledger.read() as db:
        assert queries.size(db) == 0
        assert queries.find_entries(db) == ()


@given(
    moment=st.datetimes(
        datetime.min + timedelta(days=2),  # noqa: DTZ901  # it gets its zone
        datetime.max - timedelta(days=2),  # noqa: DTZ901  # as it does
        timezones=st.timezones() | st.just(UTC),
    )
)
def test_a_time_is_read_as_it_was_written_and_sorts_as_text(moment: datetime) -> None:
    here, text = moment.astimezone(UTC), time_text(moment)

    assert parse_time(text) == here
    assert len(text) == len(TIME_EXAMPLE)
    assert time_text(here + timedelta(microseconds=1)) > text


def test_time_never_goes_back(path: Path) -> None:
    moments = [datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 24, 8, tzinfo=UTC)]
    clock = iter(moments)
    ledger = open_ledger(path, clock=lambda: next(clock))
    for name in ("p", "q"):
        with ledger.write() as tx:
            append(tx, "person:created", subject=person(name), actor=cast.ADMIN, data={})

    with ledger.read() as db:
        assert [entry.time for entry in queries.find_entries(db)] == [moments[0], moments[0]]
    ledger.close()


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event": "slot:painted"}, "an event must be one of"),
        ({"subject": person("p")}, "is about a slot"),
        ({"subject": Subject(kind="slot", id="")}, "1 to 255 characters"),
        ({"subject": Subject(kind="slot", id="x" * 256)}, "1 to 255 characters"),
        ({"refs": [Subject(kind="dog", id="x")]}, "kind must be one of"),
        ({"actor": Actor(id="", name="x", kind="person")}, "an actor needs"),
        ({"data": {"title": "x"}}, "must name base, engine"),
        ({"data": {**CREATED, "x": float("nan")}}, "RFC 8785"),
        ({"data": {**CREATED, "x": 2**60}}, "RFC 8785"),
        ({"data": {**CREATED, "x": b"bytes"}}, "RFC 8785"),
        ({"data": {**CREATED, "x": "\ud800"}}, "RFC 8785"),
        ({"data": {**CREATED, "x": "x" * 2**22}}, "at most 4194304 bytes"),
        ({"data": {**CREATED, "x": nested(250)}}, "must be readable: .* recursion limit"),
    ],
)
def test_what_is_no_entry_is_refused_with_the_reason(ledger: Ledger, change: dict[str, Any], message: str) -> None:
    given = {"event": "slot:created", "subject": SLOT, "actor": cast.ADMIN, "data": CREATED, **change}
    with ledger.write() as tx, pytest.raises(EntryError, match=message):
        append(tx, given.pop("event"), **given)

    with ledger.read() as db:
        assert queries.size(db) == 0


@given(JSON)
def test_a_body_is_read_as_python_reads_it(value: Any) -> None:
    body = canonical_bytes(value).decode()

    read = stated_in(body)

    assert json.dumps(read) == json.dumps(json.loads(body))  # 1 and 1.0 differ, and so does the order of names


def test_the_hour_that_comes_twice_is_two_times() -> None:
    first = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))

    assert [time_text(first), time_text(first.replace(fold=1))] == [
        "2026-11-01T05:30:00.000000Z",
        "2026-11-01T06:30:00.000000Z",
    ]


def test_a_time_without_zone_is_refused(path: Path) -> None:
    ledger = open_ledger(path, clock=lambda: datetime(2026, 11, 24))  # noqa: DTZ001  # what is refused
    with pytest.raises(EntryError, match="time zone"), ledger.write() as tx:
        append(tx, "person:created", subject=person("p"), actor=cast.ADMIN, data={})
    ledger.close()


def test_a_ledger_that_was_not_migrated_says_so(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "new.sqlite3")
    with pytest.raises(LedgerError, match="must be migrated"), ledger.read() as db:
        queries.size(db)
    ledger.close()


def test_a_reader_cannot_write(ledger: Ledger) -> None:
    with pytest.raises(sqlite3.OperationalError), ledger.read() as db:
        db.connection.connection.cursor().execute("DELETE FROM jobs")


def test_a_database_of_another_kind_is_refused() -> None:
    with pytest.raises(LedgerError, match="SQLite or PostgreSQL"):
        open_ledger("mysql://host/name")


def test_entries_are_found_by_each_condition(ledger: Ledger) -> None:
    with ledger.write() as tx:
        append(tx, "slot:created", subject=SLOT, actor=cast.ADMIN, data=CREATED)
        append(tx, "person:created", subject=person("p"), actor=cast.ADMIN, data={}, refs=[SLOT, SLOT])
    with ledger.write() as tx:
        last = append(tx, "person:created", subject=person("q"), actor=cast.WORKER, data={})

    def found(**wanted: Any) -> list[int]:
        with ledger.read() as db:
            return [entry.seq for entry in queries.find_entries(db, queries.EntryFilter(**wanted))]

    assert found() == [2, 1, 0]
    assert found(subject=SLOT) == [0]
    assert found(about=SLOT) == [1, 0]
    assert found(kind="person") == [2, 1]
    assert found(events=("slot:created",)) == [0]
    assert found(actor=cast.WORKER.id) == [2]
    assert found(since=last.time) == [2]
    assert found(until=last.time) == [1, 0]
    assert found(since=last.time + timedelta(seconds=1)) == []


def test_entries_are_paged_from_the_newest(ledger: Ledger) -> None:
    with ledger.write() as tx:
        for i in range(5):
            append(tx, "person:created", subject=person(f"p{i}"), actor=cast.ADMIN, data={})

    with ledger.read() as db:
        first = queries.find_entries(db, limit=2)
        second = queries.find_entries(db, before=first[-1].seq, limit=2)
    assert [entry.seq for entry in (*first, *second)] == [4, 3, 2, 1]
