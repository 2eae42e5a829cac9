"""An approval holds for the slot that it was requested for, whatever becomes of requests for other slots."""

from collections.abc import Callable, Mapping

import pytest

from adapters_core.errors import DeniedError
from adapters_core.ledger import adapter_queries, request_queries, slot_queries
from adapters_core.ledger.verification.verify import verify
from governance.installation import installation
from governance.policy.demo import POLICIES
from governance.selectors.candidates import adapter_candidate, evidence_of
from governance.services.approve import approve
from governance.services.break_glass import break_glass
from governance.services.create_slot import create_slot
from governance.services.deploy import deploy
from governance.services.kill_switch import kill_switch
from governance.services.readiness import readiness
from governance.services.reject import reject
from governance.services.roll_back import roll_back
from governance.services.set_policy import set_policy
from governance.services.withdraw import withdraw
from tests.cast import HANAKO, MISAKI, YUKI
from tests.factories.adapters import evaluated, finish
from tests.factories.installations import BASE, Place
from tests.unit.governance.services.test_approving import ask, signature
from tests.unit.governance.services.test_deploying import EMERGENCY, approved

OTHER_POLICY = "of-its-own"


@pytest.fixture(autouse=True)
def _another_slot(place: Place) -> None:
    set_policy(place.actor(MISAKI), name=OTHER_POLICY, policy=POLICIES["standard"])
    create_slot(place.actor(MISAKI), name="sales", title="営業", base=BASE, engine="core", policy=OTHER_POLICY)


@pytest.fixture(autouse=True)
def _verified(place: Place, _another_slot: None) -> object:
    """What every test leaves behind follows from its entries."""
    yield
    with place.ledger.read() as db:
        assert verify(db, [installation().signing_key.public]).ok


def opened(place: Place, digest: str) -> str:
    return ask(place, digest, slot="sales")


def approved_there(place: Place, digest: str, *, slot: str = "sales") -> str:
    request = ask(place, digest, slot=slot)
    approve(place.actor(YUKI), request=request, signature=signature(place, request))
    return request


def rejected_there(place: Place, digest: str, *, slot: str = "sales") -> None:
    request = ask(place, digest, slot=slot)
    reject(
        place.actor(YUKI),
        request=request,
        signature=signature(place, request, meaning="decided"),
        comment="質問が足りない",
    )


def withdrawn_there(place: Place, digest: str) -> None:
    withdraw(place.actor(HANAKO), request=opened(place, digest))


def voided_there(place: Place, digest: str) -> None:
    approved_there(place, digest)
    set_policy(place.actor(MISAKI), name=OTHER_POLICY, policy={**POLICIES["standard"], "expires_days": 9})


ELSEWHERE: Mapping[str, Callable[[Place, str], object]] = {
    "opened": opened,
    "approved": approved_there,
    "rejected": rejected_there,
    "withdrawn": withdrawn_there,
    "voided": voided_there,
}


def serves(place: Place, slot: str) -> str | None:
    with place.ledger.read() as db:
        return slot_queries.slot(db, slot).adapter


def put(place: Place, digest: str, *, slot: str = "support") -> None:
    entry = deploy(place.actor(MISAKI), slot=slot, adapter=digest, seen=serves(place, slot), reason="公開")
    finish(place, entry.subject.id)
    assert serves(place, slot) == digest


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_what_becomes_of_a_request_for_another_slot_does_not_stand_against_a_deployment(
    place: Place, elsewhere: str
) -> None:
    digest = approved(place)
    ELSEWHERE[elsewhere](place, digest)

    put(place, digest)


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_what_becomes_of_a_request_for_another_slot_does_not_stand_against_a_rollback(
    place: Place, elsewhere: str
) -> None:
    first, second = approved(place, name="一"), approved(place, name="二")
    put(place, first)
    put(place, second)
    ELSEWHERE[elsewhere](place, first)

    entry = roll_back(place.actor(MISAKI), slot="support", adapter=first, seen=second, reason="誤答が多い")
    finish(place, entry.subject.id)

    assert serves(place, "support") == first


def test_approved_for_two_slots_it_serves_in_both_each_by_its_own_approval(place: Place) -> None:
    digest = approved(place)
    there = approved_there(place, digest)

    put(place, digest)
    put(place, digest, slot="sales")

    with place.ledger.read() as db:
        rested_on = [row.request for row in slot_queries.deployments_of(db, digest)]
        assert rested_on[0] == there
        assert request_queries.request(db, str(rested_on[1])).slot == "support"
        assert adapter_queries.adapter(db, digest).approvals == 2


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_an_approval_for_one_slot_is_none_for_the_other(place: Place, elsewhere: str) -> None:
    digest = evaluated(place)
    ELSEWHERE[elsewhere](place, digest)

    with pytest.raises(DeniedError) as refused:
        deploy(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason="公開")

    assert refused.value.reason_code == "not_approved"


def test_what_was_rejected_last_for_the_slot_itself_is_not_put_there_on_an_earlier_approval(place: Place) -> None:
    digest = approved(place)
    put(place, digest)
    rejected_there(place, digest, slot="support")
    entry = kill_switch(place.actor(MISAKI), slot="support", seen=digest, reason="誤答が多い")
    finish(place, entry.subject.id)

    for act in (deploy, roll_back):
        with pytest.raises(DeniedError) as refused:
            act(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason="公開")
        assert refused.value.reason_code == "adapter_state"


def test_a_request_to_renew_an_approval_does_not_stand_against_it(place: Place) -> None:
    digest = approved(place)
    ask(place, digest)

    put(place, digest)


@pytest.mark.parametrize("elsewhere", ["rejected", "voided"])
def test_the_glass_is_not_broken_for_what_was_refused_for_another_slot(place: Place, elsewhere: str) -> None:
    digest = evaluated(place)
    ELSEWHERE[elsewhere](place, digest)

    with pytest.raises(DeniedError) as refused:
        break_glass(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason=EMERGENCY)

    assert refused.value.reason_code == "adapter_state"


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_the_gate_asks_for_the_approval_of_its_slot(place: Place, elsewhere: str) -> None:
    digest = approved(place)
    ELSEWHERE[elsewhere](place, digest)

    here = {check.name: check.passed for check in readiness(digest, "support").checks}
    there = {check.name: check.passed for check in readiness(digest, "sales").checks}

    assert here["state"]
    assert here["approved for the slot"]
    assert there["state"] == (elsewhere not in {"rejected", "voided"})
    assert there["approved for the slot"] == (elsewhere == "approved")


def test_what_one_slot_rejected_can_be_taken_while_another_has_approved_it(place: Place) -> None:
    digest = approved(place)
    rejected_there(place, digest)
    refused = evaluated(place)
    rejected_there(place, refused)

    with place.ledger.read() as db:
        barred = [
            adapter_candidate(evidence_of(db, installation().master_key, one)).barred for one in (digest, refused)
        ]

    assert barred == [None, "rejected"]
