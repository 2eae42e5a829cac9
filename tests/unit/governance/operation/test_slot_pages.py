"""The pages of slots: what serves, putting something else there, going back, emergencies, and the point in time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from tests.cast import AKIRA, HANAKO, MISAKI, NAOKO, PASSWORD, SHIN, YUKI, Member
from tests.factories.adapters import evaluated, finish
from tests.factories.installations import BASE, Place
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.services.test_approving import denials
from tests.unit.governance.services.test_deploying import approved, serve, slot

pytestmark = pytest.mark.django_db
PAGES = (
    "/slots/",
    "/slots/new/",
    "/slots/support/",
    "/slots/support/deploy/",
    "/slots/support/rollback/",
    "/slots/support/kill/",
    "/slots/support/break-glass/",
    "/at",
    "/at?slot=support&time=2026-11-20T09:00",
)


@pytest.fixture(autouse=True)
def _today(place: Place) -> None:
    """A proof bears the machine's time, so the ledger's clock must be there too."""
    cache.clear()
    place.clock.now = datetime.now(UTC)


def ask_for(place: Place, client: Client, kind: str, **more: Any) -> Any:
    place.clock.now = max(place.clock.now, datetime.now(UTC) + timedelta(seconds=5))
    given = {"seen": slot(place).adapter or "", "reason": "誤った回答が続いているため", **more}
    return client.post(f"/slots/support/{kind}/", given)


def deployment_of(answer: Any) -> str:
    return str(answer.headers["Location"]).strip("/").rpartition("/")[2]


@pytest.mark.parametrize("member", [HANAKO, YUKI, AKIRA, MISAKI, NAOKO])
def test_every_role_reads_every_page(place: Place, browser_of: SignIn, member: Member) -> None:
    serve(place, approved(place))
    client = browser_of(member)

    assert {page: client.get(page).status_code for page in PAGES} == dict.fromkeys(PAGES, 200)


def test_without_a_role_nothing_is_read(browser_of: SignIn) -> None:
    client = browser_of(SHIN)

    assert {page: client.get(page).status_code for page in PAGES} == dict.fromkeys(PAGES, 403)


@pytest.mark.parametrize("page", ["/slots/nothing/", "/slots/support/nothing/", "/deployments/nothing/"])
def test_what_there_is_not_is_not_found(browser_of: SignIn, page: str) -> None:
    assert browser_of(MISAKI).get(page).status_code == 404


def test_a_slot_says_that_the_approval_behind_it_has_expired(place: Place, browser_of: SignIn) -> None:
    serve(place, approved(place))
    client = browser_of(MISAKI)
    assert "期限切れ" not in client.get("/slots/support/").text

    place.clock.forward(days=91)

    assert "期限切れ" in client.get("/slots/support/").text


@pytest.mark.parametrize(("language", "word"), [("ja", "現在の配信"), ("en", "What serves now")])
def test_a_slot_is_shown_in_both_languages(browser_of: SignIn, language: str, word: str) -> None:
    client = browser_of(YUKI)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language

    assert word in client.get("/slots/support/").text


def test_an_administrator_creates_a_slot(browser_of: SignIn) -> None:
    client = browser_of(MISAKI)
    given = {"title": "法務", "name": "legal", "base": BASE, "engine": "core", "policy": "standard"}

    assert client.post("/slots/new/", given).status_code == 302
    assert "法務" in client.get("/slots/").text
    assert client.post("/slots/new/", given).status_code == 409
    assert client.post("/slots/new/", {**given, "name": "../x"}).status_code == 400


def test_nobody_else_creates_a_slot(place: Place, browser_of: SignIn) -> None:
    given = {"title": "法務", "name": "legal", "base": BASE, "engine": "core", "policy": "standard"}

    assert browser_of(YUKI).post("/slots/new/", given).status_code == 403
    assert denials(place) == [("create_slot", "role_missing")]


def test_an_approved_adapter_is_chosen_deployed_and_followed(place: Place, browser_of: SignIn) -> None:
    digest = approved(place, name="旅費")
    client = browser_of(MISAKI)
    assert f"?adapter={digest}" in client.get("/slots/support/deploy/").text
    assert "旅費" in client.get(f"/slots/support/deploy/?adapter={digest}").text

    answer = ask_for(place, client, "deploy", adapter=digest)

    page = client.get(answer.headers["Location"])
    assert 'hx-trigger="every 2s"' in page.text
    finish(place, deployment_of(answer))
    assert 'hx-trigger="every 2s"' not in client.get(answer.headers["Location"]).text
    assert slot(place).adapter == digest


def test_what_is_not_approved_is_refused_with_the_reason(place: Place, browser_of: SignIn) -> None:
    answer = ask_for(place, browser_of(MISAKI), "deploy", adapter=evaluated(place))

    assert answer.status_code == 403
    assert "このスロットへの承認がありません" in answer.text or "承認されていません" in answer.text
    assert denials(place) == [("deploy", "not_approved")]


@pytest.mark.parametrize("kind", ["deploy", "rollback", "kill", "break-glass"])
@pytest.mark.parametrize("member", [HANAKO, YUKI, AKIRA, NAOKO])
def test_only_an_administrator_changes_a_slot(place: Place, browser_of: SignIn, member: Member, kind: str) -> None:
    digest = approved(place)

    answer = ask_for(
        place, browser_of(member), kind, adapter=digest, reason="緊急のため承認を待てない状況にあるので行う"
    )

    assert answer.status_code == 403
    assert len(denials(place)) == 1
    assert slot(place).pending is None


def test_one_click_puts_back_what_served_before_and_shows_how_long_it_took(place: Place, browser_of: SignIn) -> None:
    first, second = approved(place, name="一"), approved(place, name="二")
    serve(place, first)
    serve(place, second)
    client = browser_of(MISAKI)
    page = client.get("/slots/support/").text
    assert f'name="adapter" value="{first}"' in page

    answer = ask_for(place, client, "rollback", adapter=first)
    finish(place, deployment_of(answer))

    assert slot(place).adapter == first
    assert "復旧までの時間" in client.get(answer.headers["Location"]).text


def test_a_page_that_is_out_of_date_and_a_second_click_are_refused(place: Place, browser_of: SignIn) -> None:
    first, second = approved(place, name="一"), approved(place, name="二")
    serve(place, first)
    client = browser_of(MISAKI)
    stale = ask_for(place, client, "deploy", adapter=second, seen="")
    ask_for(place, client, "deploy", adapter=second)
    twice = ask_for(place, client, "deploy", adapter=second)

    assert (stale.status_code, twice.status_code) == (409, 409)
    assert denials(place) == [("deploy", "in_progress"), ("deploy", "stale_page")]


def test_the_kill_switch_stops_what_is_under_way(place: Place, browser_of: SignIn) -> None:
    serve(place, approved(place, name="一"))
    client = browser_of(MISAKI)
    ask_for(place, client, "deploy", adapter=approved(place, name="二"))

    answer = ask_for(place, client, "kill")
    finish(place, deployment_of(answer))

    assert slot(place).adapter is None


def test_break_glass_needs_the_password_and_many_words(place: Place, browser_of: SignIn) -> None:
    digest = evaluated(place)
    client = browser_of(MISAKI)
    long = "窓口が停止しており、承認者が全員不在のため緊急に切り替える"
    assert ask_for(place, client, "break-glass", adapter=digest, proof=PASSWORD, reason="急ぎ").status_code == 400

    wrong = ask_for(place, client, "break-glass", adapter=digest, proof="wrong", reason=long)
    right = ask_for(place, client, "break-glass", adapter=digest, proof=PASSWORD, reason=long)

    assert (wrong.status_code, right.status_code) == (403, 302)
    assert denials(place) == [("break_glass", "confirm_identity")]
    assert "承認なし" in client.get(right.headers["Location"]).text


@pytest.mark.parametrize("kind", ["deploy", "rollback", "kill"])
def test_nothing_is_changed_without_a_reason(place: Place, browser_of: SignIn, kind: str) -> None:
    digest = approved(place)

    assert ask_for(place, browser_of(MISAKI), kind, adapter=digest, reason=" ").status_code == 400
    assert slot(place).pending is None


@pytest.mark.parametrize("adapter", ["0" * 64, "'; DROP TABLE", "base", ""])
def test_a_forged_adapter_is_not_found(place: Place, browser_of: SignIn, adapter: str) -> None:
    assert ask_for(place, browser_of(MISAKI), "deploy", adapter=adapter).status_code == 404


def test_the_point_in_time_tells_what_served_and_who_approved(place: Place, browser_of: SignIn) -> None:
    before = place.clock.now
    first, second = approved(place, name="一番目"), approved(place, name="二番目")
    serve(place, first)
    between = place.clock.now
    serve(place, second)
    client = browser_of(NAOKO)

    def at(moment: datetime) -> str:
        return client.get("/at", {"slot": "support", "time": moment.astimezone(UTC).isoformat()}).text

    place.clock.now = max(place.clock.now, datetime.now(UTC))
    assert "一番目 を配信" in at(between)
    assert YUKI.name in at(between)
    assert "二番目 を配信" in at(place.clock.now)
    assert "ベースモデルのみを配信" in at(before)
    assert "まだ存在していません" in at(before - timedelta(days=3000))


@pytest.mark.parametrize(
    "query",
    [
        "slot=nothing&time=2026-11-20T09:00",
        "slot=support&time=x",
        "slot=support",
        "time=9999-12-31T23:59:59Z&slot=support",
    ],
)
def test_a_question_that_has_no_answer_says_why(browser_of: SignIn, query: str) -> None:
    assert browser_of(YUKI).get(f"/at?{query}").status_code == 400
