"""The pages of requests: who sees them, how a decision is signed, and how a refusal is said and recorded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from adapters_core.ledger.append import append
from adapters_core.ledger.records import Subject
from adapters_core.ledger.signing import DECISION_TYPE
from governance.actors import snapshot
from governance.installation import installation
from governance.services.approve import approve
from governance.services.comment import comment
from governance.services.delegate import delegate
from governance.services.withdraw import withdraw
from tests.cast import AKIRA, HANAKO, KENJI, MISAKI, NAOKO, PASSWORD, SHIN, TARO, YUKI, Member
from tests.factories.adapters import evaluate, evaluated, generate
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.services.test_approving import ask, denials, row, signature, strict_slot

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today(place: Place) -> None:
    """A proof bears the machine's time, so the ledger's clock must be there too."""
    cache.clear()
    place.clock.now = datetime.now(UTC)


@pytest.fixture
def request_id(place: Place) -> str:
    return ask(place, evaluated(place))


def chosen(place: Place, request: str, **more: Any) -> dict[str, Any]:
    seen = row(place, request)
    return {
        "decision": "approve",
        "meaning": "",
        "stage": seen.stage,
        "bound_digest": seen.bound_digest,
        "on_behalf_of": "",
        **more,
    }


def sign(place: Place, client: Client, request: str, **more: Any) -> Any:
    place.clock.now = max(place.clock.now, datetime.now(UTC) + timedelta(seconds=5))
    given = {"step": "sign", "proof": PASSWORD, **chosen(place, request), **more}
    return client.post(f"/requests/{request}/decide/", given)


@pytest.mark.parametrize("member", [HANAKO, YUKI, AKIRA, MISAKI, NAOKO])
@pytest.mark.parametrize(
    "page", ["/requests/", "/requests/{}/", "/requests/{}/sheet/", "/requests/{}/decide/", "/delegations/"]
)
def test_every_role_reads_every_page(request_id: str, browser_of: SignIn, member: Member, page: str) -> None:
    assert browser_of(member).get(page.format(request_id)).status_code == 200


@pytest.mark.parametrize(
    "page", ["/requests/", "/requests/{}/", "/requests/{}/sheet/", "/requests/{}/decide/", "/delegations/"]
)
def test_without_a_role_nothing_is_read(request_id: str, browser_of: SignIn, page: str) -> None:
    assert browser_of(SHIN).get(page.format(request_id)).status_code == 403


def test_a_stranger_is_asked_to_sign_in(request_id: str) -> None:
    assert Client().get(f"/requests/{request_id}/").status_code == 302


def test_a_request_that_there_is_not_is_not_found(browser_of: SignIn) -> None:
    assert browser_of(YUKI).get("/requests/nothing/").status_code == 404


@pytest.mark.parametrize(("language", "word"), [("ja", "申請内容"), ("en", "What is asked")])
def test_a_request_is_shown_in_both_languages(request_id: str, browser_of: SignIn, language: str, word: str) -> None:
    client = browser_of(YUKI)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language

    assert word in client.get(f"/requests/{request_id}/").text


def test_the_second_step_repeats_what_is_signed(place: Place, request_id: str, browser_of: SignIn) -> None:
    page = browser_of(YUKI).post(
        f"/requests/{request_id}/decide/", {"step": "review", **chosen(place, request_id, comment="問題なし")}
    )

    seen = row(place, request_id)
    assert page.status_code == 200
    assert seen.adapter[:12] in page.text
    assert "問題なし" in page.text
    assert "proof" in page.text
    assert row(place, request_id).state == "requested"


def test_signing_with_the_password_approves(place: Place, request_id: str, browser_of: SignIn) -> None:
    client = browser_of(YUKI)

    answer = sign(place, client, request_id, comment="問題なし")

    assert answer.status_code == 302
    assert row(place, request_id).state == "approved"
    assert "問題なし" in client.get(f"/requests/{request_id}/").text
    assert denials(place) == []


def test_the_sheet_shows_a_signature_that_verifies(place: Place, request_id: str, browser_of: SignIn) -> None:
    client = browser_of(YUKI)
    sign(place, client, request_id)

    sheet = client.get(f"/requests/{request_id}/sheet/").text

    assert YUKI.name in sheet
    assert "検証済み" in sheet
    assert row(place, request_id).adapter in sheet


def test_a_wrong_password_signs_nothing_and_is_recorded(place: Place, request_id: str, browser_of: SignIn) -> None:
    answer = sign(place, browser_of(YUKI), request_id, proof="wrong")

    assert answer.status_code == 403
    assert row(place, request_id).state == "requested"
    assert denials(place) == [("approve", "confirm_identity")]


def test_guessing_the_password_is_stopped(place: Place, request_id: str, browser_of: SignIn) -> None:
    client = browser_of(YUKI)
    for _attempt in range(5):
        sign(place, client, request_id, proof="wrong")

    assert sign(place, client, request_id).status_code == 403
    assert row(place, request_id).state == "requested"


def test_a_proof_signs_once(place: Place, browser_of: SignIn) -> None:
    first, second = ask(place, evaluated(place)), ask(place, evaluated(place, name="二"))
    client = browser_of(YUKI)
    sign(place, client, first)

    answer = sign(place, client, second, proof="")

    assert answer.status_code == 403
    assert row(place, second).state == "requested"


def test_a_double_click_is_refused_with_the_reason(place: Place, request_id: str, browser_of: SignIn) -> None:
    client = browser_of(YUKI)
    seen = chosen(place, request_id)
    sign(place, client, request_id)

    again = sign(place, client, request_id, **seen)

    assert again.status_code == 409
    assert "この申請はすでに終了しています" in again.text
    assert denials(place) == [("approve", "not_open")]


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (HANAKO, "role_missing"),
        (TARO, "role_missing"),
        (AKIRA, "wrong_stage"),
        (MISAKI, "role_forbids"),
        (NAOKO, "role_forbids"),
    ],
)
def test_whoever_may_not_decide_is_refused_and_recorded(
    place: Place, request_id: str, browser_of: SignIn, member: Member, reason: str
) -> None:
    answer = sign(place, browser_of(member), request_id)

    assert answer.status_code == 403
    assert row(place, request_id).state == "requested"
    assert denials(place) == [("approve", reason)]


def test_a_page_of_another_stage_is_refused(place: Place, browser_of: SignIn) -> None:
    digest = generate(place)
    evaluate(place, digest)
    evaluate(place, digest, suite="retention", recovery=None, retention=0.99)
    request = ask(place, digest, slot=strict_slot(place))
    old = chosen(place, request, stage=1)

    answer = sign(place, browser_of(YUKI), request, **old)

    assert answer.status_code == 409
    assert denials(place) == [("approve", "stale")]


@pytest.mark.parametrize(
    ("decision", "missing"),
    [("send_back", "comment"), ("reject", "comment"), ("approve_with_conditions", "conditions")],
)
def test_a_decision_that_must_say_why_does(
    place: Place, request_id: str, browser_of: SignIn, decision: str, missing: str
) -> None:
    answer = sign(place, browser_of(YUKI), request_id, decision=decision, **{missing: " "})

    assert answer.status_code == 400
    assert row(place, request_id).state == "requested"


@pytest.mark.parametrize(
    ("decision", "state"),
    [("approve_with_conditions", "conditionally_approved"), ("send_back", "sent_back"), ("reject", "rejected")],
)
def test_each_decision_ends_the_stage(
    place: Place, request_id: str, browser_of: SignIn, decision: str, state: str
) -> None:
    sign(
        place,
        browser_of(YUKI),
        request_id,
        decision=decision,
        comment="理由",
        conditions="試行に限る",
        required="再評価",
    )

    assert row(place, request_id).state == state


@pytest.mark.parametrize(
    ("decision", "given", "recorded"),
    [
        ("approve", "", "approved"),
        ("approve", "decided", "decided"),
        ("approve", "checked", None),
        ("approve", "prepared", None),
        ("reject", "", "decided"),
        ("reject", "checked", "checked"),
        ("reject", "approved", None),
        ("send_back", "approved", None),
    ],
)
def test_a_signature_means_what_fits_its_decision(
    place: Place, request_id: str, browser_of: SignIn, *, decision: str, given: str, recorded: str | None
) -> None:
    client = browser_of(YUKI)
    answer = sign(place, client, request_id, decision=decision, meaning=given, comment="理由")

    sheet = client.get(f"/requests/{request_id}/sheet/").context["sheet"]
    assert answer.status_code == (302 if recorded else 400)
    assert [one.meaning for one in sheet.signed] == ([recorded] if recorded else [])
    assert recorded or answer.context["form"].has_error("meaning")


def test_the_page_offers_the_meanings_that_fit_and_the_next_one_says_which_it_is(
    place: Place, request_id: str, browser_of: SignIn
) -> None:
    client = browser_of(YUKI)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    page = client.get(f"/requests/{request_id}/decide/")

    offered = [name for name, _words in page.context["form"].fields["meaning"].choices]
    assert offered == ["", "checked", "approved", "decided"]
    assert "To approve: Approved or Decided. To send back or to reject: Decided or Checked." in page.text
    told = client.post(
        f"/requests/{request_id}/decide/",
        {"step": "review", **chosen(place, request_id, decision="reject", comment="x")},
    )
    assert "<dd>Decided</dd>" in told.text
    assert '<input type="hidden" name="meaning" value="decided">' in told.text


def test_a_gate_that_is_not_reached_blocks_a_plain_approval_and_says_so(place: Place, browser_of: SignIn) -> None:
    digest = generate(place)
    evaluate(place, digest, recovery=-0.1)
    request = ask(place, digest)

    page = browser_of(YUKI).get(f"/requests/{request}/decide/").text

    assert 'value="approve" aria-describedby="why-approve" disabled' in page
    assert "必要な基準を満たしていません" in page


def test_a_decision_keeps_the_gates_that_were_signed_with_it(place: Place, browser_of: SignIn) -> None:
    digest = generate(place)
    report = evaluate(place, digest, recovery=-0.4)
    request = ask(place, digest)
    client = browser_of(YUKI)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    assert client.get(f"/requests/{request}/").context["view"].failed
    sign(place, client, request, decision="reject", comment="回収率が負")

    later = evaluate(place, digest, recovery=0.91)

    page, sheet = client.get(f"/requests/{request}/"), client.get(f"/requests/{request}/sheet/")
    (signed,) = sheet.context["sheet"].signed
    found = {one.gate.metric: (one.value, one.passed, one.report) for one in signed.gates}
    assert found["recovery"] == (-0.4, False, report)
    assert found["norm_outlier"] == (None, True, None)
    assert page.context["view"].gates == signed.gates
    assert signed.holds
    assert [one.report for one in page.context["view"].evaluations] == [report]
    for shown in (page.text, sheet.text):
        assert "-40%" in shown
        assert "91%" not in shown
        assert later not in shown
    assert "As the gates stood at the last decision" in page.text


def test_the_gates_that_conditions_pass_over_are_named_before_and_after(place: Place, browser_of: SignIn) -> None:
    digest = generate(place)
    evaluate(place, digest, recovery=-0.4)
    request = ask(place, digest)
    client = browser_of(YUKI)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    given = {"decision": "approve_with_conditions", "conditions": "試行に限る"}

    before = client.post(f"/requests/{request}/decide/", {"step": "review", **chosen(place, request, **given)})
    assert "<dt>Gates that it passes over</dt><dd>回収率 / Recovery</dd>" in before.text
    sign(place, client, request, **given)

    for page in (f"/requests/{request}/", f"/requests/{request}/sheet/"):
        assert client.get(page).text.count("Passed over under conditions") == 1
    assert client.get(f"/requests/{request}/sheet/").context["sheet"].signed[0].holds


def test_what_a_decision_of_before_did_not_record_is_said(place: Place, request_id: str, browser_of: SignIn) -> None:
    seen = row(place, request_id)
    decision = {"stage": 0, "meaning": "approved", "on_behalf_of": None, "bound_digest": seen.bound_digest}
    stated = {**decision, "request": request_id, "signed_by": {"id": YUKI.id, "name": YUKI.name}}
    envelope = installation().signing_key.sign(stated, DECISION_TYPE)
    with place.ledger.write() as tx:
        append(
            tx,
            "request:approved",
            subject=Subject(kind="request", id=request_id),
            actor=snapshot(place.actor(YUKI)),
            data={**decision, "signature": envelope},
        )
    client = browser_of(YUKI)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"

    said = "The results of the gates were not recorded with this decision."
    assert said in client.get(f"/requests/{request_id}/").text
    sheet = client.get(f"/requests/{request_id}/sheet/")
    assert said in sheet.text
    assert sheet.context["sheet"].signed[0].holds


def test_a_request_that_ended_without_a_decision_shows_no_gates(
    place: Place, request_id: str, browser_of: SignIn
) -> None:
    withdraw(place.actor(HANAKO), request=request_id, comment="差替え")
    client = browser_of(YUKI)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"

    assert "It ended without a decision" in client.get(f"/requests/{request_id}/").text


def test_a_delegate_signs_in_the_name_of_another(place: Place, request_id: str, browser_of: SignIn) -> None:
    until = place.clock.now + timedelta(days=3)
    delegate(place.actor(YUKI), to=AKIRA.id, until=until, reason="休暇")

    answer = sign(place, browser_of(AKIRA), request_id, on_behalf_of=YUKI.id)

    assert answer.status_code == 302
    page = browser_of(KENJI).get(f"/requests/{request_id}/").text
    assert f"{YUKI.name} の代理" in page


def number_of(page: str) -> str:
    return page.partition('name="form_number" value="')[2].partition('"')[0]


def test_a_comment_is_added_once(request_id: str, browser_of: SignIn) -> None:
    client = browser_of(AKIRA)
    given = {"text": "現場は待っている", "form_number": number_of(client.get(f"/requests/{request_id}/").text)}

    first = client.post(f"/requests/{request_id}/comment/", given)
    second = client.post(f"/requests/{request_id}/comment/", given)

    assert (first.status_code, second.status_code) == (302, 409)
    assert client.get(f"/requests/{request_id}/").text.count("現場は待っている") == 1


def test_a_form_of_another_person_is_not_taken(request_id: str, browser_of: SignIn) -> None:
    number = number_of(browser_of(AKIRA).get(f"/requests/{request_id}/").text)

    answer = browser_of(YUKI).post(f"/requests/{request_id}/comment/", {"text": "x", "form_number": number})

    assert answer.status_code == 409


def test_an_auditor_who_comments_is_refused_and_recorded(place: Place, request_id: str, browser_of: SignIn) -> None:
    answer = browser_of(NAOKO).post(f"/requests/{request_id}/comment/", {"text": "x"})

    assert answer.status_code == 403
    assert denials(place) == [("comment", "role_forbids")]


def test_only_who_asked_withdraws(place: Place, request_id: str, browser_of: SignIn) -> None:
    for member, status, state in ((TARO, 403, "requested"), (HANAKO, 302, "withdrawn")):
        client = browser_of(member)
        number = number_of(browser_of(member).get("/delegations/").text) or number_of(
            client.get(f"/requests/{request_id}/").text
        )
        answer = client.post(f"/requests/{request_id}/withdraw/", {"comment": "差替え", "form_number": number})
        assert answer.status_code == status
        assert row(place, request_id).state == state


def test_what_people_write_is_text_and_never_markup(place: Place, request_id: str, browser_of: SignIn) -> None:
    comment(place.actor(AKIRA), request=request_id, text="<script>alert(1)</script>")

    page = browser_of(YUKI).get(f"/requests/{request_id}/").text

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_delegation_is_granted_and_ended_on_its_page(browser_of: SignIn) -> None:
    client = browser_of(YUKI)
    until = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    given = {
        "to": AKIRA.id,
        "until": until,
        "reason": "出張",
        "form_number": number_of(client.get("/delegations/").text),
    }
    assert client.post("/delegations/", given).status_code == 302
    page = client.get("/delegations/").text
    assert "出張" in page
    identifier = page.partition('action="/delegations/')[2].partition("/")[0]

    assert browser_of(KENJI).post(f"/delegations/{identifier}/end/").status_code == 403
    assert client.post(f"/delegations/{identifier}/end/").status_code == 302
    assert "出張" not in client.get("/delegations/").text


def test_an_approval_that_has_expired_is_shown_as_such_wherever_it_stands(
    place: Place, request_id: str, browser_of: SignIn
) -> None:
    digest = row(place, request_id).adapter
    approve(place.actor(YUKI), request=request_id, signature=signature(place, request_id))
    client = browser_of(HANAKO)
    pages = ("/requests/", f"/requests/{request_id}/", f"/adapters/{digest}/")
    assert {page: client.get(page).text.count("期限切れ</span>") for page in pages} == dict.fromkeys(pages, 0)
    assert "承認されました" in client.get(f"/adapters/{digest}/").text

    place.clock.forward(days=91)

    assert {page: client.get(page).text.count("期限切れ</span>") for page in pages} == dict.fromkeys(pages, 1)
    assert "有効な承認がありません" in client.get(f"/adapters/{digest}/").text


@pytest.mark.usefixtures("request_id")
@pytest.mark.parametrize("query", ["state=requested", "slot=support", "mine=1", "before=abc", "state='", "before=0"])
def test_the_list_takes_any_filter(browser_of: SignIn, query: str) -> None:
    assert browser_of(HANAKO).get(f"/requests/?{query}").status_code == 200
