"""The inbox: what waits for each role, and what is said where nothing waits."""

from datetime import timedelta

import pytest
from django.test import Client

from adapters_core.ledger.append import append
from adapters_core.ledger.records import Actor, Subject
from governance.services.approve import approve
from governance.services.generate import generate
from governance.services.hold_context import hold_context
from governance.services.send_back import send_back
from tests.cast import AKIRA, CAST, HANAKO, MISAKI, NAOKO, SHIN, TARO, YUKI, Member
from tests.factories import adapters
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.services.test_approving import ask, signature

pytestmark = pytest.mark.django_db


def page(browser_of: SignIn, member: Member, language: str = "en") -> str:
    client: Client = browser_of(member)
    client.cookies["ringi_language"] = language
    answer = client.get("/")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("member", "english", "japanese"),
    [
        (HANAKO, "Three steps lead to an adapter", "進行中のものはありません"),
        (YUKI, "Nothing waits. When an engineer", "待っている申請はありません"),
        (AKIRA, "Once engineers have evaluated", "まだ測定されたものがありません"),
        (MISAKI, "What reviewers approve appears here", "待っているものはありません"),
        (NAOKO, "Whoever tries what the rules forbid", "記録はありません"),
        (SHIN, "You have no role yet", "まだ役割がありません"),
    ],
)
def test_an_empty_inbox_teaches_each_role(browser_of: SignIn, member: Member, english: str, japanese: str) -> None:
    assert english in page(browser_of, member)
    assert japanese in page(browser_of, member, "ja")


@pytest.mark.parametrize("member", CAST, ids=lambda member: member.email)
def test_nobody_sees_the_part_of_another_role(place: Place, browser_of: SignIn, member: Member) -> None:
    ask(place, adapters.evaluated(place))

    seen = page(browser_of, member)

    assert ("Requests that wait for your decision" in seen) == (member.roles in {("reviewer",), ("manager",)})
    assert ("Your open requests" in seen) == (member is HANAKO)
    assert ("Refused attempts" in seen) == ("auditor" in member.roles)
    assert ("Drifts" in seen) == ("admin" in member.roles)


def test_a_reviewer_sees_what_waits_and_whether_they_may(place: Place, browser_of: SignIn) -> None:
    place.clock.forward(days=2)
    ask(place, adapters.evaluated(place, name="決裁を待つもの"))

    seen = page(browser_of, YUKI)

    assert "決裁を待つもの" in seen
    assert "Your decision is needed" in seen


def test_an_engineer_sees_their_own_work_by_what_is_to_be_done(place: Place, browser_of: SignIn) -> None:
    place.clock.forward(days=2)
    generate(place.actor(HANAKO), context=adapters.submit(place, title="走っているもの"))
    adapters.generate(place, name="測るもの")
    adapters.evaluated(place, name="申請するもの")
    request = ask(place, adapters.evaluated(place, name="差し戻し品"))
    send_back(
        place.actor(YUKI),
        request=request,
        signature=signature(place, request),
        comment="質問が足りない",
        required="質問",
    )
    adapters.evaluated(place, TARO, name="他人のもの")

    seen = page(browser_of, HANAKO)

    for title, name in [
        ("Sent back to you", "差し戻し品"),
        ("Jobs under way", "走っているもの"),
        ("Ready to be requested", "申請するもの"),
        ("To be evaluated", "測るもの"),
    ]:
        assert name in seen.split(f"<h2>{title}", 1)[1].split("</section>")[0]
    assert "他人のもの" not in seen


def test_an_administrator_sees_what_is_approved_and_what_drifted(place: Place, browser_of: SignIn) -> None:
    place.clock.forward(days=2)
    request = ask(place, adapters.evaluated(place, name="承認済みのもの"))
    approve(place.actor(YUKI), request=request, signature=signature(place, request))
    with place.ledger.write() as tx:
        append(
            tx,
            "drift:found",
            subject=Subject(kind="drift", id="support"),
            actor=Actor(id="worker", name="worker", kind="system"),
            data={"between": "ledger, engine", "expected": None, "observed": "something"},
        )

    seen = page(browser_of, MISAKI)

    assert "承認済みのもの" in seen
    assert "ledger, engine" in seen


def test_a_manager_is_offered_the_comparison_of_the_two_latest(place: Place, browser_of: SignIn) -> None:
    first, second = (adapters.evaluated(place, name=name) for name in ("甲", "乙"))

    assert f"{second}...{first}" in page(browser_of, AKIRA)


@pytest.mark.usefixtures("place")
def test_an_auditor_sees_refusals_and_the_last_checkpoint(browser_of: SignIn) -> None:
    browser_of(YUKI).post("/contexts/new", {"title": "x", "text": "x"})

    seen = page(browser_of, NAOKO)

    assert "Refused: submit a context" in seen
    assert "covers" in seen
    assert "never: verify the ledger" in seen


def test_what_was_kept_long_enough_is_to_be_erased(place: Place, browser_of: SignIn) -> None:
    today = place.clock.now.date()
    adapters.submit(place, title="期限切れ", retention_until=today + timedelta(days=5))
    held = adapters.submit(place, title="保全中", retention_until=today + timedelta(days=5))
    hold_context(place.actor(MISAKI), context=held, reason="訴訟")
    adapters.submit(place, title="まだ先", retention_until=today + timedelta(days=50))
    adapters.submit(place, TARO, title="他人の期限切れ", retention_until=today + timedelta(days=5))
    assert "Contexts to be erased" not in page(browser_of, HANAKO)
    place.clock.forward(days=7)

    own, everything = page(browser_of, HANAKO), page(browser_of, MISAKI)

    titles = ("期限切れ", "保全中", "まだ先", "他人の期限切れ")
    assert [f">{title}</a>" in own for title in titles] == [True, False, False, False]
    assert [f">{title}</a>" in everything for title in titles] == [True, False, False, True]
    assert "Contexts to be erased" not in page(browser_of, YUKI)
