"""What is served without an approval in force is a thing to decide on: in the inbox, on the slot and the adapter."""

from collections.abc import Callable, Mapping

import pytest

from adapters_core.ledger import outbox_queries
from adapters_core.ledger.append import append
from governance.policy.demo import POLICIES
from governance.selectors.lapses import lapses
from governance.services import references
from governance.services.approve import approve
from governance.services.break_glass import break_glass
from governance.services.reject import reject
from governance.services.set_policy import set_policy
from governance.worker.workplace import SYSTEM
from tests.cast import HANAKO, MISAKI, YUKI
from tests.factories.adapters import evaluate, evaluated, finish
from tests.factories.installations import Place
from tests.unit.governance.adapters.test_inbox_page import page
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.services.test_approving import ask, signature
from tests.unit.governance.services.test_deploying import EMERGENCY, approved, serve

pytestmark = pytest.mark.django_db


def why(place: Place) -> list[str]:
    with place.ledger.read() as db:
        return [one.why for one in lapses(db, place.clock.now)]


def replace_policy(place: Place) -> None:
    set_policy(place.actor(MISAKI), name="standard", policy={**POLICIES["standard"], "expires_days": 60})


def approve_again(place: Place, digest: str) -> None:
    request = ask(place, digest)
    approve(place.actor(YUKI), request=request, signature=signature(place, request))


def break_the_glass(place: Place) -> None:
    entry = break_glass(place.actor(MISAKI), slot="support", adapter=evaluated(place), seen=None, reason=EMERGENCY)
    finish(place, entry.subject.id)


def serve_and(then: Callable[[Place, str], object]) -> Callable[[Place], None]:
    def play(place: Place) -> None:
        digest = approved(place)
        serve(place, digest)
        then(place, digest)

    return play


def reject_anew(place: Place, digest: str) -> None:
    request = ask(place, digest)
    reject(
        place.actor(YUKI),
        request=request,
        signature=signature(place, request, meaning="decided"),
        comment="古い規程に基づく",
    )


def retire_all_the_same(place: Place, digest: str) -> None:
    with place.ledger.write() as tx:
        append(tx, "adapter:retired", subject=references.adapter(digest), actor=SYSTEM, data={"reason": "erased"})


CASES: Mapping[str, Callable[[Place], None]] = {
    "voided": serve_and(lambda place, _: replace_policy(place)),
    "expired": serve_and(lambda place, _: place.clock.forward(days=91)),
    "changed": serve_and(evaluate),
    "rejected": serve_and(reject_anew),
    "retired": serve_and(retire_all_the_same),
    "emergency": break_the_glass,
}


def test_nothing_has_lapsed_while_an_approval_is_in_force_or_the_bare_base_serves(place: Place) -> None:
    assert why(place) == []
    serve(place, approved(place))
    assert why(place) == []


@pytest.mark.parametrize("reason", CASES)
def test_what_serves_without_an_approval_in_force_is_found_with_the_reason(place: Place, reason: str) -> None:
    CASES[reason](place)

    assert why(place) == [reason]


def test_another_approval_for_the_slot_ends_it_and_asking_for_one_does_not(place: Place) -> None:
    digest = approved(place)
    serve(place, digest)
    replace_policy(place)

    request = ask(place, digest)
    assert why(place) == ["voided"]
    approve(place.actor(YUKI), request=request, signature=signature(place, request))

    assert why(place) == []


@pytest.mark.parametrize(
    ("language", "title", "words"),
    [
        ("en", "Slots that serve without an approval in force", "Its approval for this slot was voided."),
        ("ja", "有効な承認のないまま配信中のスロット", "このスロットに対する承認は失効しました。"),
    ],
)
def test_an_administrator_is_asked_to_decide(
    place: Place, browser_of: SignIn, language: str, title: str, words: str
) -> None:
    digest = approved(place, name="配信中のもの")
    serve(place, digest)
    assert title not in page(browser_of, MISAKI, language)
    replace_policy(place)

    seen = page(browser_of, MISAKI, language)

    section = seen.split(title, 1)[1].split("</section>")[0]
    assert words in section
    assert "配信中のもの" in section
    for address in ("/slots/support/", "/slots/support/rollback/", "/slots/support/deploy/", f"/adapters/{digest}/"):
        assert f'href="{address}"' in section
    assert "Nothing waits" not in seen
    assert "待っているものはありません" not in seen
    assert title not in page(browser_of, YUKI, language)


@pytest.mark.parametrize(
    ("language", "on_slot", "in_list"),
    [
        ("en", "This slot serves without an approval in force", "Without an approval in force"),
        ("ja", "このスロットは有効な承認のないまま配信中です", "有効な承認なし"),
    ],
)
def test_the_pages_of_the_slot_and_of_the_adapter_say_so(
    place: Place, browser_of: SignIn, language: str, on_slot: str, in_list: str
) -> None:
    digest = approved(place)
    serve(place, digest)
    client = browser_of(HANAKO)
    client.cookies["ringi_language"] = language
    assert on_slot not in client.get("/slots/support/").text
    assert in_list not in client.get("/slots/").text
    replace_policy(place)

    assert on_slot in client.get("/slots/support/").text
    assert in_list in client.get("/slots/").text
    adapter = client.get(f"/adapters/{digest}/").text.split('id="next"', 1)[1].split("</section>")[0]
    assert "support" in adapter
    assert 'href="#request-title"' in adapter


def told(place: Place) -> list[tuple[str, list[str]]]:
    with place.ledger.read() as db:
        sent = outbox_queries.find_messages(db, topics=("notice",))
    return [
        (one.payload["subject"]["id"], one.payload["people"])
        for one in sent
        if one.payload["kind"] == "approval_lapsed"
    ]


def test_administrators_are_told_once_when_the_approval_of_what_serves_is_voided(place: Place) -> None:
    digest = approved(place)
    serve(place, digest)
    approve_again(place, digest)
    approved(place, name="nowhere served")
    ask(place, digest)

    replace_policy(place)

    assert told(place) == [("support", [MISAKI.id])]
