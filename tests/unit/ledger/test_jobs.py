"""Leases, fences, and a result that is recorded exactly once."""

import pytest

from adapters_core.errors import InputError, LeaseLostError, UnknownSubjectError
from adapters_core.ledger import queries
from adapters_core.ledger.job_queries import Job, find_jobs, job, job_by_key, job_counts
from adapters_core.ledger.jobs import Result, cancel_job, fail_job, finish_job, lease_job, renew_job, submit_job
from adapters_core.ledger.session import Ledger
from tests import ledger_cast as cast
from tests.ledger_story import Time


def submit(timed: Ledger, key: str = "k", *, kind: str = "generate", priority: int = 0) -> Job:
    with timed.write() as tx:
        payload = {"context": "c-1"}
        return submit_job(tx, kind=kind, job_key=key, payload=payload, actor=cast.ENGINEER, priority=priority)


def lease(timed: Ledger, worker: str = "w-1", *, kinds: tuple[str, ...] = ("generate",)) -> Job | None:
    with timed.write() as tx:
        return lease_job(tx, worker=worker, kinds=kinds, seconds=30)


def leased(timed: Ledger, worker: str = "w-1") -> Job:
    found = lease(timed, worker)
    if found is None:
        pytest.fail("no job to lease")
    return found


def finish(timed: Ledger, held: Job, digest: str = "d" * 64) -> str:
    with timed.write() as tx:
        return finish_job(tx, held, Result(digest=digest, data={"adapter": digest}), actor=cast.WORKER)


def test_the_same_key_is_the_same_job(timed: Ledger) -> None:
    first, second = submit(timed), submit(timed)

    assert first == second
    assert first.actor == cast.ENGINEER
    with timed.read() as db:
        assert job_by_key(db, "k") == first
        assert job_by_key(db, "other") is None
        assert job_counts(db) == {"queued": 1}


def test_a_leased_job_is_nobody_elses_until_the_lease_runs_out(timed: Ledger, time: Time) -> None:
    submit(timed)
    first = leased(timed)
    assert lease(timed, "w-2") is None

    time.passes(31)
    second = leased(timed, "w-2")

    assert second.job == first.job
    assert second.fence > first.fence
    with pytest.raises(LeaseLostError):
        finish(timed, first)
    assert finish(timed, second) == "recorded"


def test_a_renewed_lease_holds_and_shows_progress(timed: Ledger, time: Time) -> None:
    submit(timed)
    held = leased(timed)
    time.passes(20)
    with timed.write() as tx:
        held = renew_job(tx, held, seconds=30, progress={"done": 3, "of": 9})
    time.passes(20)

    assert held.progress == {"done": 3, "of": 9}
    assert lease(timed, "w-2") is None
    assert finish(timed, held) == "recorded"


def test_the_same_result_again_is_nothing_new(timed: Ledger, time: Time) -> None:
    submit(timed)
    late = leased(timed)
    time.passes(31)
    assert finish(timed, leased(timed, "w-2")) == "recorded"

    assert finish(timed, late) == "repeated"
    with timed.read() as db:
        assert queries.size(db) == 0


def test_another_result_for_the_same_key_is_an_incident(timed: Ledger, time: Time) -> None:
    submit(timed)
    late = leased(timed)
    time.passes(31)
    finish(timed, leased(timed, "w-2"))

    assert finish(timed, late, digest="e" * 64) == "conflict"

    with timed.read() as db:
        (incident,) = queries.find_entries(db)
        assert job(db, late.job).result == {"adapter": "d" * 64}
    assert incident.event == "incident:raised"
    assert incident.data["what"] == "job_result_differs"
    assert incident.data["detail"]["recorded"] == "d" * 64
    assert incident.data["detail"]["second"] == "e" * 64


def test_a_job_that_failed_for_a_while_is_tried_again(timed: Ledger, time: Time) -> None:
    submit(timed)
    held = leased(timed)
    with timed.write() as tx:
        fail_job(tx, held, error="x", retry_in=10)
    assert lease(timed) is None

    time.passes(10)
    again = leased(timed)

    assert again.attempts == 2
    assert again.error == "x"


def test_a_job_that_failed_for_good_waits_to_be_submitted_again(timed: Ledger, time: Time) -> None:
    first = submit(timed)
    held = leased(timed)
    with timed.write() as tx:
        fail_job(tx, held, error="the context is too short")
    time.passes(3600)
    assert lease(timed) is None

    assert submit(timed).job == first.job
    assert leased(timed).job == first.job


def test_a_cancelled_job_has_no_worker_any_more(timed: Ledger) -> None:
    queued = submit(timed)
    held = leased(timed)
    with timed.write() as tx:
        cancel_job(tx, queued.job)

    with pytest.raises(LeaseLostError):
        finish(timed, held)
    with pytest.raises(InputError, match="until it ends"), timed.write() as tx:
        cancel_job(tx, queued.job)


def test_more_urgent_jobs_are_leased_first_then_older_ones(timed: Ledger, time: Time) -> None:
    for key, priority in (("a", 0), ("b", 5), ("c", 5)):
        submit(timed, key, priority=priority)
        time.passes(1)

    assert [leased(timed).job_key for _ in range(3)] == ["b", "c", "a"]


def test_a_worker_gets_only_the_kinds_that_it_can_do(timed: Ledger) -> None:
    submit(timed, kind="evaluate")

    assert lease(timed) is None
    assert lease(timed, kinds=("generate", "evaluate")) is not None


def test_jobs_are_listed_by_state_and_kind_from_the_newest(timed: Ledger, time: Time) -> None:
    for key in ("a", "b", "c"):
        submit(timed, key)
        time.passes(1)
    finish(timed, leased(timed))

    with timed.read() as db:
        assert [row.job_key for row in find_jobs(db)] == ["c", "b", "a"]
        assert [row.job_key for row in find_jobs(db, states=("done",))] == ["a"]
        assert find_jobs(db, kinds=("evaluate",)) == ()
        newest = find_jobs(db, limit=1)[0]
        assert [row.job_key for row in find_jobs(db, before=newest.created)] == ["b", "a"]


def test_an_unknown_job_is_named(timed: Ledger) -> None:
    with timed.read() as db, pytest.raises(UnknownSubjectError, match="no job x"):
        job(db, "x")
