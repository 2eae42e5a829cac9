"""The ledger by programs: what is answered proves itself, without any trust in who answered."""

import json
import sqlite3
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters_core.ledger import queries
from adapters_core.ledger.chain import leaf_hash
from adapters_core.ledger.signing import CHECKPOINT_TYPE, opened
from adapters_core.ledger.tree import consistent, includes
from governance.installation import installation
from tests.cast import MISAKI
from tests.factories.installations import Place
from tests.factories.worlds import Caller, caller
from tests.unit.governance.api.conftest import Filled

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def reader(filled: Filled) -> Caller:
    return caller(filled.place, "read")


def size(filled: Filled) -> int:
    with filled.place.ledger.read() as db:
        return queries.size(db)


def test_every_entry_under_a_checkpoint_proves_that_it_is_in_it(reader: Caller) -> None:
    signed = reader.get("ledger/checkpoint").json()
    statement = opened(signed["envelope"], [installation().signing_key.public], CHECKPOINT_TYPE)
    assert (statement["size"], statement["root_hash"]) == (signed["size"], signed["root_hash"])

    for seq in range(0, signed["size"], 3):
        entry = reader.get(f"entries/{seq}").json()
        path = [bytes.fromhex(node) for node in entry["proof"]["path"]]
        leaf = leaf_hash(entry["body"].encode())
        assert includes(path, index=seq, size=signed["size"], leaf=leaf, root=bytes.fromhex(signed["root_hash"]))
        assert (entry["leaf_hash"], entry["recomputed"], entry["proof"]["holds"]) == (leaf.hex(), leaf.hex(), True)


def test_a_checkpoint_that_was_read_has_left(reader: Caller) -> None:
    signed = reader.get("ledger/checkpoint").json()

    standing = reader.get("ledger").json()
    assert (standing["left_size"], standing["left_time"]) == (signed["size"], signed["time"])
    assert standing["left_age_seconds"] >= 0


def test_an_entry_after_the_checkpoint_has_no_proof_yet(filled: Filled, reader: Caller) -> None:
    reader.post("slots/support/kill", {"reason": "試す"})

    assert reader.get(f"entries/{size(filled) - 1}").json()["proof"] is None


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_two_sizes_are_shown_to_be_consistent(filled: Filled, reader: Caller, data: st.DataObject) -> None:
    second = data.draw(st.integers(1, size(filled)))
    first = data.draw(st.integers(1, second))

    said = reader.get(f"ledger/consistency?first={first}&second={second}").json()

    roots = {name: bytes.fromhex(said[name]) for name in ("first_root", "second_root")}
    assert consistent([bytes.fromhex(node) for node in said["path"]], first=first, second=second, **roots)
    assert said["holds"]


@pytest.mark.parametrize(("first", "second"), [(0, 3), (3, 2), (1, 2**52), (1, 2**70), ("x", 3)])
def test_sizes_that_the_ledger_has_not_are_refused(reader: Caller, first: Any, second: Any) -> None:
    assert reader.get(f"ledger/consistency?first={first}&second={second}").status_code == 422


def test_the_standing_says_how_much_is_signed_and_verified(filled: Filled, reader: Caller) -> None:
    said = reader.get("ledger").json()

    assert said["size"] == size(filled)
    assert said["unsigned"] == said["size"] - said["checkpoint_size"]
    assert said["checkpoint_age_seconds"] > 0
    assert (said["verified"], said["verified_time"]) == (0, None)


@pytest.mark.parametrize(
    ("query", "events"),
    [
        ("event=context:submitted", {"context:submitted"}),
        ("kind=policy", {"policy:set"}),
        (f"actor={MISAKI.id}&event=slot:created", {"slot:created"}),
        ("about=slot:support&event=deployment:succeeded", {"deployment:succeeded"}),
        ("event=no:such", set()),
        ("about=slot:nowhere", set()),
    ],
)
def test_entries_are_filtered(reader: Caller, query: str, events: set[str]) -> None:
    rows = reader.get(f"entries?{query}").json()["rows"]

    assert {row["event"] for row in rows} == events


def test_entries_are_found_between_two_moments(reader: Caller) -> None:
    moment = reader.get("entries/5").json()["time"]

    later = reader.get(f"entries?since={moment}&limit=200").json()["rows"]
    earlier = reader.get(f"entries?until={moment}&limit=200").json()["rows"]

    assert {row["seq"] for row in later}.isdisjoint({row["seq"] for row in earlier})
    assert 5 in {row["seq"] for row in later}


def test_pages_of_entries_meet_without_a_gap(filled: Filled, reader: Caller) -> None:
    seqs: list[int] = []
    following: int | None = None
    while following is not None or not seqs:
        page = reader.get(f"entries?limit=7{'' if following is None else f'&before={following}'}").json()
        seqs += [row["seq"] for row in page["rows"]]
        following = page["next"]

    assert seqs == list(range(size(filled)))[::-1]


def test_the_export_holds_every_body_as_it_was_hashed(filled: Filled, reader: Caller) -> None:
    answer = reader.get("entries.jsonl")

    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert answer.headers["Content-Type"] == "application/jsonl"
    with filled.place.ledger.read() as db:
        bodies = {entry.seq: entry.leaf_hash for entry in queries.chain_entries(db)}
    assert {json.loads(line)["seq"]: leaf_hash(line.encode()).hex() for line in lines} == bodies


def test_the_export_takes_the_filters_of_the_list(reader: Caller) -> None:
    answer = reader.get("entries.jsonl?event=policy:set")

    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert {json.loads(line)["event"] for line in lines} == {"policy:set"}


def test_verifying_finds_nothing_and_is_noted(place: Place) -> None:
    program = caller(place, "read")
    signed = program.get("ledger/checkpoint").json()

    said = program.post("ledger/verifications", {"artifacts": True, "anchors": [signed["envelope"]]}).json()

    assert (said["ok"], said["findings"]) == (True, [])
    assert {"V0", "V1", "V3"} <= set(said["levels"])
    assert program.get("ledger").json()["verified"] == signed["size"]


def test_verifying_names_what_was_changed_and_notes_nothing(place: Place) -> None:
    program = caller(place, "read")
    with sqlite3.connect(place.folder / "ledger.sqlite3") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE entries SET body = replace(body, '2026', '2025') WHERE seq = 2")
    database.close()

    said = program.post("ledger/verifications", {}).json()

    assert said["ok"] is False
    assert {"missing_guard", "changed_body"} <= {one["code"] for one in said["findings"]}
    assert all(one["meaning"] for one in said["findings"])
    assert program.get("ledger").json()["verified"] == 0


@pytest.mark.parametrize("anchor", [{}, {"payload": 1}, {"payload": "e30=", "payloadType": "x", "signatures": []}])
def test_an_anchor_that_is_none_is_found_or_refused(reader: Caller, anchor: Any) -> None:
    answer = reader.post("ledger/verifications", {"anchors": [anchor]})

    assert answer.status_code == 422 or answer.json()["ok"] is False


def test_the_export_is_the_same_from_a_server_that_serves_others_meanwhile(filled: Filled, reader: Caller) -> None:
    async def read() -> bytes:
        headers = {"authorization": f"Bearer {reader.secret}"}
        answer: Any = await AsyncClient().get("/api/v1/entries.jsonl", headers=headers)
        return b"".join([part async for part in answer.streaming_content])

    lines = async_to_sync(read)().decode().splitlines()

    assert [json.loads(line)["seq"] for line in lines] == list(range(size(filled)))[::-1]


def test_an_export_that_nobody_listens_to_any_more_ends(reader: Caller) -> None:
    async def begin() -> Any:
        headers = {"authorization": f"Bearer {reader.secret}"}
        answer: Any = await AsyncClient().get("/api/v1/entries.jsonl", headers=headers)
        stream = answer.streaming_content
        first = await anext(stream)
        await stream.aclose()
        return first, [part async for part in stream]

    first, rest = async_to_sync(begin)()

    assert first.count(b"\n") > 1
    assert rest == []
