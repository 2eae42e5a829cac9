"""Lists: what is searched is found, filters narrow, and pages join without gap or double, in every order."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, get_args

import pytest
from sqlalchemy import event

from adapters_core.errors import InputError, UnknownSubjectError
from adapters_core.ledger import (
    adapter_queries,
    context_queries,
    people_queries,
    queries,
    request_queries,
    slot_queries,
)
from adapters_core.ledger.adapter_queries import AdapterFilter, AdapterRow, Sort, count_adapters, find_adapters
from adapters_core.ledger.context_queries import ContextFilter, find_contexts
from adapters_core.ledger.request_queries import (
    RequestFilter,
    count_requests,
    find_requests,
    undeployed_requests,
    waiting_requests,
)
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.transactions import Reader
from tests import ledger_cast as cast
from tests.ledger_story import Time, approve, deploy, evaluate, prepare, put, step

NAMES = ("有給休暇の規程", "Travel rules", "ｔｒａｖｅｌ expenses", "100%_sure", "audit")


@pytest.fixture
def full(ledger: Ledger) -> Ledger:
    prepare(ledger, slots=("support", "sales"))
    step(ledger, "context:submitted", "c-2", cast.submitted("就業規則"), cast.ADMIN)
    with ledger.write() as tx:
        for place, name in enumerate(NAMES):
            context = "c-2" if place == 1 else "c-1"
            put(tx, "adapter:generated", name, cast.generated(name, context=context, norm_total=place / 2))
            if place < 3:
                put(tx, "adapter:evaluated", name, cast.evaluated(recovery={"value": 0.5}))
        put(tx, "adapter:generated", "child", cast.generated("child", parent=cast.digest("audit")), cast.ADMIN)
    return ledger


def names(ledger: Ledger, *, sort: Sort = "newest", **wanted: object) -> list[str]:
    with ledger.read() as db:
        page = find_adapters(db, AdapterFilter(**wanted), sort=sort)  # type: ignore[arg-type]  # checked by the tests
        assert count_adapters(db, AdapterFilter(**wanted)) >= len(page.rows)  # type: ignore[arg-type]
        return [row.name for row in page.rows]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("休暇", ["有給休暇の規程"]),
        ("TRAVEL", ["ｔｒａｖｅｌ expenses", "Travel rules"]),
        ("rules travel", ["Travel rules"]),
        ("%_", ["100%_sure"]),
        ("'; DROP TABLE entries --", []),
        (cast.digest("audit")[:12], ["audit"]),
        (cast.digest("audit")[:17].upper(), ["audit"]),
        (cast.digest("audit"), ["audit"]),
        (f"aud {cast.digest('audit')}", ["audit"]),
        (cast.digest("audit")[:-1] + "g", []),
        (cast.digest("audit")[:20] + "0000", []),
        ("  ", ["child", *NAMES[::-1]]),
    ],
)
def test_a_text_is_found_in_name_and_digest(full: Ledger, text: str, found: list[str]) -> None:
    assert names(full, text=text) == found


def test_filters_narrow(full: Ledger) -> None:
    assert names(full, states=("evaluated",)) == list(NAMES[2::-1])
    assert names(full, context="c-2") == ["Travel rules"]
    assert names(full, context="c-2", text="audit") == []
    assert names(full, actor=cast.ADMIN.id) == ["child"]
    assert names(full, base="other") == []
    assert names(full, serving=True) == []
    assert len(names(full, serving=False)) == 6
    with full.read() as db:
        assert adapter_queries.state_counts(db) == {"generated": 3, "evaluated": 3}
        assert [row.name for row in adapter_queries.descendants(db, cast.digest("audit"))] == ["child"]
        assert [row.name for row in adapter_queries.adapters_of_context(db, "c-2")] == ["Travel rules"]
        assert adapter_queries.contexts_of_adapter(db, cast.digest("audit")) == ("c-1",)
        assert count_adapters(db, limit=2) == 2


def planned(ledger: Ledger, ask: Callable[[Reader], object]) -> str:
    """How SQLite goes about the first statement."""
    asked: list[tuple[str, Any]] = []

    def statement(_connection: object, _cursor: object, text: str, given: Any, *_: object) -> None:
        asked.append((text, given))

    with ledger.read() as db:
        event.listen(ledger.engine, "before_cursor_execute", statement)
        ask(db)
        event.remove(ledger.engine, "before_cursor_execute", statement)
        text, given = asked[0]
        return " ".join(row[-1] for row in db.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given))


def test_the_few_of_a_context_are_looked_up_and_not_sought_among_all_of_their_states(full: Ledger) -> None:
    wanted = AdapterFilter(context="c-1", states=("generated", "evaluated", "approved"))

    plan = planned(full, lambda db: find_adapters(db, wanted, sort="recent", limit=3))

    assert "ix_index_adapter_contexts" in plan or "sqlite_autoindex_index_adapter_contexts" in plan
    assert "(state=?)" not in plan  # with the number besides it is a look-up
    assert "SCAN index_adapters" not in plan
    with full.read() as db:
        assert len(find_adapters(db, wanted, sort="recent", limit=3).rows) == 3


def test_what_an_inbox_asks_of_ones_own_is_looked_up(full: Ledger) -> None:
    open_ones = RequestFilter(actor=cast.ENGINEER.id, states=("requested", "in_review"))
    due = ContextFilter(states=("active",), kept_until_before=date(2026, 12, 1))

    assert "ix_index_requests_own (actor=? AND state=?)" in planned(full, lambda db: find_requests(db, open_ones))
    undeployed = planned(full, lambda db: undeployed_requests(db, actor=cast.ENGINEER.id))
    assert "ix_index_deployments_adapter (adapter=?)" in undeployed
    assert "ix_index_deployments_slot" not in undeployed
    assert "ix_index_contexts_due (state=? AND retention_until<?)" in planned(full, lambda db: find_contexts(db, due))


@pytest.mark.parametrize("sort", get_args(Sort))
def test_pages_join_without_gap_or_double_in_every_order(full: Ledger, sort: Sort) -> None:
    with full.read() as db:
        whole = find_adapters(db, sort=sort, limit=100).rows
        seen: list[AdapterRow] = []
        after: str | None = None
        while True:
            page = find_adapters(db, sort=sort, after=after, limit=2)
            seen += page.rows
            after = page.next
            if after is None:
                break
    assert tuple(seen) == whole
    assert len(whole) == (3 if sort == "recovery" else 6)


@pytest.mark.parametrize("after", ["x", "bm9uZQ", "WzFd", "W251bGwsICJ4Il0", "é"])
def test_a_place_that_no_page_gave_is_refused(full: Ledger, after: str) -> None:
    with full.read() as db, pytest.raises(InputError, match="the page before"):
        find_adapters(db, after=after)


def test_an_unknown_order_is_refused(full: Ledger) -> None:
    with full.read() as db, pytest.raises(InputError, match="sorted by"):
        find_adapters(db, sort="colour")  # type: ignore[arg-type]


def test_what_is_unknown_is_named(full: Ledger) -> None:
    with full.read() as db:
        for ask in (
            lambda: adapter_queries.adapter(db, "x"),
            lambda: request_queries.request(db, "x"),
            lambda: slot_queries.slot(db, "x"),
            lambda: slot_queries.deployment(db, "x"),
            lambda: context_queries.context(db, "x"),
            lambda: people_queries.policy(db, "x"),
            lambda: queries.entry(db, 999),
        ):
            with pytest.raises(UnknownSubjectError, match="the ledger has no"):
                ask()


def test_contexts_are_searched_and_filtered(full: Ledger) -> None:
    with full.read() as db:
        assert [row.context for row in find_contexts(db)] == ["c-2", "c-1"]
        assert [row.context for row in find_contexts(db, ContextFilter(text="就業"))] == ["c-2"]
        assert [row.context for row in find_contexts(db, ContextFilter(actor=cast.ENGINEER.id))] == ["c-1"]
        assert find_contexts(db, ContextFilter(states=("erased",))) == ()
        assert [row.context for row in find_contexts(db, before=find_contexts(db)[0].seq)] == ["c-1"]
        assert context_queries.context(db, "c-2").title == "就業規則"


def test_requests_wait_for_those_who_can_decide(full: Ledger) -> None:
    step(full, "request:opened", "r-1", cast.opened("Travel rules", stages=(2,)))
    step(full, "request:approved", "r-1", cast.decision(), cast.REVIEWER)
    approve(full, "other", request="r-2", slot="sales")
    with full.read() as db:
        (row,) = waiting_requests(db, ("reviewer",))
        assert (row.request, row.approvers, row.stages[0].needed) == ("r-1", (cast.REVIEWER.id,), 2)
        assert waiting_requests(db, ("manager",)) == ()
        assert len(waiting_requests(db)) == 1
        assert [item.request for item in find_requests(db)] == ["r-2", "r-1"]
        assert [item.request for item in find_requests(db, RequestFilter(slot="sales"))] == ["r-2"]
        assert [item.request for item in find_requests(db, RequestFilter(states=("in_review",)))] == ["r-1"]
        assert [item.request for item in find_requests(db, before=row.seq + 1)] == ["r-1"]
        assert count_requests(db, RequestFilter(adapter=cast.digest("other"), actor=cast.ENGINEER.id)) == 1
        assert adapter_queries.approved_norms(db, cast.BASE, besides="") == (1.5,)


def test_what_is_approved_waits_until_its_own_slot_has_served_it(full: Ledger) -> None:
    approve(full, "a", request="r-1", slot="support")
    with full.write() as tx:
        put(tx, "request:opened", "r-2", cast.opened("a", slot="sales"))
        put(tx, "request:approved", "r-2", cast.decision(), cast.REVIEWER)
    approve(full, "b", request="r-3", slot="support")
    approve(full, "gone", request="r-4", slot="support")
    step(full, "adapter:retired", "gone", {"reason": "old"}, cast.ADMIN)

    def waiting(actor: str | None = None) -> list[str]:
        with full.read() as db:
            return [row.request for row in undeployed_requests(db, actor=actor)]

    assert waiting() == ["r-3", "r-2", "r-1"]
    assert waiting(cast.REVIEWER.id) == []
    step(full, "deployment:requested", "d-1", cast.deployment("a", request="r-1"), cast.ADMIN)
    assert waiting() == ["r-3", "r-2"], "it is under way"
    step(full, "deployment:failed", "d-1", {"error": "engine down"}, cast.WORKER)
    assert waiting() == ["r-3", "r-2", "r-1"]
    deploy(full, "a", as_id="d-2", request="r-1")
    deploy(full, "b", as_id="d-3", previous="a", request="r-3")
    assert waiting() == ["r-2"], "what was replaced waits no more"
    with full.write() as tx:
        put(tx, "request:opened", "r-5", cast.opened("a"))
        put(tx, "request:approved", "r-5", cast.decision(), cast.REVIEWER)
    assert waiting() == ["r-5", "r-2"], "it was approved anew"


def test_a_slot_goes_back_to_what_is_approved_for_it_itself(full: Ledger) -> None:
    approve(full, "a", request="r-1")
    approve(full, "b", request="r-2")
    with full.write() as tx:
        put(tx, "request:opened", "r-3", cast.opened("a", slot="sales"))
        put(tx, "request:approved", "r-3", cast.decision(), cast.REVIEWER)
    deploy(full, "a", as_id="d-1")
    deploy(full, "b", as_id="d-2", previous="a", request="r-2")

    def targets() -> list[str | None]:
        with full.read() as db:
            return [row.adapter for row in slot_queries.rollback_targets(db, "support")]

    assert targets() == [cast.digest("a")]
    step(full, "request:voided", "r-1", {"cause": "changed"})
    assert targets() == [], "approved for another slot only"


def test_what_served_when_is_answered_for_every_moment(timed: Ledger, time: Time) -> None:
    prepare(timed)
    approve(timed, "a", request="r-1")
    approve(timed, "b", request="r-2")
    start = time.now
    steps = (("a", None, "deploy", "r-1"), ("b", "a", "deploy", "r-2"), ("a", "b", "rollback", "r-1"))
    for place, (name, previous, kind, request) in enumerate(steps):
        time.passes(10)
        deploy(timed, name, as_id=f"d-{place}", previous=previous, kind=kind, request=request)

    with timed.read() as db:
        served = [slot_queries.served_at(db, "support", start + timedelta(seconds=s)) for s in (0, 9.9, 10, 19, 20, 35)]
        assert [row and row.deployment for row in served] == [None, None, "d-0", "d-0", "d-1", "d-2"]
        assert [row.adapter for row in slot_queries.rollback_targets(db, "support")] == [cast.digest("b")]
        assert [row.deployment for row in slot_queries.deployments_of(db, cast.digest("a"))] == ["d-2", "d-0"]
        first = slot_queries.deployment(db, "d-0")
        assert first.until_time == start + timedelta(seconds=20)
        (slot,) = slot_queries.slots(db)
        assert (slot.adapter_name, slot.current, slot.pending) == ("a", "d-2", None)
        assert slot_queries.timeline(db, "support", before=first.seq) == ()
        assert slot_queries.pending_deployments(db) == ()


def test_roles_policies_and_delegations_are_read_as_they_stand(full: Ledger) -> None:
    step(full, "person:created", "p-1")
    granted = step(full, "role:granted", "p-1", {"role": "reviewer"})
    step(full, "role:granted", "p-1", {"role": "auditor"})
    step(full, "role:revoked", "p-1", {"role": "auditor"})
    step(full, "policy:set", "standard", cast.policy(1))
    step(full, "policy:set", "standard", cast.policy(2))
    for name in ("g-1", "g-2"):
        step(full, "delegation:granted", name, {"from": "p-9", "to": "p-1", "until": "2026-12-01", "reason": "leave"})
    step(full, "delegation:ended", "g-1")
    with full.read() as db:
        (role,) = people_queries.roles_of(db, "p-1")
        assert (role.role, role.since, role.seq) == ("reviewer", granted.time, granted.seq)
        assert [row.person for row in people_queries.people_with(db, "reviewer")] == ["p-1"]
        assert people_queries.policy(db, "standard").data["version"] == 2
        assert people_queries.policy(db, "standard", 1).data["version"] == 1
        assert [entry.subject.id for entry in people_queries.policies(db)] == ["standard"]
        assert [entry.subject.id for entry in people_queries.delegations_to(db, "p-1")] == ["g-2"]
        assert [row.id for row in people_queries.subjects(db, "delegation")] == ["g-1", "g-2"]
        assert [row.id for row in people_queries.subjects(db, "delegation", states=("active",))] == ["g-2"]


def test_a_scan_of_all_lists_leaves_evaluations_counted(full: Ledger) -> None:
    evaluate(full, "twice")
    step(full, "adapter:evaluated", "twice", cast.evaluated(recovery=None, retention=0.5))
    with full.read() as db:
        row = adapter_queries.adapter(db, cast.digest("twice"))
    assert (row.evaluations, row.recovery, row.retention) == (2, None, 0.5)


def test_an_evaluation_without_questions_on_the_contexts_leaves_the_recovery(full: Ledger) -> None:
    evaluate(full, "both")
    step(full, "adapter:evaluated", "both", cast.evaluated(suite="retention", recovery=None, retention=0.5))
    with full.read() as db:
        row = adapter_queries.adapter(db, cast.digest("both"))
    assert (row.evaluations, row.recovery, row.retention) == (2, 0.8, 0.5)
