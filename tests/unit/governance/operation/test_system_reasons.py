"""What the system wrote by itself is read in the reader's language, on every page that shows it."""

from uuid import uuid4

import pytest

from adapters_core.ledger import queries
from adapters_core.ledger.append import append
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Subject
from governance.policy.demo import POLICIES
from governance.policy.system_words import written
from governance.services.break_glass import break_glass
from governance.services.deploy import deploy
from governance.services.erase_context import erase_context
from governance.services.kill_switch import kill_switch
from governance.services.set_policy import set_policy
from governance.services.void_changed import void_of_adapter
from governance.worker.workplace import SYSTEM
from tests.cast import HANAKO, MISAKI, NAOKO
from tests.factories.adapters import evaluate, evaluated, finish, generate, submit
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.services.test_approving import ask
from tests.unit.governance.services.test_deploying import approved, serve, slot

pytestmark = pytest.mark.django_db
ERASED, KILLED = "was erased", "stopped by the kill switch"
EMERGENCY = "窓口が昨年の価格を案内しており、ほかに担当者がいないため。"


def english_on(browser_of: SignIn, pages: list[str], written_by_the_system: list[str]) -> dict[str, str]:
    """Pages in Japanese that say it in English."""
    client = browser_of(NAOKO)
    client.cookies["ringi_language"] = "ja"
    shown = {page: client.get(page) for page in pages}
    assert {answer.status_code for answer in shown.values()} == {200}
    return {
        page: text
        for page, answer in shown.items()
        for text in written_by_the_system
        if text in answer.content.decode().lower()
    }


def pages_of(place: Place, adapter: str) -> list[str]:
    """Where it may be read, the page of every deployment and request among them."""
    with place.ledger.read() as db:
        entries = queries.find_entries(db, EntryFilter(), limit=None)
    subjects = {(entry.subject.kind, entry.subject.id) for entry in entries}
    places = {"deployment": "deployments", "request": "requests", "incident": "incidents"}
    own = sorted(f"/{places[kind]}/{name}/" for kind, name in subjects if kind in places)
    return ["/audit/", f"/adapters/{adapter}/", "/slots/support/", *own]


def test_an_erasure_is_told_in_japanese(place: Place, browser_of: SignIn) -> None:
    context = submit(place)
    serving, coming = (approved(place, context=context, name=name) for name in ("甲", "乙"))
    serve(place, serving)
    deploy(place.actor(MISAKI), slot="support", adapter=coming, seen=serving, reason="公開")

    erase_context(place.actor(HANAKO), context=context, legal_basis="個人情報保護法35条")

    for adapter in (serving, coming):
        assert english_on(browser_of, pages_of(place, adapter), [ERASED]) == {}
    client = browser_of(NAOKO)
    client.cookies["ringi_language"] = "ja"
    said = f"コンテキスト {context} が消去されました。"
    for page in ("/audit/", f"/adapters/{serving}/", "/slots/support/"):
        assert said in client.get(page).text, page
    client.cookies["ringi_language"] = "en"
    assert f"The context {context} was erased." in client.get(f"/adapters/{serving}/").text


def test_a_stop_by_the_kill_switch_is_told_in_japanese(place: Place, browser_of: SignIn) -> None:
    first, second = approved(place), approved(place)
    serve(place, first)
    stopped = deploy(place.actor(MISAKI), slot="support", adapter=second, seen=first, reason="公開")

    kill_switch(place.actor(MISAKI), slot="support", seen=slot(place).adapter, reason="誤った回答が続いているため")

    assert english_on(browser_of, pages_of(place, second), [KILLED]) == {}
    client = browser_of(NAOKO)
    client.cookies["ringi_language"] = "ja"
    assert "キルスイッチにより停止しました。" in client.get(f"/deployments/{stopped.subject.id}/").text


def test_what_voids_a_request_is_told_in_japanese(place: Place, browser_of: SignIn) -> None:
    changed, replaced, late = (evaluated(place, name=name) for name in ("甲", "乙", "丙"))
    requests = {adapter: ask(place, adapter) for adapter in (changed, replaced, late)}
    evaluate(place, changed)
    with place.ledger.write() as tx:
        void_of_adapter(tx, changed, actor=SYSTEM, cause=written("evaluated_again"))
        about = Subject(kind="request", id=requests[late])
        append(tx, "request:voided", subject=about, actor=SYSTEM, data={"cause": written("changed_since")})
    set_policy(place.actor(MISAKI), name="standard", policy=POLICIES["standard"])

    written_so = ["a new evaluation of", "was replaced by version", "changed after the request"]
    for adapter in requests:
        assert english_on(browser_of, pages_of(place, adapter), written_so) == {}
    client = browser_of(NAOKO)
    client.cookies["ringi_language"] = "ja"
    for adapter, said in (
        (changed, "アダプタの新しい評価が記録されました。"),
        (replaced, "承認ポリシー standard が第 2 版に置き換えられました。"),
        (late, "申請後に、アダプタ・評価・承認ポリシーのいずれかが変わりました。"),
    ):
        for page in (f"/adapters/{adapter}/", f"/requests/{requests[adapter]}/", "/audit/"):
            assert said in client.get(page).text, page


def test_what_went_wrong_with_a_deployment_is_told_in_japanese(place: Place, browser_of: SignIn) -> None:
    adapter = approved(place)
    deployment = deploy(place.actor(MISAKI), slot="support", adapter=adapter, seen=None, reason="公開").subject
    error = (
        "canary: support-1 on core must lie within 0.005 nats of what was approved and nearer to it than to the bare "
        "base, it lies 0.8200 and 0.0100 away: it is not served"
    )
    with place.ledger.write() as tx:
        append(tx, "deployment:failed", subject=deployment, actor=SYSTEM, data={"error": error})
        incident = Subject(kind="incident", id=str(uuid4()))
        raised = {"what": "canary_after_rollback", "detail": error.removeprefix("canary: ")}
        append(tx, "incident:raised", subject=incident, actor=SYSTEM, data=raised, refs=[deployment])
        stated = {"job": "j", "job_key": "k", "recorded": "r", "second": "s"}
        append(
            tx,
            "incident:raised",
            subject=Subject(kind="incident", id=str(uuid4())),
            actor=SYSTEM,
            data={"what": "job_result_differs", "detail": stated},
        )

    pages = pages_of(place, adapter)
    assert english_on(browser_of, pages, ["must lie within", "nearer to it", "job_key:", "recorded:"]) == {}
    client = browser_of(NAOKO)
    client.cookies["ringi_language"] = "ja"
    for page in (f"/deployments/{deployment.id}/", f"/incidents/{incident.id}/"):
        assert "承認時の応答から 0.8200 nat" in client.get(page).text


def test_a_refusal_by_the_ledger_itself_is_told_in_japanese(place: Place, browser_of: SignIn) -> None:
    adapter = generate(place)
    with place.ledger.write() as tx:
        for code in ("illegal_transition", "stale"):
            denied = {"action": "retire", "reason_code": code, "detail": "adapter:retired needs a known adapter"}
            append(tx, "denied", subject=Subject(kind="adapter", id=adapter), actor=SYSTEM, data=denied)

    assert english_on(browser_of, pages_of(place, adapter), ["needs a known adapter"]) == {}


def test_what_a_person_wrote_is_shown_as_it_was_written(place: Place, browser_of: SignIn) -> None:
    adapter = evaluated(place)
    broken = break_glass(place.actor(MISAKI), slot="support", adapter=adapter, seen=None, reason=EMERGENCY)
    finish(place, broken.subject.id)
    kill_switch(place.actor(MISAKI), slot="support", seen=adapter, reason=KILLED)
    client = browser_of(NAOKO)
    client.cookies["ringi_language"] = "ja"

    shown = client.get("/slots/support/").text
    assert EMERGENCY in shown
    assert KILLED in shown
