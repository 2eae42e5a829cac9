"""Pages about contexts: who sees what, what is refused, and that every refusal is an entry."""

from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.html import escape

from adapters_core.ledger import context_queries, job_queries, queries, vault
from adapters_core.ledger.queries import EntryFilter
from governance.installation import installation
from governance.services.erase_context import erase_context
from governance.services.hold_context import hold_context
from governance.services.submit_context import MAX_BYTES
from tests.cast import AKIRA, CAST, HANAKO, MISAKI, NAOKO, PASSWORD, SHIN, TARO, YUKI, Member
from tests.factories import adapters
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn

pytestmark = pytest.mark.django_db
TITLE = "旅費規程"


@pytest.fixture
def context(place: Place) -> str:
    return adapters.submit(place)


@pytest.fixture
def hanako(browser_of: SignIn) -> Client:
    return browser_of(HANAKO)


def denials(place: Place) -> list[str]:
    with place.ledger.read() as db:
        return [entry.data["action"] for entry in queries.find_entries(db, EntryFilter(events=("denied",)))]


def submitted(place: Place) -> tuple[context_queries.ContextRow, ...]:
    with place.ledger.read() as db:
        return context_queries.find_contexts(db)


@pytest.mark.parametrize("member", CAST, ids=lambda member: member.email)
@pytest.mark.parametrize("page", ["/contexts/", "/contexts/new", "/contexts/{}", "/contexts/{}/erase"])
def test_whoever_has_a_role_reads_and_nobody_else(context: str, browser_of: SignIn, member: Member, page: str) -> None:
    answer = browser_of(member).get(page.format(context))

    assert answer.status_code == (403 if member is SHIN else 200)


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(
    ("page", "field"),
    [
        ("/contexts/new", "id_title_helptext"),
        ("/contexts/{context}", "name-hint"),
        ("/contexts/{context}/erase", "id_legal_basis_helptext"),
        ("/adapters/{adapter}/", "extend-name-hint"),
        ("/adapters/{adapter}/", "erase-name-hint"),
    ],
)
def test_what_stays_in_the_ledger_for_ever_is_said_beside_its_field(
    place: Place, hanako: Client, page: str, field: str, language: str
) -> None:
    context, other = adapters.submit(place), adapters.submit(place, title="追補")
    chunks = [{"id": context, "commitment": "c" * 64, "chunk_commitments": ["1" * 64, "2" * 64]}]
    adapter = adapters.generate(place, contexts=chunks)
    assert other
    hanako.cookies["ringi_language"] = language

    shown = hanako.get(page.format(context=context, adapter=adapter)).text

    assert f'aria-describedby="{field}"' in shown
    hint = shown.split(f'id="{field}">')[1].split("<")[0]
    assert {"ja": "台帳に永久に残るため", "en": "stays in the ledger for ever"}[language] in hint
    assert {"ja": "氏名", "en": "name"}[language] in hint.lower()


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_context_is_shown_in_both_languages(context: str, hanako: Client, language: str) -> None:
    hanako.cookies["ringi_language"] = language

    page = hanako.get(f"/contexts/{context}").text

    assert f"<title>{TITLE} | Ringi</title>" in page
    assert {"ja": "個人情報の検査", "en": "Personal-data scan"}[language] in page


@pytest.mark.usefixtures("place")
def test_an_empty_list_says_what_a_context_is(hanako: Client) -> None:
    hanako.cookies["ringi_language"] = "en"

    assert "No context yet" in hanako.get("/contexts/").text
    assert "No context matches" in hanako.get("/contexts/?q=nothing").text


def test_the_list_is_searched_and_paged(place: Place, hanako: Client) -> None:
    for number in range(31):
        adapters.submit(place, title=f"Paper {number:02}")

    first = hanako.get("/contexts/").text
    assert "Paper 30" in first
    assert "Paper 00" not in first
    rows = submitted(place)
    assert "Paper 00" in hanako.get(f"/contexts/?before={rows[-2].seq}").text
    assert "Paper 07" in hanako.get("/contexts/?q=paper+07&state=active").text
    assert "Paper 07" not in hanako.get("/contexts/?state=erased").text
    assert hanako.get("/contexts/?before=x&state=y").status_code == 200


@pytest.mark.parametrize("address", ["/contexts/00000000-0000-4000-8000-000000000000", "/contexts/x"])
@pytest.mark.usefixtures("place")
def test_an_unknown_context_is_no_page(hanako: Client, address: str) -> None:
    assert hanako.get(address).status_code == 404


def test_a_text_is_submitted_as_typed(place: Place, hanako: Client) -> None:
    sent = {
        "title": TITLE,
        "text": "一行目。\r\n\r\n二行目。",
        "questions": "何行？ ｜ 二行\n",
        "retention_until": "2030-01-31",
    }

    answer = hanako.post("/contexts/new", sent)

    row = submitted(place)[0]
    assert answer.headers["Location"] == f"/contexts/{row.context}"
    assert row.retention_until == "2030-01-31"
    with place.ledger.read() as db:
        assert vault.open_text(db, installation().master_key, row.context).decode() == "一行目。\n\n二行目。"
        assert queries.entry(db, row.seq).data["questions"] == 1


def test_a_file_is_submitted_without_its_mark_of_order(place: Place, hanako: Client) -> None:
    file = SimpleUploadedFile("rules.md", "規程".encode("utf-8-sig"))

    assert hanako.post("/contexts/new", {"title": TITLE, "file": file}).status_code == 302
    with place.ledger.read() as db:
        assert vault.open_text(db, installation().master_key, submitted(place)[0].context).decode() == "規程"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("rules.pdf", b"%PDF", "Only text files"),
        ("../../etc/passwd", b"root", "Only text files"),
        ("rules.txt", "規程".encode("cp932"), "not in UTF-8 (byte 1)"),
        ("rules.txt", b"PK\x03\x04\0\0", "NUL"),
        ("rules.txt", b"a" * (MAX_BYTES + 1), "more than 2 MB"),
        ("rules.txt", b" \n", "There is no text"),
        ("rules.txt", b"", "empty"),
    ],
)
def test_a_file_that_is_no_text_is_refused_with_the_reason(
    place: Place, hanako: Client, name: str, data: bytes, said: str
) -> None:
    hanako.cookies["ringi_language"] = "en"

    answer = hanako.post("/contexts/new", {"title": TITLE, "file": SimpleUploadedFile(name, data)})

    assert answer.status_code == 422
    assert said in answer.text
    assert submitted(place) == ()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"title": "", "text": "x"}, "required"),
        ({"title": "a\tb", "text": "x"}, "control characters"),
        ({"title": "t" * 201, "text": "x"}, "200"),
        ({"title": "t", "text": " "}, "There is no text"),
        ({"title": "t", "text": "x\0y"}, "Null characters"),
        ({"title": "t", "text": "a" * (MAX_BYTES + 1)}, "more than 2 MB"),
        ({"title": "t", "text": "x", "questions": "What?"}, "Line 1 needs"),
        ({"title": "t", "text": "x", "questions": "q|a\n" * 201}, "At most 200"),
        ({"title": "t", "text": "x", "retention_until": "tomorrow"}, "valid date"),
    ],
)
def test_what_cannot_be_used_is_said_at_the_field(
    place: Place, hanako: Client, sent: dict[str, str], said: str
) -> None:
    hanako.cookies["ringi_language"] = "en"

    answer = hanako.post("/contexts/new", sent)

    assert answer.status_code == 422
    assert said in answer.text
    assert submitted(place) == ()


@pytest.mark.usefixtures("place")
def test_text_and_file_are_not_mixed(hanako: Client) -> None:
    sent = {"title": TITLE, "text": "one", "file": SimpleUploadedFile("a.txt", b"other")}

    assert hanako.post("/contexts/new", sent).status_code == 422


def test_personal_data_are_shown_in_their_place_and_wait_for_a_reason(place: Place, hanako: Client) -> None:
    file = SimpleUploadedFile("a.txt", "担当は yamada@example.co.jp です".encode())

    asked = hanako.post("/contexts/new", {"title": TITLE, "file": file})

    assert asked.status_code == 422
    assert "<mark>yamada@example.co.jp</mark>" in asked.text
    assert "担当は yamada@example.co.jp です</textarea>" in asked.text, "a browser does not keep the file"
    assert submitted(place) == ()

    text = "担当は yamada@example.co.jp です"
    hanako.post("/contexts/new", {"title": TITLE, "text": text, "personal_data_reason": "公開の窓口"})
    page = hanako.get(f"/contexts/{submitted(place)[0].context}").text
    assert "公開の窓口" in page
    assert "<mark>yamada@example.co.jp</mark>" in page


def test_what_people_enter_is_text_and_nothing_else(place: Place, hanako: Client) -> None:
    evil = "<script>alert(1)</script>'; DROP TABLE entries; --"
    hanako.post("/contexts/new", {"title": evil, "text": evil})
    row = submitted(place)[0]

    for page in ("/contexts/", f"/contexts/{row.context}", f"/contexts/?q={evil}"):
        answer = hanako.get(page).text
        assert escape(evil) in answer
        assert "<script>alert" not in answer


@pytest.mark.parametrize("member", [YUKI, AKIRA, MISAKI, NAOKO, SHIN], ids=lambda member: member.email)
@pytest.mark.parametrize(
    ("page", "action"),
    [("/contexts/new", "submit_context"), ("/contexts/{}/generate", "generate")],
)
def test_only_engineers_submit_and_generate_and_others_are_recorded(  # noqa: PLR0917  a case is six things
    place: Place, context: str, browser_of: SignIn, member: Member, page: str, action: str
) -> None:
    answer = browser_of(member).post(page.format(context), {"title": "x", "text": "x"})

    assert answer.status_code == 403
    assert denials(place) == [action]
    assert len(submitted(place)) == 1


def test_generating_queues_a_job_and_the_page_says_so(place: Place, context: str, hanako: Client) -> None:
    hanako.cookies["ringi_language"] = "en"

    answer = hanako.post(f"/contexts/{context}/generate", {"name": "名前"}, follow=True)

    assert "A generation waits for a worker." in answer.text
    with place.ledger.read() as db:
        assert [job.payload["name"] for job in job_queries.find_jobs(db)] == ["名前"]


def test_a_hold_is_put_and_ended_with_reasons(place: Place, context: str, browser_of: SignIn) -> None:
    yuki = browser_of(YUKI)

    yuki.post(f"/contexts/{context}/hold", {"reason": " "})
    assert submitted(place)[0].state == "active"
    yuki.post(f"/contexts/{context}/hold", {"reason": "係争中"})
    assert submitted(place)[0].state == "held"
    assert "係争中" in yuki.get(f"/contexts/{context}").text
    yuki.post(f"/contexts/{context}/release", {"reason": ""})
    assert submitted(place)[0].state == "held"
    yuki.post(f"/contexts/{context}/release", {"reason": "終結"})
    assert submitted(place)[0].state == "active"


@pytest.mark.parametrize("member", [TARO, AKIRA, NAOKO], ids=lambda member: member.email)
def test_a_hold_by_others_is_refused_and_recorded(
    place: Place, context: str, browser_of: SignIn, member: Member
) -> None:
    assert browser_of(member).post(f"/contexts/{context}/hold", {"reason": "x"}).status_code == 403
    assert denials(place) == ["hold_context"]


def test_an_erasure_lists_what_it_retires_and_asks_for_a_proof_first(
    place: Place, context: str, hanako: Client
) -> None:
    place.clock.now = datetime.now(UTC)
    digest = adapters.generate(place, context=context, name="影響を受けるもの")
    address = f"/contexts/{context}/erase"

    before = hanako.get(address).text
    assert "影響を受けるもの" in before
    sure = {"legal_basis": "本人の請求", "understood": "on"}
    for unproved in (sure, {**sure, "proof": "guessed"}, {"legal_basis": "本人の請求", "proof": PASSWORD}):
        assert hanako.post(address, unproved).status_code == 422
        assert submitted(place)[0].state == "active"

    assert hanako.post(address, {**sure, "proof": PASSWORD}).status_code == 302

    assert submitted(place)[0].state == "erased"
    page = hanako.get(f"/contexts/{context}").text
    assert "本人の請求" in page
    assert "三千円" not in page
    with place.ledger.read() as db:
        erased = queries.find_entries(db, EntryFilter(events=("context:erased",)))
    assert erased[0].data["adapters"] == [digest]


@pytest.mark.parametrize("member", [TARO, YUKI, AKIRA, NAOKO], ids=lambda member: member.email)
def test_an_erasure_by_others_is_refused_and_recorded(
    place: Place, context: str, browser_of: SignIn, member: Member
) -> None:
    answer = browser_of(member).post(f"/contexts/{context}/erase", {"legal_basis": "x", "understood": "on"})

    assert answer.status_code == 403
    assert denials(place) == ["erase_context"]


def test_what_is_held_is_not_erased_and_the_page_says_why(place: Place, context: str, hanako: Client) -> None:
    hold_context(place.actor(YUKI), context=context, reason="係争中")
    hanako.cookies["ringi_language"] = "en"

    assert "under legal hold and must be kept" in hanako.get(f"/contexts/{context}/erase").text


def test_an_erased_context_offers_nothing(place: Place, context: str, hanako: Client) -> None:
    erase_context(place.actor(HANAKO), context=context, legal_basis="期間満了")

    page = hanako.get(f"/contexts/{context}").text

    assert f"/contexts/{context}/generate" not in page
    assert hanako.post(f"/contexts/{context}/generate").status_code == 403


@pytest.mark.parametrize("page", ["generate", "hold", "release"])
def test_changes_are_made_by_post_with_a_token_only(context: str, hanako: Client, page: str) -> None:
    assert hanako.get(f"/contexts/{context}/{page}").status_code == 405
    hanako.handler.enforce_csrf_checks = True
    assert hanako.post(f"/contexts/{context}/{page}", {"reason": "x"}).status_code == 403
