"""The inbox: what waits for each role, and what is said where nothing waits."""

from datetime import timedelta

import pytest
from django.test import Client

from adapters_core.ledger.append import append
from adapters_core.ledger.records import Actor, Subject
from governance.policy.demo import POLICIES
from governance.policy.repairs import KINDS
from governance.services.approve import approve
from governance.services.create_slot import create_slot
from governance.services.deploy import deploy
from governance.services.evaluate import evaluate
from governance.services.generate import generate
from governance.services.hold_context import hold_context
from governance.services.send_back import send_back
from governance.services.set_policy import set_policy
from tests.cast import AKIRA, CAST, HANAKO, MISAKI, NAOKO, SHIN, TARO, YUKI, Member
from tests.factories import adapters
from tests.factories.installations import BASE, Place
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
        signature=signature(place, request, meaning="checked"),
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


def test_what_is_approved_waits_for_each_slot_until_it_serves_there(place: Place, browser_of: SignIn) -> None:
    place.clock.forward(days=2)
    create_slot(place.actor(MISAKI), name="sales", title="営業", base=BASE, engine="core", policy="standard")
    digest = adapters.evaluated(place, name="二か所のもの")
    for slot in ("support", "sales"):
        request = ask(place, digest, slot=slot)
        approve(place.actor(YUKI), request=request, signature=signature(place, request))
    renewal = ask(place, digest)

    def waiting(member: Member) -> list[bool]:
        parts = page(browser_of, member).split("<h2>Approved, not deployed yet", 1)[1].split("</section>")[0]
        return [f'href="/slots/{slot}/"' in parts for slot in ("support", "sales")]

    assert waiting(MISAKI) == waiting(HANAKO) == [True, True]
    entry = deploy(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason="公開")
    adapters.finish(place, entry.subject.id)
    assert waiting(MISAKI) == waiting(HANAKO) == [False, True]
    approve(place.actor(YUKI), request=renewal, signature=signature(place, renewal))
    assert waiting(MISAKI) == [False, True], "it serves there already"
    place.clock.forward(days=91)
    assert "Approved, not deployed yet" not in page(browser_of, HANAKO), "the approval has run out"


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
    assert "Expected: – · Observed: something" in seen


@pytest.mark.parametrize(
    ("between", "expected", "observed", "said"),
    [
        (
            "ledger-engine:core",
            {"name": "support-0123456789abcdef", "digest": "0" * 64},
            None,
            "The engine core had lost support-0123456789abcdef, which a slot serves.",
        ),
        (
            "ledger-engine:core",
            None,
            {"name": "stranger", "digest": None, "root": "/x"},
            "The engine core had stranger, of which the ledger knows no deployment.",
        ),
        (
            "ledger-mlflow",
            {"champion": "a"},
            {},
            "MLflow named other adapters of the slot support than the ledger does.",
        ),
    ],
)
def test_a_drift_is_told_in_words_to_who_operates_and_on_the_slot(  # noqa: PLR0917  a case is six things
    place: Place, browser_of: SignIn, between: str, expected: object, observed: object, said: str
) -> None:
    drift, worker = Subject(kind="drift", id="d-1"), Actor(id="worker", name="worker", kind="system")
    about = [Subject(kind="slot", id="support")] if between == "ledger-mlflow" else []
    data = {"between": between, "expected": expected, "observed": observed}
    with place.ledger.write() as tx:
        append(tx, "drift:found", subject=drift, actor=worker, data=data, refs=about)
    misaki = browser_of(MISAKI)
    misaki.cookies["ringi_language"] = "en"

    for address in ("/", "/slots/support/"):
        shown = misaki.get(address).text
        assert said in shown
        assert "Not repaired yet" in shown
    with place.ledger.write() as tx:
        append(tx, "drift:repaired", subject=drift, actor=worker, data={"how": "the aliases were set again"})
    assert said not in misaki.get("/").text
    assert "the aliases were set again" in misaki.get("/slots/support/").text


@pytest.mark.parametrize(
    ("kind", "between", "expected", "observed", "english", "japanese"),
    [
        (
            "lost",
            "ledger-engine:core",
            {"name": "support-0123456789abcdef", "digest": "0" * 64},
            None,
            "Roll the slot back to the bare base",
            "スロットをいったんベースモデルのみに戻し",
        ),
        (
            "unknown",
            "ledger-engine:core",
            None,
            {"name": "stranger", "digest": None, "root": "/x"},
            "Unload it on the engine.",
            "エンジン上で取り外してください。",
        ),
        (
            "aliases",
            "ledger-mlflow",
            {"champion": "a"},
            {},
            "Deploy or roll back, which sets both aliases again",
            "両方のエイリアスが再設定されます",
        ),
    ],
)
def test_a_drift_that_policy_leaves_to_a_person_says_so_in_both_languages(  # noqa: PLR0917  a case is eight things
    place: Place,
    browser_of: SignIn,
    kind: str,
    between: str,
    expected: object,
    observed: object,
    english: str,
    japanese: str,
) -> None:
    about = [Subject(kind="slot", id="support")] if between == "ledger-mlflow" else []
    data = {"between": between, "expected": expected, "observed": observed}
    worker = Actor(id="worker", name="worker", kind="system")
    with place.ledger.write() as tx:
        append(tx, "drift:found", subject=Subject(kind="drift", id="d-1"), actor=worker, data=data, refs=about)
    misaki = browser_of(MISAKI)
    assert "担当者に任されています" not in misaki.get("/slots/support/").text

    policy = {**POLICIES["standard"], "repairs": [one for one in KINDS if one != kind]}
    set_policy(place.actor(MISAKI), name="standard", policy=policy)

    for address in ("/", "/slots/support/"):
        misaki.cookies["ringi_language"] = "ja"
        shown = misaki.get(address).text
        assert "承認ポリシーにより、この修復は担当者に任されています" in shown
        assert japanese in shown
        misaki.cookies["ringi_language"] = "en"
        shown = misaki.get(address).text
        assert "Policy leaves this repair to a person" in shown
        assert english in shown


@pytest.mark.usefixtures("place")
def test_a_drift_of_another_slot_is_not_shown_on_this_one(place: Place, browser_of: SignIn) -> None:
    expected = {"name": "support-two-0123456789abcdef", "digest": "0" * 64}
    with place.ledger.write() as tx:
        append(
            tx,
            "drift:found",
            subject=Subject(kind="drift", id="d-1"),
            actor=Actor(id="worker", name="worker", kind="system"),
            data={"between": "ledger-engine:core", "expected": expected, "observed": None},
        )

    assert "support-two-0123456789abcdef" not in browser_of(MISAKI).get("/slots/support/").text


def test_a_manager_is_offered_the_latest_adapter_beside_its_baselines(place: Place, browser_of: SignIn) -> None:
    _first, second = (adapters.evaluated(place, name=name) for name in ("甲", "乙"))

    seen = page(browser_of, AKIRA)
    assert f'href="/compare/{second}...prompt...none"' in seen
    assert "Compare the latest one with its baselines" in seen


def test_a_manager_is_rather_offered_two_of_one_context_which_were_asked_the_same(
    place: Place, browser_of: SignIn
) -> None:
    context = adapters.submit(place)
    older, newer = (adapters.evaluated(place, name=name, context=context) for name in ("第1版", "第2版"))
    adapters.evaluated(place, name="他の文書")

    seen = page(browser_of, AKIRA)
    assert f'href="/compare/{older}...{newer}"' in seen
    assert "Compare the latest two of one context" in seen


def test_an_engineer_sees_of_which_adapter_a_job_is(place: Place, browser_of: SignIn) -> None:
    digest = adapters.evaluated(place, name="旅費規程 第2版")
    job = evaluate(place.actor(HANAKO), adapter=digest).job

    for address in ("/", "/jobs/", f"/jobs/{job}/"):
        assert "旅費規程 第2版" in browser_of(HANAKO).get(address).text, address
    assert f'href="/adapters/{digest}/"' in browser_of(HANAKO).get(f"/jobs/{job}/").text


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
