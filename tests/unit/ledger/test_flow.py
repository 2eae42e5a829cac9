"""What may follow what: requests, adapters, slots, people and policies, through the ledger itself."""

from typing import Any

import pytest

from adapters_core.errors import EntryError, IllegalTransitionError, StaleError
from adapters_core.ledger import adapter_queries, people_queries, queries, request_queries, slot_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.flow import requests as flow
from adapters_core.ledger.session import Ledger
from tests import ledger_cast as cast
from tests.ledger_story import approve, deploy, evaluate, prepare, step, subject


def state(ledger: Ledger, kind: str, name: str) -> str | None:
    with ledger.read() as db:
        return people_queries.state_of(db, subject(kind, name))


@pytest.fixture
def story(ledger: Ledger) -> Ledger:
    prepare(ledger, slots=("support", "sales"))
    return ledger


def test_an_adapter_travels_from_generation_to_rollback(story: Ledger) -> None:
    seen = []
    for do in (
        lambda: step(story, "adapter:generated", "a", cast.generated("a")),
        lambda: step(story, "adapter:evaluated", "a", cast.evaluated()),
        lambda: step(story, "request:opened", "r-1", cast.opened("a", stages=(1, 1))),
        lambda: step(story, "request:approved", "r-1", cast.decision(0), cast.REVIEWER),
        lambda: step(story, "request:approved", "r-1", cast.decision(1), cast.SECOND),
        lambda: deploy(story, "a", as_id="d-1"),
        lambda: approve(story, "b", request="r-2"),
        lambda: deploy(story, "b", as_id="d-2", previous="a", request="r-2"),
        lambda: deploy(story, "a", as_id="d-3", previous="b", kind="rollback"),
        lambda: deploy(story, None, as_id="d-4", previous="a", kind="kill", request=None),
        lambda: step(story, "adapter:retired", "a", {"reason": "old"}),
    ):
        do()
        seen.append(_shown(story, "a"))

    assert seen == [
        "generated",
        "evaluated",
        "requested",
        "in_review",
        "approved",
        "deployed",
        "deployed",
        "superseded",
        "deployed",
        "rolled_back",
        "retired",
    ]
    assert _shown(story, "b") == "rolled_back"


def _shown(ledger: Ledger, name: str) -> str:
    with ledger.read() as db:
        return adapter_queries.adapter(db, cast.digest(name)).state


def test_joint_approval_needs_as_many_different_people(story: Ledger) -> None:
    evaluate(story, "a")
    step(story, "request:opened", "r-1", cast.opened("a", stages=(2,)))
    step(story, "request:approved", "r-1", cast.decision(), cast.REVIEWER)
    with pytest.raises(IllegalTransitionError, match="another person"):
        step(story, "request:approved", "r-1", cast.decision(), cast.REVIEWER)
    with pytest.raises(IllegalTransitionError, match="another person"):
        step(story, "request:approved", "r-1", cast.decision(on_behalf_of=cast.REVIEWER.id), cast.SECOND)
    assert state(story, "request", "r-1") == "in_review"

    step(story, "request:approved", "r-1", cast.decision(), cast.SECOND)

    assert state(story, "request", "r-1") == "approved"


def test_one_conditional_approval_makes_the_whole_conditional(story: Ledger) -> None:
    evaluate(story, "a")
    step(story, "request:opened", "r-1", cast.opened("a", stages=(1, 1)))
    conditional = cast.decision(0, conditions="only in the pilot")
    step(story, "request:conditionally_approved", "r-1", conditional, cast.REVIEWER)
    step(story, "request:approved", "r-1", cast.decision(1), cast.SECOND)

    assert state(story, "request", "r-1") == "conditionally_approved"
    assert _shown(story, "a") == "conditionally_approved"


@pytest.mark.parametrize(
    ("event", "data", "end"),
    [
        ("request:sent_back", cast.decision(comment="more tests", required=["suite"]), "sent_back"),
        ("request:rejected", cast.decision(comment="no"), "rejected"),
        ("request:withdrawn", {}, "withdrawn"),
        ("request:expired", {}, "expired"),
        ("request:voided", {"cause": "the adapter changed"}, "voided"),
    ],
)
def test_what_ends_a_request_ends_it_for_good(story: Ledger, event: str, data: dict[str, Any], end: str) -> None:
    evaluate(story, "a")
    step(story, "request:opened", "r-1", cast.opened("a"))
    step(story, "request:commented", "r-1", {"comment": "hm"})
    step(story, event, "r-1", data, cast.REVIEWER)

    assert state(story, "request", "r-1") == end
    assert _shown(story, "a") == end
    with pytest.raises(IllegalTransitionError, match="request that is open"):
        step(story, "request:approved", "r-1", cast.decision(), cast.REVIEWER)
    step(story, "request:opened", "r-2", cast.opened("a"))
    assert state(story, "request", "r-2") == "requested"


def test_a_decision_binds_to_the_stage_and_digest_that_were_asked_about(story: Ledger) -> None:
    evaluate(story, "a")
    step(story, "request:opened", "r-1", cast.opened("a"))
    with pytest.raises(StaleError, match="stage 0"):
        step(story, "request:approved", "r-1", cast.decision(1), cast.REVIEWER)
    with pytest.raises(StaleError, match="must bind to"):
        step(story, "request:approved", "r-1", cast.decision(bound_digest="0" * 64), cast.REVIEWER)
    with pytest.raises(EntryError, match="the meaning of a signature"):
        step(story, "request:approved", "r-1", cast.decision(meaning="seen"), cast.REVIEWER)


def test_a_voided_approval_is_in_force_no_more(story: Ledger) -> None:
    approve(story, "a", request="r-1")
    step(story, "request:voided", "r-1", {"cause": "a new evaluation"})

    with pytest.raises(IllegalTransitionError, match="must be approved to serve"):
        deploy(story, "a", as_id="d-1")


def request(ledger: Ledger, name: str, request: str, *, slot: str, ended: str | None = "request:approved") -> None:
    """A further request for an adapter, and how it ends."""
    step(ledger, "request:opened", request, cast.opened(name, slot=slot))
    if ended:
        data = cast.decision(comment="no", required="more") if ended in flow.DECISIONS else {"cause": "changed"}
        step(ledger, ended, request, data, cast.REVIEWER)


OTHERS = [None, "request:approved", "request:rejected", "request:sent_back", "request:withdrawn", "request:voided"]


@pytest.mark.parametrize("ended", OTHERS)
@pytest.mark.parametrize("kind", ["deploy", "rollback"])
def test_an_approval_holds_whatever_becomes_of_a_request_for_another_slot(
    story: Ledger, kind: str, ended: str | None
) -> None:
    approve(story, "a", request="r-1")
    request(story, "a", "r-2", slot="sales", ended=ended)

    deploy(story, "a", as_id="d-1", kind=kind)

    with story.read() as db:
        assert slot_queries.slot(db, "support").adapter == cast.digest("a")


def test_an_approval_that_is_voided_takes_no_other_with_it(story: Ledger) -> None:
    approve(story, "a", request="r-1")
    request(story, "a", "r-2", slot="sales")
    step(story, "request:voided", "r-2", {"cause": "changed"})

    with story.read() as db:
        assert adapter_queries.adapter(db, cast.digest("a")).approvals == 1
        assert adapter_queries.approved_norms(db, cast.BASE, besides="") == (1.5,)
    with pytest.raises(IllegalTransitionError, match="'r-2' is voided"):
        deploy(story, "a", as_id="d-1", slot="sales", request="r-2")
    deploy(story, "a", as_id="d-1")


@pytest.mark.parametrize("kind", ["deploy", "rollback"])
@pytest.mark.parametrize(
    ("slot", "named", "why"),
    [
        ("sales", "r-1", "is for slot support"),
        ("support", "r-2", "is for adapter"),
        ("support", "r-3", "is requested"),
        ("support", "r-9", "is not known"),
        ("support", None, "is not known"),
    ],
)
def test_a_deployment_rests_on_an_approval_of_its_adapter_for_its_slot(
    story: Ledger, kind: str, slot: str, named: str | None, why: str
) -> None:
    approve(story, "a", request="r-1")
    approve(story, "b", request="r-2")
    request(story, "a", "r-3", slot="support", ended=None)

    with pytest.raises(IllegalTransitionError, match=f"must be approved to serve in slot {slot}.* {why}"):
        deploy(story, "a", as_id="d-1", slot=slot, kind=kind, request=named)


@pytest.mark.parametrize("kind", ["deploy", "rollback"])
def test_nothing_serves_without_an_approval_in_force(story: Ledger, kind: str) -> None:
    evaluate(story, "a")

    with pytest.raises(IllegalTransitionError, match="must be approved to serve"):
        deploy(story, "a", as_id="d-1", kind=kind)


def test_breaking_glass_needs_no_approval_but_a_living_adapter(story: Ledger) -> None:
    evaluate(story, "a")
    deploy(story, "a", as_id="d-1", kind="break_glass", request=None)
    assert _shown(story, "a") == "deployed"

    with pytest.raises(IllegalTransitionError, match="known and not retired"):
        deploy(story, "unknown", as_id="d-2", previous="a", kind="break_glass", request=None)


def test_a_stale_page_deploys_nothing(story: Ledger) -> None:
    approve(story, "a", request="r-1")
    approve(story, "b", request="r-2")
    deploy(story, "a", as_id="d-1")

    with pytest.raises(StaleError, match="not the bare base"):
        deploy(story, "b", as_id="d-2", request="r-2")
    with pytest.raises(StaleError, match="already"):
        deploy(story, "a", as_id="d-2", previous="a")


def test_one_deployment_of_a_slot_at_a_time(story: Ledger) -> None:
    approve(story, "a", request="r-1")
    step(story, "deployment:requested", "d-1", cast.deployment("a"))
    with pytest.raises(StaleError, match="on its way"):
        step(story, "deployment:requested", "d-2", cast.deployment("a"))

    step(story, "deployment:failed", "d-1", {"error": "engine down"})
    deploy(story, "a", as_id="d-2")

    with story.read() as db:
        assert slot_queries.slot(db, "support").adapter == cast.digest("a")
        assert [row.state for row in slot_queries.timeline(db, "support")] == ["succeeded", "failed"]


def test_an_adapter_that_serves_two_slots_is_deployed_until_the_last_lets_go(story: Ledger) -> None:
    approve(story, "a", request="r-1")
    deploy(story, "a", as_id="d-1")
    request(story, "a", "r-2", slot="sales")
    deploy(story, "a", as_id="d-2", slot="sales", request="r-2")
    deploy(story, None, as_id="d-3", previous="a", kind="kill", request=None)
    assert _shown(story, "a") == "deployed"

    deploy(story, None, as_id="d-4", previous="a", slot="sales", kind="kill", request=None)
    assert _shown(story, "a") == "rolled_back"


ILLEGAL: list[tuple[str, str, dict[str, Any]]] = [
    ("adapter:evaluated", "unknown", dict(cast.evaluated())),
    ("adapter:generated", "a", dict(cast.generated("a"))),
    ("adapter:generated", "new", dict(cast.generated("new", context="unknown"))),
    ("adapter:generated", "new", dict(cast.generated("new", parent="0" * 64))),
    ("adapter:artifact_deleted", "a", {}),
    ("request:opened", "r-9", cast.opened("unknown")),
    ("request:opened", "r-9", cast.opened("fresh")),
    ("request:opened", "r-9", cast.opened("a", slot="unknown")),
    ("request:opened", "r-1", cast.opened("a")),
    ("request:opened", "r-9", cast.opened("b")),
    ("request:approved", "unknown", cast.decision()),
    ("request:withdrawn", "unknown", {}),
    ("context:submitted", "c-1", dict(cast.submitted())),
    ("context:released", "c-1", {"reason": "x"}),
    ("context:erased", "unknown", {"legal_basis": "x", "adapters": []}),
    ("deployment:succeeded", "unknown", cast.succeeded()),
    ("deployment:requested", "d-9", cast.deployment("a", slot="unknown")),
    ("slot:created", "support", cast.slot_data("x")),
    ("role:granted", "unknown", {"role": "admin"}),
    ("role:granted", "p-1", {"role": "admin"}),
    ("role:revoked", "p-1", {"role": "reviewer"}),
    ("person:created", "p-1", {}),
    ("policy:set", "standard", cast.policy(version=3)),
    ("policy:set", "standard", cast.policy(version=1)),
    ("token:revoked", "unknown", {}),
    ("delegation:ended", "unknown", {}),
    ("drift:repaired", "unknown", {}),
    ("incident:closed", "unknown", {"comment": "x"}),
    ("pilot:decided", "unknown", {"decision": "go", "comment": "x", "signature": {}}),
]


def test_what_cannot_happen_is_refused_and_writes_nothing(story: Ledger) -> None:
    step(story, "person:created", "p-1")
    step(story, "role:granted", "p-1", {"role": "admin"})
    step(story, "policy:set", "standard", cast.policy())
    step(story, "adapter:generated", "fresh", cast.generated("fresh"))
    approve(story, "a", request="r-1")
    evaluate(story, "b")
    step(story, "request:opened", "r-2", cast.opened("b"))
    with story.read() as db:
        before = queries.size(db)

    for event, name, data in ILLEGAL:
        with pytest.raises(IllegalTransitionError):
            step(story, event, name, data)

    with story.read() as db:
        assert queries.size(db) == before


BAD_DATA: list[tuple[str, dict[str, Any], str]] = [
    ("adapter:generated", dict(cast.generated("x", tokens=-1)), "tokens must be a whole number"),
    ("adapter:generated", dict(cast.generated("x", tokens=True)), "tokens must be a whole number"),
    ("adapter:generated", dict(cast.generated("x", name="")), "name must not be empty"),
    ("adapter:generated", dict(cast.generated("x", name="x" * 256)), "at most 255"),
    ("adapter:generated", dict(cast.generated("x", name="a\0b")), "NUL"),
    ("adapter:generated", dict(cast.generated("x", norm_total="big")), "norm_total must be a number"),
    ("adapter:generated", dict(cast.generated("x", contexts="c-1")), "contexts must be a list"),
    ("adapter:generated", dict(cast.generated("x", artifact=None)), "artifact must be"),
    ("request:opened", {**cast.opened("a"), "policy": "standard"}, "policy must be"),
    ("request:opened", {**cast.opened("a"), "policy": {"name": "s", "version": 1, "stages": []}}, "list of stages"),
    ("request:opened", {**cast.opened("a"), "policy": {"name": "s", "version": 1, "stages": [{"needed": 0}]}}, "stage"),
    ("deployment:requested", cast.deployment("a", kind="paint"), "kind must be one of"),
    ("deployment:requested", cast.deployment("a", kind="kill"), "kill switch"),
    ("policy:set", {**cast.policy(), "stages": None}, "list of stages"),
]


@pytest.mark.parametrize(("event", "data", "message"), BAD_DATA)
def test_data_that_no_index_can_hold_are_refused(story: Ledger, event: str, data: dict[str, Any], message: str) -> None:
    evaluate(story, "a")
    with pytest.raises(EntryError, match=message):
        step(story, event, "new", data)


def test_a_refusal_can_be_recorded_in_the_same_transaction(story: Ledger) -> None:
    with story.write() as tx:
        with pytest.raises(IllegalTransitionError):
            append(tx, "adapter:retired", subject=cast.adapter("x"), actor=cast.ADMIN, data={"reason": "x"})
        denied = {"action": "retire", "reason_code": "illegal_transition", "detail": "no such adapter"}
        append(tx, "denied", subject=cast.adapter("x"), actor=cast.ADMIN, data=denied)

    with story.read() as db:
        assert [entry.event for entry in queries.history(db, cast.adapter("x"))] == ["denied"]
        assert people_queries.state_of(db, cast.adapter("x")) is None


def test_a_held_context_cannot_be_erased_until_it_is_released(story: Ledger) -> None:
    step(story, "context:held", "c-1", {"reason": "lawsuit"})
    erasure = {"legal_basis": "APPI 30", "adapters": []}
    with pytest.raises(IllegalTransitionError, match="active"):
        step(story, "context:erased", "c-1", erasure)
    step(story, "context:released", "c-1", {"reason": "settled"})
    step(story, "context:erased", "c-1", erasure)

    assert state(story, "context", "c-1") == "erased"
    with pytest.raises(IllegalTransitionError, match="not erased"):
        step(story, "adapter:generated", "late", cast.generated("late"))


def test_a_decision_is_found_by_its_adapter_and_slot(story: Ledger) -> None:
    approve(story, "a", request="r-1")
    deploy(story, "a", as_id="d-1")

    with story.read() as db:
        about = [entry.event for entry in queries.history_about(db, cast.adapter("a"))]
        slot = [entry.event for entry in queries.history_about(db, subject("slot", "support"))]
        waiting = request_queries.waiting_requests(db)
    assert about == [
        "adapter:generated",
        "adapter:evaluated",
        "request:opened",
        "request:approved",
        "deployment:requested",
        "deployment:succeeded",
    ]
    assert slot == ["slot:created", *about[2:]]
    assert waiting == ()
