"""Laws of the rules, over every set of roles and every action."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.errors import ConfigError
from governance.policy.actions import DECISIONS, MAY, NEVER, SCOPES_FOR, SIGNED, Action
from governance.policy.actors import ROLES, SCOPES, Actor, Standing
from governance.policy.meanings import APPROVALS
from governance.policy.reasons import REASONS
from governance.policy.rules import RULES, can, who
from governance.policy.subjects import (
    AdapterFacts,
    Anything,
    ContextFacts,
    DelegationFacts,
    IncidentFacts,
    JobFacts,
    PersonFacts,
    RequestFacts,
    SlotFacts,
    TargetFacts,
    TokenFacts,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
ROLE_SETS = [frozenset(chosen) for size in range(len(ROLES) + 1) for chosen in combinations(ROLES, size)]
TARGET = TargetFacts(
    involved=frozenset({"engineer"}),
    state="approved",
    same_base=True,
    approved_for_slot=True,
    approval_expires=NOW + timedelta(days=1),
    unchanged=True,
    artifact_present=True,
    context_erased=False,
    served_before=True,
)
WILLING: dict[type, Any] = {
    JobFacts: JobFacts(owner="me", state="queued"),
    IncidentFacts: IncidentFacts(raised_by="other", open=True, emergency=False),
    Anything: Anything(),
    ContextFacts: ContextFacts(owner="me"),
    AdapterFacts: AdapterFacts(generated_by="me", state="evaluated"),
    RequestFacts: RequestFacts(
        state="in_review",
        requested_by="engineer",
        involved=frozenset({"engineer"}),
        stage=0,
        stage_role="reviewer",
        decided_by=frozenset(),
        expires=NOW + timedelta(days=1),
        unchanged=True,
        cool_down_hours=24,
    ),
    DelegationFacts: DelegationFacts(principal="me", deputy="other", deputy_known=True, until=NOW + timedelta(days=1)),
    SlotFacts: SlotFacts(current="a", seen="a", pending=False, target_id="b", target=TARGET),
    PersonFacts: PersonFacts(id="other", known=True, roles=frozenset(), role="engineer"),
    TokenFacts: TokenFacts(scopes=frozenset({"read"})),
}


def person(*roles: str, since: datetime = LONG_AGO, **more: Any) -> Actor:
    standings = tuple(Standing(name=role, since=since) for role in roles)
    return Actor(id="me", name="Me", kind="person", roles=standings, **{"confirmed": NOW, **more})


def willing(action: Action) -> Any:
    """Facts with which nothing stands in the way but who asks."""
    facts = WILLING[RULES.get(action, (Anything,))[0]]
    if action is Action.WITHDRAW:
        return RequestFacts(**{**vars(facts), "requested_by": "me"})
    if action is Action.KILL_SWITCH:
        return SlotFacts(current="a", seen="a", pending=False, target_id=None, target=None)
    if action is Action.REVOKE_ROLE:
        return PersonFacts(id="other", known=True, roles=frozenset({"engineer"}), role="engineer")
    if action is Action.RETRY_JOB:
        return JobFacts(owner="me", state="failed")
    if action is Action.RELEASE_CONTEXT:
        return ContextFacts(owner="me", held=True)
    return facts


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("roles", ROLE_SETS, ids=lambda roles: "+".join(sorted(roles)) or "none")
def test_every_set_of_roles_may_do_what_the_table_says_and_no_more(roles: frozenset[str], action: Action) -> None:
    held = person(*sorted(roles))
    expected = bool(roles & MAY[action]) and not any(action in NEVER.get(role, ()) for role in roles)
    if action in DECISIONS:
        expected = expected and "reviewer" in roles  # the stage asks for a reviewer

    assert can(held, action, willing(action), at=NOW).allowed is expected


@pytest.mark.parametrize("action", sorted(SIGNED))
def test_what_is_signed_needs_a_fresh_proof(action: Action) -> None:
    role = next(iter(sorted(MAY[action] - {"manager"})))
    for confirmed in (None, NOW - timedelta(minutes=6), NOW + timedelta(minutes=1)):
        decision = can(person(role, confirmed=confirmed), action, willing(action), at=NOW)
        assert decision.reason_code == "confirm_identity"


@pytest.mark.parametrize("action", list(Action))
def test_this_system_never_acts_by_itself(action: Action) -> None:
    assert (
        can(Actor(id="s", name="Ringi", kind="system"), action, willing(action), at=NOW).reason_code == "system_never"
    )


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("scopes", [frozenset(c) for n in range(4) for c in combinations(SCOPES, n)])
def test_a_token_generates_evaluates_and_reads_within_its_scopes(action: Action, scopes: frozenset[str]) -> None:
    roles = tuple(Standing(name=role, since=LONG_AGO) for role in ROLES)
    token = Actor(id="me", name="CI", kind="service", scopes=scopes, roles=roles, confirmed=NOW)

    assert can(token, action, willing(action), at=NOW).allowed is bool(SCOPES_FOR.get(action, frozenset()) & scopes)


def test_no_token_ever_decides_or_deploys_or_administers() -> None:
    assert {action for action in Action if action in SCOPES_FOR} == {
        Action.SUBMIT_CONTEXT,
        Action.GENERATE,
        Action.EXTEND,
        Action.ERASE,
        Action.EVALUATE,
        Action.CANCEL_JOB,
        Action.RETRY_JOB,
        Action.READ,
    }


@pytest.mark.parametrize("action", [Action.CANCEL_JOB, Action.RETRY_JOB])
def test_a_token_cancels_and_retries_its_own_jobs_only(action: Action) -> None:
    token = Actor(id="me", name="CI", kind="service", scopes=frozenset({"generate", "evaluate"}))
    others = JobFacts(owner="other", state=willing(action).state)

    assert can(token, action, others, at=NOW).reason_code == "not_owner"


requests = st.builds(
    RequestFacts,
    state=st.sampled_from(["requested", "in_review", "approved", "rejected", "withdrawn", "expired", "voided"]),
    requested_by=st.sampled_from(["me", "other"]),
    involved=st.sets(st.sampled_from(["me", "other"])).map(frozenset),
    stage=st.just(0),
    stage_role=st.sampled_from(["reviewer", "manager"]),
    decided_by=st.sets(st.sampled_from(["me", "other"])).map(frozenset),
    expires=st.sampled_from([NOW - timedelta(days=1), NOW, NOW + timedelta(days=1)]),
    unchanged=st.booleans(),
    cool_down_hours=st.sampled_from([0, 24, 24 * 60]),
    failed_gates=st.sampled_from([(), ("recovery",)]),
    binding_gates=st.sampled_from([(), ("recovery",)]),
)
role_sets = st.sampled_from(ROLE_SETS)


@given(facts=requests, roles=role_sets, action=st.sampled_from(sorted(DECISIONS)), hours=st.integers(0, 2000))
def test_whoever_is_allowed_to_decide_is_independent_of_what_they_decide_on(
    facts: RequestFacts, roles: frozenset[str], action: Action, hours: int
) -> None:
    actor = person(*sorted(roles), since=NOW - timedelta(hours=hours))

    if can(actor, action, facts, at=NOW):
        assert actor.id not in {facts.requested_by, *facts.involved, *facts.decided_by}
        assert facts.state in {"requested", "in_review"}
        assert facts.unchanged
        assert facts.expires > NOW
        assert facts.stage_role in roles
        assert hours >= facts.cool_down_hours
        assert not roles & {"admin", "auditor"}
        assert not (action is Action.APPROVE and facts.failed_gates)
        assert not (action in APPROVALS and facts.binding_gates)


targets = st.builds(
    TargetFacts,
    involved=st.frozensets(st.sampled_from(["me", "other"])),
    state=st.sampled_from(
        ["generated", "evaluated", "approved", "rejected", "voided", "retired", "deployed", "superseded"]
    ),
    same_base=st.booleans(),
    approved_for_slot=st.booleans(),
    approval_expires=st.sampled_from([None, NOW, NOW + timedelta(days=1)]),
    unchanged=st.booleans(),
    artifact_present=st.booleans(),
    context_erased=st.booleans(),
    served_before=st.booleans(),
    refused_for_slot=st.booleans(),
    norm_outlier=st.booleans(),
)
slots = st.builds(
    SlotFacts,
    current=st.sampled_from([None, "a", "b"]),
    seen=st.sampled_from([None, "a", "b"]),
    pending=st.booleans(),
    target_id=st.sampled_from(["a", "b"]),
    target=targets,
)


@given(facts=slots, action=st.sampled_from([Action.DEPLOY, Action.ROLL_BACK, Action.BREAK_GLASS, Action.KILL_SWITCH]))
def test_no_slot_is_given_what_is_erased_foreign_missing_or_rejected(facts: SlotFacts, action: Action) -> None:
    if can(person("admin"), action, facts, at=NOW):
        assert facts.target is not None
        assert facts.target.same_base
        assert facts.target.artifact_present
        assert not facts.target.context_erased
        assert facts.target.state != "retired"
        assert not facts.target.refused_for_slot
        assert not (action is Action.BREAK_GLASS and facts.target.state in {"rejected", "voided"})
        assert facts.seen == facts.current
        assert facts.target.approved_for_slot or action is Action.BREAK_GLASS
        assert not (action is Action.BREAK_GLASS and "me" in facts.target.involved)
        assert action is Action.BREAK_GLASS or facts.target.approval_expires in {None, NOW + timedelta(days=1)}


@pytest.mark.parametrize("role", ROLES)
def test_nobody_changes_their_own_roles(role: str) -> None:
    facts = PersonFacts(id="me", known=True, roles=frozenset(), role=role)
    assert can(person("admin"), Action.GRANT_ROLE, facts, at=NOW).reason_code == "own_role"
    assert can(person("admin"), Action.REVOKE_ROLE, facts, at=NOW).reason_code == "own_role"


@given(held=st.sampled_from([roles for roles in ROLE_SETS if roles]), role=st.sampled_from(ROLES))
def test_an_auditor_is_granted_nothing_else_and_nobody_else_is_made_auditor(held: frozenset[str], role: str) -> None:
    facts = PersonFacts(id="other", known=True, roles=held, role=role)

    allowed = can(person("admin"), Action.GRANT_ROLE, facts, at=NOW).allowed

    if allowed:
        assert "auditor" not in held | {role}


def test_the_last_administrator_stays() -> None:
    facts = PersonFacts(id="other", known=True, roles=frozenset({"admin"}), role="admin", admins=1)
    assert can(person("admin"), Action.REVOKE_ROLE, facts, at=NOW).reason_code == "last_admin"


def test_a_rule_asked_about_the_wrong_thing_refuses_to_answer() -> None:
    with pytest.raises(ConfigError, match="is decided on RequestFacts, got Anything"):
        can(person("reviewer"), Action.APPROVE, Anything(), at=NOW)


def test_every_refusal_is_told_in_words() -> None:
    for action in Action:
        for roles in ROLE_SETS:
            code = who(person(*sorted(roles)), action)
            assert code is None or str(REASONS[code])


EMERGENCY = IncidentFacts(
    raised_by="admin", open=True, emergency=True, involved=frozenset({"engineer"}), cool_down_hours=24
)


@pytest.mark.parametrize(
    ("roles", "more", "reason"),
    [
        (("reviewer",), {}, "ok"),
        (("manager",), {}, "ok"),
        (("admin",), {}, "incident_reviewer"),
        (("engineer",), {}, "role_missing"),
        (("auditor",), {}, "role_forbids"),
        (("reviewer",), {"raised_by": "me"}, "own_incident"),
        (("reviewer",), {"involved": frozenset({"me"})}, "own_adapter"),
        (("reviewer",), {"open": False}, "incident_closed"),
        (("admin",), {"emergency": False}, "ok"),
        (("admin",), {"emergency": False, "raised_by": "me"}, "own_incident"),
    ],
)
def test_an_emergency_is_reviewed_by_a_second_person(roles: tuple[str, ...], more: dict[str, Any], reason: str) -> None:
    facts = IncidentFacts(**{**vars(EMERGENCY), **more})

    assert can(person(*roles), Action.CLOSE_INCIDENT, facts, at=NOW).reason_code == reason


def test_a_role_of_today_reviews_no_emergency() -> None:
    fresh = person("reviewer", since=NOW - timedelta(hours=23))

    assert can(fresh, Action.CLOSE_INCIDENT, EMERGENCY, at=NOW).reason_code == "cool_down"
