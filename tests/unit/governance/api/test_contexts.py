"""Contexts by programs: what is taken, what is answered of it, and what is said of a file that is no text."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from adapters_core.ledger import queries, vault
from adapters_core.ledger.records import Subject
from governance.installation import installation
from governance.services.submit_context import MAX_BYTES
from tests.factories.installations import Place
from tests.factories.worlds import Caller, caller

pytestmark = pytest.mark.django_db
TEXT = "出張は事前に申請する。\n\n日当は三千円とする。"


@pytest.fixture
def maker(place: Place) -> Caller:
    return caller(place, "generate")


def file(data: bytes, name: str = "rules.txt") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type="text/plain")


def kept(place: Place, context: str) -> str:
    with place.ledger.read() as db:
        return vault.open_text(db, installation().master_key, context).decode()


def test_a_text_is_kept_and_what_is_recorded_of_it_is_answered(place: Place, maker: Caller) -> None:
    questions = [{"question": "日当は。", "answers": ["三千円"]}]

    answer = maker.post("contexts", {"title": "出張規程", "text": TEXT, "questions": questions})

    said = answer.json()
    assert answer.status_code == 201
    assert kept(place, said["context"]) == TEXT
    assert (said["title"], said["state"], said["language"], said["chunks"]) == ("出張規程", "active", "ja", 2)
    assert said["scan"] == {"found": {"email": 0, "phone": 0, "my_number": 0, "card": 0}, "reason": None}
    assert said["questions"] == 1
    assert TEXT not in answer.content.decode()


def test_the_token_is_who_submitted_it(place: Place, maker: Caller) -> None:
    context = maker.post("contexts", {"title": "出張規程", "text": TEXT}).json()["context"]

    with place.ledger.read() as db:
        entry = queries.history(db, Subject(kind="context", id=context))[0]
    assert (entry.actor.kind, entry.actor.name) == ("service", "pipeline")


def test_personal_data_needs_a_reason_and_is_counted_in_the_answer(maker: Caller) -> None:
    given = {"title": "窓口", "text": "担当は yamada@example.co.jp です。"}

    refused = maker.post("contexts", given)
    taken = maker.post("contexts", {**given, "personal_data_reason": "公開されている窓口"})

    assert (refused.status_code, refused.json()["code"]) == (422, "personal_data")
    assert refused.json()["found"]["email"] == 1
    assert taken.status_code == 201
    assert taken.json()["scan"] == {
        "found": {"email": 1, "phone": 0, "my_number": 0, "card": 0},
        "reason": "公開されている窓口",
    }


def test_a_file_is_taken_with_its_questions(place: Place, maker: Caller) -> None:
    given = {"title": "出張規程", "questions": "日当は。 | 三千円", "retention_until": "2030-03-31"}

    answer = maker.upload("contexts/file", {**given, "file": file(b"\xef\xbb\xbf" + TEXT.encode())})

    said = answer.json()
    assert answer.status_code == 201
    assert kept(place, said["context"]) == TEXT
    assert (said["questions"], said["retention_until"]) == (1, "2030-03-31")


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        ("規程".encode("shift_jis"), "rules.txt", "not in UTF-8 (byte 1)"),
        (b"a\0b", "rules.txt", "NUL"),
        (b"%PDF-1.7", "rules.pdf", "Only text files"),
        (b" \n ", "rules.txt", "must hold text"),
        (b"a" * (MAX_BYTES + 1), "rules.txt", "more than 2 MB"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(maker: Caller, data: bytes, name: str, said: str) -> None:
    answer = maker.upload("contexts/file", {"title": "規程", "file": file(data, name)})

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_context"
    assert said in answer.json()["detail"]


def test_a_program_that_asks_for_japanese_is_answered_in_japanese(maker: Caller) -> None:
    from django.test import Client

    answer = Client().post(
        "/api/v1/contexts/file",
        {"title": "規程", "file": file("規程".encode("shift_jis"))},
        headers={"authorization": f"Bearer {maker.secret}", "accept-language": "ja,en;q=0.5"},
    )

    assert "UTF-8" in answer.json()["detail"]
    assert "not in" not in answer.json()["detail"]


@pytest.mark.parametrize("path", ["contexts", "contexts/file"])
def test_what_is_larger_than_an_address_takes_is_not_read(maker: Caller, path: str) -> None:
    large = 13 * 2**20
    kind = "application/json" if path == "contexts" else "multipart/form-data; boundary=x"

    from django.test import Client

    answer = Client().generic(
        "POST", f"/api/v1/{path}", b"a" * large, content_type=kind, headers={"authorization": f"Bearer {maker.secret}"}
    )

    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


def test_two_megabytes_of_japanese_pass_however_they_are_written(maker: Caller) -> None:
    text = "規" * (MAX_BYTES // 3)

    answer = maker.post("contexts", {"title": "大", "text": text})

    assert answer.status_code == 201
    assert answer.json()["bytes"] == len(text.encode())


@pytest.mark.parametrize("markup", ["<script>alert(1)</script>", "{{ 7*7 }}", "'; DROP TABLE entries; --", "%s\u202e"])
def test_markup_is_text_and_stays_it(place: Place, maker: Caller, markup: str) -> None:
    given: dict[str, Any] = {"title": markup.replace("\u202e", ""), "text": markup}

    context = maker.post("contexts", given).json()["context"]
    answer = caller(place, "read").get(f"contexts/{context}")

    assert answer.json()["title"] == given["title"]
    assert kept(place, context) == markup
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_generating_is_queued_once_whoever_asks_again(place: Place, maker: Caller) -> None:
    context = maker.post("contexts", {"title": "出張規程", "text": TEXT}).json()["context"]

    first = maker.post(f"contexts/{context}/adapters", {"name": "第1版"})
    again = caller(place, "generate").post(f"contexts/{context}/adapters", {"name": "第2版"})

    assert (first.status_code, first.json()["state"]) == (202, "queued")
    assert again.json() == first.json()


def test_lists_go_on_where_they_ended(place: Place, maker: Caller) -> None:
    made = [maker.post("contexts", {"title": f"規程 {n}", "text": TEXT}).json()["context"] for n in range(5)]
    reader = caller(place, "read")

    first = reader.get("contexts?limit=3").json()
    second = reader.get(f"contexts?limit=3&before={first['next']}").json()

    assert [row["context"] for row in (*first["rows"], *second["rows"])] == made[::-1]
    assert second["next"] is None


def test_a_list_is_filtered_by_words_and_state(place: Place, maker: Caller) -> None:
    for title in ("出張規程", "慶弔規程"):
        maker.post("contexts", {"title": title, "text": TEXT})
    reader = caller(place, "read")

    assert [row["title"] for row in reader.get("contexts?q=慶弔").json()["rows"]] == ["慶弔規程"]
    assert reader.get("contexts?state=erased").json()["rows"] == []


def test_nothing_is_left_behind_by_what_is_refused(place: Place, maker: Caller) -> None:
    before = sorted(path.name for path in Path(place.folder).rglob("*") if path.is_file())

    maker.upload("contexts/file", {"title": "規程", "file": file(b"a\0b")})

    assert sorted(path.name for path in Path(place.folder).rglob("*") if path.is_file()) == before
    with place.ledger.read() as db:
        assert not queries.find_entries(db, queries.EntryFilter(events=("context:submitted",)))
