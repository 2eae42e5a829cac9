"""Slots: what may be put there, going back, stopping, emergencies, and pages that are out of date."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters_core.errors import DeniedError, InputError
from adapters_core.ledger import outbox_queries, people_queries, queries, slot_queries
from adapters_core.ledger.queries import EntryFilter
from governance.installation import artifact_path
from governance.policy.actors import Actor
from governance.services.approve import approve
from governance.services.break_glass import break_glass
from governance.services.deploy import deploy
from governance.services.erase_context import erase_context
from governance.services.issue_token import issue_token
from governance.services.kill_switch import kill_switch
from governance.services.retire import retire
from governance.services.roll_back import roll_back
from governance.services.submit_context import submit_context
from tests.cast import AKIRA, HANAKO, MISAKI, NAOKO, TARO, YUKI, Member
from tests.factories.adapters import evaluate, evaluated, finish, generate, submit
from tests.factories.installations import Place
from tests.unit.governance.services.test_approving import ask, denials, signature

EMERGENCY = "法改正により旧規程の回答を直ちに止める必要がある"


def approved(place: Place, **more: Any) -> str:
    digest = evaluated(place, **more)
    request = ask(place, digest)
    approve(place.actor(YUKI), request=request, signature=signature(place, request))
    return digest


def slot(place: Place) -> slot_queries.SlotRow:
    with place.ledger.read() as db:
        return slot_queries.slot(db, "support")


def serve(place: Place, digest: str) -> None:
    entry = deploy(place.actor(MISAKI), slot="support", adapter=digest, seen=slot(place).adapter, reason="公開")
    finish(place, entry.subject.id)


def test_an_approved_adapter_is_deployed_and_the_worker_is_told(place: Place) -> None:
    digest = approved(place)

    entry = deploy(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason="公開")

    assert slot(place).pending == entry.subject.id
    with place.ledger.read() as db:
        message = next(one for one in outbox_queries.find_messages(db, topics=("engine.deploy",)))
    assert message.payload["adapter"] == digest
    assert message.lane == "slot:support"
    finish(place, entry.subject.id)
    assert slot(place).adapter == digest


@pytest.mark.parametrize(
    ("member", "reason"),
    [(HANAKO, "role_missing"), (YUKI, "role_missing"), (AKIRA, "role_forbids"), (NAOKO, "role_forbids")],
)
def test_only_an_administrator_deploys(place: Place, member: Member, reason: str) -> None:
    digest = approved(place)

    with pytest.raises(DeniedError) as refused:
        deploy(place.actor(member), slot="support", adapter=digest, seen=None, reason="公開")

    assert refused.value.reason_code == reason
    assert denials(place) == [("deploy", reason)]


def test_what_is_not_approved_is_not_deployed(place: Place) -> None:
    with pytest.raises(DeniedError) as refused:
        deploy(place.actor(MISAKI), slot="support", adapter=evaluated(place), seen=None, reason="公開")

    assert refused.value.reason_code == "not_approved"


def test_an_approval_does_not_outlive_a_new_evaluation(place: Place) -> None:
    digest = approved(place)
    evaluate(place, digest)

    with pytest.raises(DeniedError) as refused:
        deploy(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason="公開")

    assert refused.value.reason_code == "changed_since"


def test_an_approval_ends_with_its_time(place: Place) -> None:
    digest = approved(place)
    place.clock.forward(days=91)

    with pytest.raises(DeniedError) as refused:
        deploy(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason="公開")

    assert refused.value.reason_code == "approval_expired"


def test_without_its_files_nothing_is_deployed(place: Place) -> None:
    digest = approved(place)
    with place.ledger.read() as db:
        generated = queries.find_entries(db, EntryFilter(events=("adapter:generated",)))[0]
    artifact_path(generated.data["artifact"]["digest"]).unlink()

    with pytest.raises(DeniedError) as refused:
        deploy(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason="公開")

    assert refused.value.reason_code == "artifact_missing"


def test_pressing_twice_deploys_once(place: Place) -> None:
    digest = approved(place)
    deploy(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason="公開")

    with pytest.raises(DeniedError) as refused:
        deploy(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason="公開")

    assert refused.value.reason_code == "in_progress"


def test_a_page_that_is_out_of_date_changes_nothing(place: Place) -> None:
    first, second = approved(place, name="一"), approved(place, name="二")
    serve(place, first)

    with pytest.raises(DeniedError) as refused:
        deploy(place.actor(MISAKI), slot="support", adapter=second, seen=None, reason="公開")

    assert refused.value.reason_code == "stale_page"
    assert slot(place).adapter == first


def test_rolling_back_puts_back_what_served_before(place: Place) -> None:
    first, second = approved(place, name="一"), approved(place, name="二")
    serve(place, first)
    serve(place, second)

    entry = roll_back(place.actor(MISAKI), slot="support", adapter=first, seen=second, reason="誤答が多い")
    finish(place, entry.subject.id)

    assert slot(place).adapter == first
    assert entry.data["diff"]["after"]["name"] == "一"


def test_one_does_not_roll_back_to_what_is_not_approved_any_more_but_to_the_bare_base(place: Place) -> None:
    first, second = approved(place, name="一"), approved(place, name="二")
    serve(place, first)
    serve(place, second)
    place.clock.forward(days=91)

    with pytest.raises(DeniedError) as refused:
        roll_back(place.actor(MISAKI), slot="support", adapter=first, seen=second, reason="誤答が多い")
    entry = roll_back(place.actor(MISAKI), slot="support", adapter=None, seen=second, reason="誤答が多い")
    finish(place, entry.subject.id)

    assert refused.value.reason_code == "approval_expired"
    assert denials(place) == [("roll_back", "approval_expired")]
    assert slot(place).adapter is None


def test_one_does_not_roll_back_to_what_never_served(place: Place) -> None:
    first, second = approved(place, name="一"), approved(place, name="二")
    serve(place, first)

    with pytest.raises(DeniedError) as refused:
        roll_back(place.actor(MISAKI), slot="support", adapter=second, seen=first, reason="誤答が多い")

    assert refused.value.reason_code == "never_served"


def test_the_kill_switch_works_while_a_deployment_hangs(place: Place) -> None:
    first, second = approved(place, name="一"), approved(place, name="二")
    serve(place, first)
    hanging = deploy(place.actor(MISAKI), slot="support", adapter=second, seen=first, reason="公開").subject.id

    entry = kill_switch(place.actor(MISAKI), slot="support", seen=first, reason="誤った金額を答えた")
    finish(place, entry.subject.id)

    assert slot(place).adapter is None
    with place.ledger.read() as db:
        assert slot_queries.deployment(db, hanging).state == "failed"


def test_breaking_the_glass_leaves_an_open_incident(place: Place) -> None:
    digest = evaluated(place)

    entry = break_glass(
        place.actor(MISAKI),
        slot="support",
        adapter=digest,
        seen=None,
        reason=EMERGENCY,
    )

    assert entry.data["kind"] == "break_glass"
    with place.ledger.read() as db:
        assert [row.state for row in people_queries.subjects(db, "incident")] == ["open"]


@pytest.mark.parametrize("by_token", ["adapter", "context"])
def test_nobody_breaks_the_glass_for_what_was_made_with_their_token(place: Place, by_token: str) -> None:
    expires = place.clock.now + timedelta(days=30)
    issued = issue_token(place.actor(MISAKI), name="CI", scopes=frozenset({"generate"}), expires=expires)
    program = replace(HANAKO, id=issued.id, name="CI")
    if by_token == "context":
        token = Actor(id=issued.id, name="CI", kind="service", scopes=frozenset({"generate"}), method="token")
        digest = generate(place, context=submit_context(token, title="規程", text="当社の旅費規程を定める。"))
    else:
        digest = generate(place, program, context=submit(place))
    evaluate(place, digest)

    with pytest.raises(DeniedError) as refused:
        break_glass(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason=EMERGENCY)

    assert refused.value.reason_code == "own_emergency"
    assert denials(place) == [("break_glass", "own_emergency")]


def test_breaking_the_glass_takes_a_reason_of_some_length(place: Place) -> None:
    with pytest.raises(InputError, match="at least 20 characters"):
        break_glass(place.actor(MISAKI), slot="support", adapter=evaluated(place), seen=None, reason="急ぐ")


def test_what_serves_is_not_retired(place: Place) -> None:
    digest = approved(place)
    serve(place, digest)

    with pytest.raises(DeniedError) as refused:
        retire(place.actor(MISAKI), adapter=digest, reason="古い")

    assert refused.value.reason_code == "still_serving"


def test_an_engineer_retires_their_own_adapters_only(place: Place) -> None:
    digest = generate(place, TARO)
    with pytest.raises(DeniedError) as refused:
        retire(place.actor(HANAKO), adapter=digest, reason="不要")
    assert refused.value.reason_code == "not_owner"

    retire(place.actor(TARO), adapter=digest, reason="不要")


def test_erasing_a_context_stops_what_serves_it(place: Place) -> None:
    context = submit(place)
    digest = approved(place, context=context)
    serve(place, digest)

    assert erase_context(place.actor(HANAKO), context=context, legal_basis="個人情報保護法第35条") == (digest,)

    pending = slot(place).pending
    assert pending is not None
    finish(place, pending)
    assert slot(place).adapter is None
    with place.ledger.read() as db:
        topics = {message.topic for message in outbox_queries.find_messages(db)}
    assert "artifact.delete" in topics
