"""Jobs by programs: what is asked for once is done once, progress is read, one's own can be tried again."""

import pytest

from adapters_core.ledger import jobs
from adapters_core.ledger.job_queries import Job
from governance.api.jobs import JobOut
from tests.factories.adapters import evaluated, generate, submit
from tests.factories.installations import Place
from tests.factories.worlds import caller

pytestmark = pytest.mark.django_db


def lease(place: Place) -> Job:
    with place.ledger.write() as tx:
        found = jobs.lease_job(tx, worker="worker-1", kinds=("generate", "evaluate", "extend", "erase"), seconds=60)
    if found is None:
        raise LookupError("a job was submitted")
    return found


def test_progress_is_read(place: Place) -> None:
    program = caller(place, "read", "evaluate")
    job = program.post(f"adapters/{evaluated(place)}/evaluations", {}).json()["job"]
    leased = lease(place)
    with place.ledger.write() as tx:
        jobs.renew_job(tx, leased, seconds=60, progress={"done": 3, "total": 12})

    said = program.get(f"jobs/{job}").json()

    assert (said["state"], said["progress"]) == ("leased", {"done": 3, "total": 12})
    assert set(said) == set(JobOut.model_fields)


def test_a_failed_job_of_its_own_is_tried_again(place: Place) -> None:
    program = caller(place, "read", "evaluate")
    job = program.post(f"adapters/{evaluated(place)}/evaluations", {"suite": "retention"}).json()["job"]
    leased = lease(place)
    with place.ledger.write() as tx:
        jobs.fail_job(tx, leased, error="the core gave no answer")
    assert program.get(f"jobs/{job}").json()["error"] == "the core gave no answer"

    answer = program.call("POST", f"jobs/{job}/retry")

    assert (answer.status_code, answer.json()["state"], answer.json()["error"]) == (202, "queued", None)


def test_a_job_of_its_own_is_cancelled_once(place: Place) -> None:
    program = caller(place, "generate")
    job = program.post(f"contexts/{submit(place)}/adapters").json()["job"]

    first, second = program.call("POST", f"jobs/{job}/cancel"), program.call("POST", f"jobs/{job}/cancel")

    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert (second.status_code, second.json()["reason"]) == (403, "job_ended")


def test_a_job_of_somebody_else_stays_theirs(place: Place) -> None:
    job = caller(place, "generate").post(f"contexts/{submit(place)}/adapters").json()["job"]

    answer = caller(place, "generate").call("POST", f"jobs/{job}/cancel")

    assert (answer.status_code, answer.json()["reason"]) == (403, "not_owner")


def test_extending_and_erasing_are_queued_once(place: Place) -> None:
    program = caller(place, "generate")
    adapter, context = generate(place), submit(place, title="慶弔規程", text="結婚祝金は三万円とする。")

    def extend(name: str) -> str:
        answer = program.post(f"adapters/{adapter}/extensions", {"context": context, "name": name})
        assert answer.status_code == 202
        return str(answer.json()["job"])

    assert extend("第2版") == extend("第3版")


def test_an_only_context_cannot_be_erased_from_an_adapter(place: Place) -> None:
    program, context = caller(place, "generate"), submit(place)

    answer = program.post(f"adapters/{generate(place, context=context)}/erasures", {"context": context})

    assert answer.status_code == 422
    assert "retire an adapter" in answer.json()["detail"]


def test_jobs_are_listed_by_state_and_kind_page_by_page(place: Place) -> None:
    program = caller(place, "read", "generate", "evaluate")
    adapter = evaluated(place)
    for _ in range(3):
        program.post(f"contexts/{submit(place)}/adapters")
    program.post(f"adapters/{adapter}/evaluations")

    first = program.get("jobs?limit=3").json()
    rest = program.get(f"jobs?limit=3&before={first['next']}").json()

    assert [row["kind"] for row in (*first["rows"], *rest["rows"])] == ["evaluate", *["generate"] * 3]
    assert rest["next"] is None
    assert len(program.get("jobs?kind=generate&state=queued").json()["rows"]) == 3
    assert program.get("jobs?state=failed").json()["rows"] == []


def test_single_chunks_are_taken_out(place: Place) -> None:
    program, context = caller(place, "generate", "read"), submit(place)
    made_of = [{"id": context, "commitment": "c" * 64, "chunk_commitments": ["1" * 64, "2" * 64]}]
    adapter = generate(place, context=context, contexts=made_of)
    chunks = program.get(f"adapters/{adapter}").json()["sources"][0]["chunk_commitments"]

    some = program.post(f"adapters/{adapter}/erasures", {"chunks": chunks[:1]})
    every = program.post(f"adapters/{adapter}/erasures", {"chunks": chunks})
    both = program.post(f"adapters/{adapter}/erasures", {"chunks": chunks[:1], "context": context})

    assert (some.status_code, some.json()["payload"]["chunks"]) == (202, chunks[:1])
    assert (every.status_code, both.status_code) == (422, 422)
