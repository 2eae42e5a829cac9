"""The audit log in the browser: who reads it, what it finds, what it proves, what it gives away."""

import csv
import io
import json
import sqlite3
import zipfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from adapters_core.errors import DeniedError
from adapters_core.ledger.checkpoints import latest_checkpoint
from adapters_core.ledger.signing import load_public
from adapters_core.ledger.verification.offline import verify_pack
from governance.services.create_slot import create_slot
from governance.services.hold_context import hold_context
from governance.services.note_left import last_left, note_left
from tests.cast import AKIRA, CAST, HANAKO, MISAKI, NAOKO, SHIN, TARO, Member
from tests.factories.adapters import submit
from tests.factories.installations import BASE, Place
from tests.unit.governance.conftest import SignIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]
READERS = [member for member in CAST if member.roles]


@pytest.fixture
def naoko(browser_of: SignIn) -> Client:
    return browser_of(NAOKO)


def english(client: Client) -> Client:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


@pytest.mark.parametrize("address", ["/audit/", "/audit/0", "/audit/verify"])
@pytest.mark.parametrize("member", READERS, ids=lambda member: member.roles[0])
def test_every_role_reads_the_log(browser_of: SignIn, member: Member, address: str) -> None:
    assert browser_of(member).get(address).status_code == 200


@pytest.mark.parametrize(
    "address",
    ["/audit/", "/audit/0", "/audit/verify", "/audit/export.csv", "/audit/export.jsonl", "/audit/pack-whole.zip"],
)
def test_nobody_reads_it_without_a_role(browser_of: SignIn, address: str) -> None:
    assert browser_of(SHIN).get(address).status_code == 403
    assert Client().get(address).status_code == 302


@pytest.mark.parametrize(("language", "title"), [("ja", "監査ログ"), ("en", "Audit log")])
def test_the_log_speaks_the_persons_language(naoko: Client, language: str, title: str) -> None:
    naoko.cookies[settings.LANGUAGE_COOKIE_NAME] = language

    assert f"<h1>{title}</h1>" in naoko.get("/audit/").text


def test_filters_narrow_the_log(place: Place, naoko: Client) -> None:
    context = submit(place, HANAKO)
    with pytest.raises(DeniedError):
        hold_context(place.actor(TARO), context=context, reason="because")
    english(naoko)

    def numbers(asked: str) -> set[int]:
        return {line.entry.seq for line in naoko.get(f"/audit/?{asked}").context["page"].lines}

    everything = numbers("")
    assert len(numbers(f"actor={HANAKO.id}")) == 1
    assert len(numbers("event=denied")) == 1
    assert (
        numbers(f"subject={context}") == numbers(f"subject=context:{context}") == {max(everything), max(everything) - 1}
    )
    assert numbers("since=2026-11-20") == {max(everything), max(everything) - 1}
    assert numbers("until=2026-11-19") == everything - numbers("since=2026-11-20")
    assert numbers("subject=nothing-of-that-name") == set()


def test_a_filter_that_cannot_be_used_is_said_at_its_field(naoko: Client) -> None:
    answer = english(naoko).get("/audit/?since=yesterday")

    assert answer.status_code == 400
    assert "field-errors" in answer.text
    assert naoko.get("/audit/export.csv?since=yesterday").status_code == 400


def test_pages_follow_each_other_without_a_gap(place: Place, naoko: Client) -> None:
    for number in range(60):
        create_slot(place.actor(MISAKI), name=f"slot-{number}", title="t", base=BASE, engine="core", policy="standard")
    seen: list[int] = []
    address = "/audit/"
    while True:
        page = naoko.get(address).context
        seen += [line.entry.seq for line in page["page"].lines]
        if not page["next"]:
            break
        address = "/audit/" + page["next"]

    assert seen == list(range(max(seen), -1, -1))


def test_an_entry_shows_its_proof(naoko: Client) -> None:
    page = english(naoko).get("/audit/0")

    assert "<h2>Proved</h2>" in page.text
    assert page.context["proved"].included
    assert page.context["entry"].leaf_hash in page.text


def test_an_entry_that_was_changed_underneath_is_shown_as_such(place: Place, naoko: Client) -> None:
    _tamper(place)

    assert "Not as it was recorded" in english(naoko).get("/audit/3").text


def test_an_unknown_entry_is_not_found(naoko: Client) -> None:
    assert naoko.get("/audit/999999").status_code == 404


def test_verifying_says_that_all_is_well_and_remembers_how_far(naoko: Client) -> None:
    page = english(naoko).post("/audit/verify", {"full": "on", "artifacts": "on"})

    assert "Everything is as it was recorded" in page.text
    assert page.context["outcome"].report.levels == ("V0", "V1", "guards", "indexes", "V3")
    assert page.context["stands"].verified == page.context["outcome"].report.checkpoint
    assert naoko.post("/audit/verify", {}).context["outcome"].report.since == page.context["stands"].verified


def test_a_changed_ledger_is_named_in_plain_words(place: Place, naoko: Client) -> None:
    _tamper(place)

    page = english(naoko).post("/audit/verify", {"full": "on"})

    assert "The text of an entry was changed after it had been recorded." in page.text
    assert "entry 3" in page.text
    assert page.context["stands"].verified == 0


def test_engines_that_do_not_answer_are_findings(naoko: Client) -> None:
    outcome = naoko.post("/audit/verify", {"serving": "on"}).context["outcome"]

    assert [(finding.level, finding.what) for finding in outcome.report.findings] == [("V4", "slot support")]


def test_the_list_leaves_as_csv_and_json_lines(place: Place, naoko: Client) -> None:
    create_slot(place.actor(MISAKI), name="formulas", title="=1+1", base=BASE, engine="core", policy="standard")

    rows = list(
        csv.DictReader(io.StringIO(_text(naoko, "/audit/export.csv?event=slot:created").removeprefix("\ufeff")))
    )
    bodies = [json.loads(line) for line in _text(naoko, "/audit/export.jsonl?event=slot:created").splitlines()]

    assert [row["subject"] for row in rows] == ["formulas", "support"] == [body["subject"]["id"] for body in bodies]
    assert json.loads(rows[0]["data"])["title"] == "=1+1"


def test_cells_are_no_formulas(place: Place, naoko: Client) -> None:
    create_slot(
        place.actor(Member(id=MISAKI.id, name="=cmd()", email="", roles=())),
        name="s-1",
        title="t",
        base=BASE,
        engine="core",
        policy="standard",
    )

    assert "'=cmd()" in _text(naoko, "/audit/export.csv")


@pytest.mark.parametrize("address", ["/audit/pack-whole.zip", "/audit/pack-slice.zip?event=policy:set"])
def test_packs_verify_elsewhere(place: Place, naoko: Client, tmp_path: Path, address: str) -> None:
    pack = tmp_path / "pack.zip"
    pack.write_bytes(b"".join(naoko.get(address).streaming_content))  # type: ignore[attr-defined]

    report = verify_pack(pack, [load_public(place.folder / "keys" / "ledger.key.pub")])

    assert report.ok
    assert report.size > 1
    with zipfile.ZipFile(pack) as opened:
        assert "checkpoints.jsonl" in opened.namelist()


def taken_along(client: Client) -> bytes:
    return b"".join(client.get("/audit/pack-whole.zip").streaming_content)  # type: ignore[attr-defined]


def test_a_checkpoint_has_left_once_a_pack_was_taken_along(place: Place, naoko: Client) -> None:
    before = english(naoko).get("/audit/")
    taken_along(naoko)
    place.clock.forward(days=3)
    after = english(naoko).get("/audit/")

    stands = after.context["stands"]
    assert before.context["stands"].left is None
    assert "None has left yet" in before.text
    assert (stands.left.size, stands.left.time) == (stands.checkpoint.size, stands.checkpoint.time)
    assert stands.left_age >= timedelta(days=3)
    assert f"It covers {stands.left.size} entries, and left on " in after.text


def test_an_older_checkpoint_that_leaves_changes_nothing(place: Place, naoko: Client) -> None:
    with place.ledger.read() as db:
        older = latest_checkpoint(db)
    taken_along(naoko)
    with place.ledger.read() as db:
        noted = last_left(db)

    note_left(older)
    note_left(None)

    with place.ledger.read() as db:
        assert last_left(db) == noted


def test_a_slice_of_nothing_is_refused_with_what_to_do(naoko: Client) -> None:
    answer = english(naoko).get("/audit/pack-slice.zip?event=pilot:defined&subject=nothing")

    assert answer.status_code == 400


def test_markup_in_an_entry_is_text(place: Place, browser_of: SignIn) -> None:
    create_slot(
        place.actor(MISAKI),
        name="marked",
        title="<script>alert(1)</script>",
        base=BASE,
        engine="core",
        policy="standard",
    )

    page = browser_of(AKIRA).get("/audit/").text

    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def _text(client: Client, address: str) -> str:
    return b"".join(client.get(address).streaming_content).decode()  # type: ignore[attr-defined]


def _tamper(place: Place) -> None:
    """Change an entry as somebody does who can write the file."""
    with closing(sqlite3.connect(place.folder / "ledger.sqlite3")) as file, file:
        guards = file.execute(
            "SELECT name, sql FROM sqlite_master WHERE type='trigger' AND tbl_name='entries'"
        ).fetchall()
        for name, _sql in guards:
            file.execute(f"DROP TRIGGER {name}")
        file.execute("UPDATE entries SET body = replace(body, '\"v\":1', '\"v\": 1') WHERE seq = 3")
        for _name, sql in guards:
            file.execute(sql)
