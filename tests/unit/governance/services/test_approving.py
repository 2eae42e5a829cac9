"""Requests and decisions: who may, what they are bound to, and that every refusal is an entry."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters_core.errors import DeniedError, InputError, PersonalDataError, StaleError, UnknownSubjectError
from adapters_core.ledger import adapter_queries, outbox_queries, queries, request_queries
from adapters_core.ledger.events import MEANINGS
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Subject
from adapters_core.ledger.signing import DECISION_TYPE, opened
from governance.installation import installation
from governance.policy.actors import Actor
from governance.policy.demo import POLICIES
from governance.services.approve import approve
from governance.services.approve_with_conditions import approve_with_conditions
from governance.services.comment import comment
from governance.services.create_slot import create_slot
from governance.services.deciding import Signature
from governance.services.delegate import delegate
from governance.services.end_delegation import end_delegation
from governance.services.generate import generate as generate_job
from governance.services.grant_role import grant_role
from governance.services.issue_token import issue_token
from governance.services.reject import reject
from governance.services.request_approval import request_approval
from governance.services.send_back import send_back
from governance.services.set_policy import set_policy
from governance.services.submit_context import submit_context
from governance.services.void_changed import void_of_adapter
from governance.services.withdraw import withdraw
from governance.worker.workplace import SYSTEM
from tests.cast import AKIRA, HANAKO, KENJI, MISAKI, NAOKO, SHIN, TARO, YUKI, Member
from tests.factories.adapters import evaluate, evaluated, generate, submit
from tests.factories.installations import BASE, Place


def ask(place: Place, digest: str, *, slot: str = "support", member: Member = HANAKO) -> str:
    return request_approval(place.actor(member), adapter=digest, slot=slot, comment="窓口で使う")


def strict_slot(place: Place) -> str:
    create_slot(place.actor(MISAKI), name="strictly", title="監査室", base=BASE, engine="core", policy="strict")
    return "strictly"


def row(place: Place, request: str) -> request_queries.RequestRow:
    with place.ledger.read() as db:
        return request_queries.request(db, request)


def signature(place: Place, request: str, **more: Any) -> Signature:
    seen = row(place, request)
    return Signature(**{"meaning": "approved", "stage": seen.stage, "bound_digest": seen.bound_digest, **more})


def denials(place: Place) -> list[tuple[str, str]]:
    with place.ledger.read() as db:
        found = queries.find_entries(db, EntryFilter(events=("denied",)), limit=None)
    return [(entry.data["action"], entry.data["reason_code"]) for entry in found]


@pytest.fixture
def request_id(place: Place) -> str:
    return ask(place, evaluated(place))


def test_an_approval_by_another_person_approves(place: Place, request_id: str) -> None:
    entry = approve(place.actor(YUKI), request=request_id, signature=signature(place, request_id))

    assert row(place, request_id).state == "approved"
    assert entry.actor.auth is not None
    assert denials(place) == []


def test_a_decision_is_signed_over_all_that_it_is_bound_to(place: Place, request_id: str) -> None:
    entry = approve(place.actor(YUKI), request=request_id, signature=signature(place, request_id))

    stated = opened(entry.data["signature"], [installation().signing_key.public], DECISION_TYPE)

    seen = row(place, request_id)
    assert stated["bound_digest"] == seen.bound_digest
    assert stated["adapter"] == seen.adapter
    assert stated["signed_by"] == {"id": YUKI.id, "name": YUKI.name}
    assert stated["meaning"] == "approved"
    assert stated["policy"] == {"name": "standard", "version": 1}
    assert stated["gates"] == entry.data["gates"]
    assert [(gate["metric"], gate["value"], gate["passed"]) for gate in stated["gates"]] == [
        ("recovery", 0.6, True),
        ("retention", 0.97, True),
        ("norm_outlier", None, True),
    ]
    assert {gate["report"] for gate in stated["gates"]} == {*stated["evaluations"], None}


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (HANAKO, "role_missing"),
        (AKIRA, "wrong_stage"),
        (MISAKI, "role_forbids"),
        (NAOKO, "role_forbids"),
        (SHIN, "role_missing"),
    ],
)
def test_whoever_may_not_decide_is_refused_and_recorded(
    place: Place, request_id: str, member: Member, reason: str
) -> None:
    with pytest.raises(DeniedError) as refused:
        approve(place.actor(member), request=request_id, signature=signature(place, request_id))

    assert refused.value.reason_code == reason
    assert denials(place) == [("approve", reason)]
    assert row(place, request_id).state == "requested"


def test_a_denial_is_found_by_its_subject_and_told_in_english(place: Place, request_id: str) -> None:
    with pytest.raises(DeniedError):
        approve(place.actor(SHIN), request=request_id, signature=signature(place, request_id))

    with place.ledger.read() as db:
        last = queries.history(db, Subject(kind="request", id=request_id))[-1]
    assert last.event == "denied"
    assert last.actor.id == SHIN.id
    assert last.data["detail"] == "Your roles do not include this. An administrator grants roles."


def test_a_decision_needs_a_fresh_proof(place: Place, request_id: str) -> None:
    with pytest.raises(DeniedError) as refused:
        approve(place.actor(YUKI, fresh=False), request=request_id, signature=signature(place, request_id))

    assert refused.value.reason_code == "confirm_identity"


def test_a_new_role_does_not_count_for_a_day(place: Place, request_id: str) -> None:
    grant_role(place.actor(MISAKI), person=SHIN.id, role="reviewer")
    place.clock.forward(hours=23)
    with pytest.raises(DeniedError) as refused:
        approve(place.actor(SHIN), request=request_id, signature=signature(place, request_id))
    assert refused.value.reason_code == "cool_down"

    place.clock.forward(hours=2)
    approve(place.actor(SHIN), request=request_id, signature=signature(place, request_id))
    assert row(place, request_id).state == "approved"


def test_a_new_evaluation_voids_the_request(place: Place, request_id: str) -> None:
    evaluate(place, row(place, request_id).adapter)

    with pytest.raises(DeniedError) as refused:
        approve(place.actor(YUKI), request=request_id, signature=signature(place, request_id))

    assert refused.value.reason_code == "changed_since"
    assert row(place, request_id).state == "voided"


def test_a_new_policy_voids_what_is_open(place: Place, request_id: str) -> None:
    set_policy(place.actor(MISAKI), name="standard", policy={**POLICIES["standard"], "expires_days": 10})

    assert row(place, request_id).state == "voided"
    with pytest.raises(DeniedError) as refused:
        approve(place.actor(YUKI), request=request_id, signature=signature(place, request_id))
    assert refused.value.reason_code == "not_open"


def test_an_expired_request_is_closed(place: Place, request_id: str) -> None:
    place.clock.forward(days=91)

    with pytest.raises(DeniedError) as refused:
        approve(place.actor(YUKI), request=request_id, signature=signature(place, request_id))

    assert refused.value.reason_code == "request_expired"
    assert row(place, request_id).state == "expired"


def test_a_failed_gate_blocks_a_plain_approval_only(place: Place) -> None:
    digest = generate(place)
    evaluate(place, digest, recovery=-0.1)
    request = ask(place, digest)
    with pytest.raises(DeniedError) as refused:
        approve(place.actor(YUKI), request=request, signature=signature(place, request))
    assert refused.value.reason_code == "gate_failed"

    entry = approve_with_conditions(
        place.actor(YUKI), request=request, signature=signature(place, request), conditions="一か月の試行に限る"
    )
    assert row(place, request).state == "conditionally_approved"
    stated = opened(entry.data["signature"], [installation().signing_key.public], DECISION_TYPE)
    assert stated["passed_over"] == entry.data["passed_over"] == ["回収率 / Recovery"]


def _with_personal_data(place: Place) -> str:
    context = submit(place, text="担当 taro@example.com", personal_data_reason="公開の窓口")
    digest = generate(place, context=context)
    evaluate(place, digest)
    evaluate(place, digest, suite="retention", recovery=None, retention=0.99)
    return ask(place, digest, slot=strict_slot(place))


def _outlier(place: Place) -> str:
    for name in "abcde":
        one = ask(place, evaluated(place, name=name))
        approve(place.actor(YUKI), request=one, signature=signature(place, one))
    return ask(place, evaluated(place, norm_total=100.0))


@pytest.mark.parametrize("prepare", [_with_personal_data, _outlier])
@pytest.mark.parametrize("decision", [approve, approve_with_conditions])
def test_no_conditions_pass_over_personal_data_or_an_outlier(
    place: Place, prepare: Callable[[Place], str], decision: Callable[..., Any]
) -> None:
    request = prepare(place)
    more = {"conditions": "試行に限る"} if decision is approve_with_conditions else {}

    with pytest.raises(DeniedError) as refused:
        decision(place.actor(YUKI), request=request, signature=signature(place, request), **more)

    assert refused.value.reason_code == "gate_binding"
    assert row(place, request).state == "requested"


@pytest.mark.parametrize(("passable", "passes"), [(["personal_data"], True), (["recovery", "norm_outlier"], False)])
def test_a_policy_says_which_gates_conditions_may_pass_over(place: Place, *, passable: list[str], passes: bool) -> None:
    set_policy(place.actor(MISAKI), name="strict", policy={**POLICIES["strict"], "passable": passable})
    request = _with_personal_data(place)
    by = signature(place, request)

    if passes:
        entry = approve_with_conditions(place.actor(YUKI), request=request, signature=by, conditions="試行に限る")
        assert entry.data["passed_over"] == ["個人情報 / Personal data"]
    else:
        with pytest.raises(DeniedError) as refused:
            approve_with_conditions(place.actor(YUKI), request=request, signature=by, conditions="試行に限る")
        assert refused.value.reason_code == "gate_binding"


def test_a_policy_names_no_metric_that_there_is_not(place: Place) -> None:
    with pytest.raises(InputError, match="passable must name metrics"):
        set_policy(place.actor(MISAKI), name="strict", policy={**POLICIES["strict"], "passable": ["luck"]})


def test_a_request_is_decided_under_the_policy_of_its_slot(place: Place) -> None:
    loose = ask(place, evaluated(place))
    strict = ask(place, _for_the_strict(place), slot=strict_slot(place))

    assert [row(place, one).policy for one in (loose, strict)] == ["standard", "strict"]


def test_what_is_enough_for_one_slot_is_not_enough_for_a_stricter_one(place: Place) -> None:
    slot = strict_slot(place)

    with pytest.raises(DeniedError):
        ask(place, evaluated(place), slot=slot)

    assert denials(place)[-1][0] == "request"


def test_a_slot_of_a_policy_that_nobody_set_is_refused(place: Place) -> None:
    with pytest.raises(UnknownSubjectError):
        create_slot(place.actor(MISAKI), name="new", title="t", base=BASE, engine="core", policy="none")


def _for_the_strict(place: Place) -> str:
    digest = generate(place)
    evaluate(place, digest)
    evaluate(place, digest, suite="retention", recovery=None, retention=0.99)
    return digest


def test_two_reviewers_and_a_manager_decide_under_the_strict_policy(place: Place) -> None:
    request = ask(place, _for_the_strict(place), slot=strict_slot(place))

    approve(place.actor(YUKI), request=request, signature=signature(place, request, meaning="checked"))
    with pytest.raises(DeniedError) as again:
        approve(place.actor(YUKI), request=request, signature=signature(place, request))
    approve(place.actor(KENJI), request=request, signature=signature(place, request, meaning="checked"))
    with pytest.raises(DeniedError) as other:
        approve(place.actor(KENJI), request=request, signature=signature(place, request))
    assert row(place, request).state == "in_review"
    approve(place.actor(AKIRA), request=request, signature=signature(place, request, meaning="decided"))

    assert again.value.reason_code == "already_decided"
    assert other.value.reason_code == "already_decided"
    assert row(place, request).state == "approved"


@pytest.mark.parametrize(
    ("decision", "last", "fitting"),
    [
        (approve, False, {"approved", "checked"}),
        (approve, True, {"approved", "decided"}),
        (approve_with_conditions, False, {"approved", "checked"}),
        (approve_with_conditions, True, {"approved", "decided"}),
        (send_back, False, {"decided", "checked"}),
        (reject, True, {"decided", "checked"}),
    ],
)
def test_a_signature_means_nothing_that_contradicts_its_decision(
    place: Place, *, decision: Callable[..., Any], last: bool, fitting: set[str]
) -> None:
    more = {"conditions": "試行に限る"} if decision is approve_with_conditions else {"comment": "理由"}
    for meaning in MEANINGS:
        slot = "support" if last else (f"slot-{meaning}")
        if not last:
            create_slot(place.actor(MISAKI), name=slot, title="監査室", base=BASE, engine="core", policy="strict")
        request = ask(place, _for_the_strict(place), slot=slot)
        by = signature(place, request, meaning=meaning)
        if meaning in fitting:
            assert decision(place.actor(YUKI), request=request, signature=by, **more).data["meaning"] == meaning
            continue
        with pytest.raises(InputError, match=f"must mean one of .*, got '{meaning}'"):
            decision(place.actor(YUKI), request=request, signature=by, **more)
        assert row(place, request).state == "requested"
    assert denials(place) == []


def test_of_two_reviewers_at_once_the_second_is_told_that_it_is_decided(place: Place, request_id: str) -> None:
    seen = signature(place, request_id)
    approve(place.actor(YUKI), request=request_id, signature=seen)

    with pytest.raises(DeniedError) as refused:
        reject(place.actor(KENJI), request=request_id, signature=replace(seen, meaning="decided"), comment="根拠が弱い")

    assert refused.value.reason_code == "not_open"
    assert row(place, request_id).state == "approved"


def test_a_stale_page_of_another_stage_is_refused_and_recorded(place: Place, request_id: str) -> None:
    with pytest.raises(StaleError):
        approve(place.actor(YUKI), request=request_id, signature=signature(place, request_id, stage=1))

    assert denials(place) == [("approve", "stale")]


@pytest.mark.parametrize("state", ["sent_back", "rejected"])
def test_what_was_refused_can_be_requested_again(place: Place, request_id: str, state: str) -> None:
    by = signature(place, request_id, meaning="decided")
    if state == "sent_back":
        send_back(
            place.actor(YUKI), request=request_id, signature=by, comment="評価を増やすこと", required="保持の評価"
        )
    else:
        reject(place.actor(YUKI), request=request_id, signature=by, comment="用途が不明")

    assert row(place, request_id).state == state
    again = ask(place, row(place, request_id).adapter)
    assert row(place, again).state == "requested"


def test_only_who_asked_withdraws(place: Place, request_id: str) -> None:
    with pytest.raises(DeniedError) as refused:
        withdraw(place.actor(TARO), request=request_id)
    assert refused.value.reason_code == "not_requester"

    withdraw(place.actor(HANAKO), request=request_id, comment="文書を差し替える")
    assert row(place, request_id).state == "withdrawn"


def test_a_delegate_decides_in_the_name_of_another(place: Place, request_id: str) -> None:
    until = place.clock.now + timedelta(days=3)
    lent = delegate(place.actor(YUKI), to=AKIRA.id, until=until, reason="休暇")

    entry = approve(
        place.actor(AKIRA), request=request_id, signature=signature(place, request_id, on_behalf_of=YUKI.id)
    )

    assert entry.data["on_behalf_of"] == YUKI.id
    assert row(place, request_id).state == "approved"
    end_delegation(place.actor(YUKI), delegation=lent)


def test_a_delegation_that_has_run_out_counts_no_more(place: Place, request_id: str) -> None:
    delegate(place.actor(YUKI), to=AKIRA.id, until=place.clock.now + timedelta(days=3), reason="休暇")
    place.clock.forward(days=4)

    with pytest.raises(DeniedError) as refused:
        approve(place.actor(AKIRA), request=request_id, signature=signature(place, request_id, on_behalf_of=YUKI.id))

    assert refused.value.reason_code == "delegation_over"


def test_a_right_that_nobody_lent_is_none(place: Place, request_id: str) -> None:
    with pytest.raises(DeniedError) as refused:
        approve(place.actor(AKIRA), request=request_id, signature=signature(place, request_id, on_behalf_of=YUKI.id))

    assert refused.value.reason_code == "delegation_over"


def test_comments_circulate_while_the_request_is_open(place: Place, request_id: str) -> None:
    comment(place.actor(AKIRA), request=request_id, text="現場は待っている")
    withdraw(place.actor(HANAKO), request=request_id)

    with pytest.raises(DeniedError) as refused:
        comment(place.actor(AKIRA), request=request_id, text="遅かった")
    assert refused.value.reason_code == "not_open"


def test_an_adapter_without_evaluation_is_not_requested(place: Place) -> None:
    with pytest.raises(DeniedError) as refused:
        ask(place, generate(place))

    assert refused.value.reason_code == "evaluation_missing"


def test_a_second_request_waits_for_the_first(place: Place, request_id: str) -> None:
    with pytest.raises(DeniedError) as refused:
        ask(place, row(place, request_id).adapter)

    assert refused.value.reason_code == "request_open"


def test_a_request_without_a_word_is_none(place: Place) -> None:
    with pytest.raises(InputError, match="must say why"):
        request_approval(place.actor(HANAKO), adapter=evaluated(place), slot="support", comment="  ")


def test_an_approval_shows_in_the_adapters_state(place: Place, request_id: str) -> None:
    approve(place.actor(YUKI), request=request_id, signature=signature(place, request_id))

    with place.ledger.read() as db:
        assert adapter_queries.adapter(db, row(place, request_id).adapter).state == "approved"


def test_a_new_policy_voids_the_approvals_that_are_in_force(place: Place, request_id: str) -> None:
    approve(place.actor(YUKI), request=request_id, signature=signature(place, request_id))
    old = ask(place, evaluated(place))
    approve(place.actor(YUKI), request=old, signature=signature(place, old))
    withdrawn = ask(place, evaluated(place))
    withdraw(place.actor(HANAKO), request=withdrawn)

    set_policy(place.actor(MISAKI), name="strict", policy=POLICIES["strict"])
    assert row(place, request_id).state == "approved", "another policy"
    set_policy(place.actor(MISAKI), name="standard", policy={**POLICIES["standard"], "expires_days": 10})

    assert [row(place, one).state for one in (request_id, old, withdrawn)] == ["voided", "voided", "withdrawn"]
    with place.ledger.read() as db:
        (entry, *_) = queries.find_entries(db, EntryFilter(events=("request:voided",)), limit=1)
        told = outbox_queries.find_messages(db, topics=("notice",))
    assert entry.data["cause"] == "policy standard was replaced by version 2"
    assert HANAKO.id in next(one.payload["people"] for one in told if one.payload["kind"] == "request_voided")


def test_an_evaluation_that_is_recorded_voids_what_was_bound_to_the_ones_before(place: Place, request_id: str) -> None:
    approve(place.actor(YUKI), request=request_id, signature=signature(place, request_id))
    adapter = row(place, request_id).adapter

    def void() -> list[str]:
        with place.ledger.write() as tx:
            return [entry.subject.id for entry in void_of_adapter(tx, adapter, actor=SYSTEM, cause="measured again")]

    assert void() == []
    evaluate(place, adapter)
    assert void() == [request_id]
    assert row(place, request_id).state == "voided"


def test_a_delegate_whose_own_role_is_new_does_not_count(place: Place, request_id: str) -> None:
    grant_role(place.actor(MISAKI), person=SHIN.id, role="manager")
    delegate(place.actor(YUKI), to=SHIN.id, until=place.clock.now + timedelta(days=3), reason="休暇")
    sign = signature(place, request_id, on_behalf_of=YUKI.id)
    with pytest.raises(DeniedError) as refused:
        approve(place.actor(SHIN), request=request_id, signature=sign)
    assert refused.value.reason_code == "cool_down"

    place.clock.forward(hours=25)
    approve(place.actor(SHIN), request=request_id, signature=sign)
    assert row(place, request_id).state == "approved"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("連絡先は taro@example.com です", "email"),
        ("電話 03-1234-5678 まで", "phone"),
        ("番号 123456789018", "my_number"),
        ("カード 4111 1111 1111 1111", "card"),
    ],
)
def test_no_personal_data_are_written_into_the_ledger(place: Place, request_id: str, text: str, kind: str) -> None:
    with place.ledger.read() as db:
        size = queries.size(db)
    sign = signature(place, request_id)
    attempts: list[Callable[[], object]] = [
        lambda: comment(place.actor(YUKI), request=request_id, text=text),
        lambda: approve(place.actor(YUKI), request=request_id, signature=sign, comment=text),
        lambda: withdraw(place.actor(HANAKO), request=request_id, comment=text),
        lambda: delegate(place.actor(YUKI), to=AKIRA.id, until=place.clock.now + timedelta(days=1), reason=text),
        lambda: grant_role(place.actor(MISAKI), person=SHIN.id, role="reviewer", reason=text),
        lambda: submit(place, title=text),
        lambda: generate_job(place.actor(HANAKO), context="any", name=text),
    ]
    for attempt in attempts:
        with pytest.raises(PersonalDataError, match=f"{kind} 1"):
            attempt()

    with place.ledger.read() as db:
        assert queries.size(db) == size


@pytest.mark.parametrize("by_token", ["adapter", "context"])
def test_who_answers_for_a_token_decides_on_nothing_that_was_made_with_it(place: Place, by_token: str) -> None:
    expires = place.clock.now + timedelta(days=30)
    issued = issue_token(
        place.actor(MISAKI), name="CI", scopes=frozenset({"generate"}), expires=expires, holder=YUKI.id
    )
    token = Actor(id=issued.id, name="CI", kind="service", scopes=frozenset({"generate"}), method="token")
    if by_token == "context":
        digest = generate(place, context=submit_context(token, title="規程", text="当社の旅費規程を定める。"))
    else:
        digest = generate(place, replace(HANAKO, id=issued.id, name="CI"), context=submit(place))
    evaluate(place, digest)
    request = ask(place, digest)

    with pytest.raises(DeniedError) as refused:
        approve(place.actor(YUKI), request=request, signature=signature(place, request))
    assert refused.value.reason_code == "own_adapter"
    approve(place.actor(KENJI), request=request, signature=signature(place, request))


def test_nobody_unknown_answers_for_a_token(place: Place) -> None:
    expires = place.clock.now + timedelta(days=30)
    with pytest.raises(DeniedError) as refused:
        issue_token(place.actor(MISAKI), name="CI", scopes=frozenset({"read"}), expires=expires, holder="nobody")
    assert refused.value.reason_code == "unknown_person"


def test_who_made_what_an_adapter_continues_does_not_decide_on_it(place: Place) -> None:
    parent = generate(place, YUKI, context=submit(place))
    child = generate(place, context=submit(place), parent=parent)
    grandchild = generate(place, context=submit(place), parent=child)
    evaluate(place, grandchild)
    request = ask(place, grandchild)

    with pytest.raises(DeniedError) as refused:
        approve(place.actor(YUKI), request=request, signature=signature(place, request))
    assert refused.value.reason_code == "own_adapter"
    approve(place.actor(KENJI), request=request, signature=signature(place, request))
