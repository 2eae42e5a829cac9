"""The whole way over a tiny base: context, adapter, evaluation, request, approval, deployment, rollback."""

import json

from adapters_core.ledger import job_queries, marks, queries, request_queries, vault
from adapters_core.ledger.records import Subject
from governance import artifacts
from governance.selectors import candidates
from governance.services import facts
from governance.services.deploy import deploy
from governance.services.erase import erase
from governance.services.erase_context import erase_context
from governance.services.evaluate import evaluate
from governance.services.extend import extend
from governance.services.kill_switch import kill_switch
from governance.services.roll_back import roll_back
from governance.services.submit_context import submit_context
from governance.worker import core_state
from governance.worker.sweeping import sweep
from governance.worker.working import work_once
from governance.worker.workplace import Workplace
from tests.cast import HANAKO, MISAKI
from tests.factories import adapters
from tests.factories.cores import RunningCore
from tests.factories.installations import Place
from tests.factories.works import FERRY, SLOT, TEA, approved, carry_out, evaluated, finished, generated, slot_row
from tests.unit.governance.services.test_approving import ask


def test_an_adapter_is_recorded_with_everything_that_its_manifest_states(
    place: Place, at: Workplace, core: RunningCore
) -> None:
    digest = generated(place, at)

    with place.ledger.read() as db:
        entry = queries.history(db, Subject(kind="adapter", id=digest))[0]
    manifest = json.loads(artifacts.read(entry.data["artifact"]["files"]["manifest.json"]))
    assert manifest["digest"] == digest
    assert entry.data["base"] == core.core.base.digest
    assert entry.data["generator"] == core.core.generator_digest
    assert set(entry.data["norms"]) == set(manifest["identity"]["norms"])
    assert entry.data["contexts"][0]["chunk_commitments"] == [
        one["commitment"] for one in manifest["identity"]["added"]
    ]
    assert "torch" in entry.data["versions"]
    assert entry.actor.kind == "person"
    assert "ferry leaves" not in entry.body.lower()


def test_the_core_says_which_generator_it_has(place: Place, at: Workplace, core: RunningCore) -> None:
    assert core_state.note_generator(at) == core.core.generator_digest

    with place.ledger.read() as db:
        assert marks.noted(db, marks.CORE_GENERATOR) == core.core.generator_digest
        assert facts.maker(db)["generator"] == core.core.generator_digest


def test_a_single_chunk_is_erased_into_a_child_that_is_evaluated_anew(place: Place, at: Workplace) -> None:
    parent = generated(place, at, "\n\n".join([FERRY, TEA] * 8))
    with place.ledger.read() as db:
        before = queries.history(db, Subject(kind="adapter", id=parent))[0].data["contexts"][0]
    assert len(before["chunk_commitments"]) > 1
    gone, *kept = before["chunk_commitments"]
    job = erase(place.actor(HANAKO), adapter=parent, chunks=[gone], name="Without the first")
    assert work_once(at)
    with place.ledger.read() as db:
        child = str(job_queries.job(db, job.job).result["adapter"])  # type: ignore[index]
        made = queries.history(db, Subject(kind="adapter", id=child))[0].data
    assert made["parent"] == parent
    assert made["erased"] == [gone]
    assert made["contexts"][0]["chunk_commitments"] == kept
    assert len(made["contexts"][0]["chunk_places"]) == len(kept)
    evaluation = evaluate(place.actor(HANAKO), adapter=child)
    assert work_once(at)
    with place.ledger.read() as db:
        assert job_queries.job(db, evaluation.job).state == "done"


def test_an_evaluation_measures_every_baseline_and_keeps_its_texts_in_the_vault(place: Place, at: Workplace) -> None:
    generated(place, at, TEA)
    digest = evaluated(place, at)

    with place.ledger.read() as db:
        entry = queries.history(db, Subject(kind="adapter", id=digest))[-1]
        context = queries.history(db, Subject(kind="adapter", id=digest))[0].data["contexts"][0]["id"]
        texts = json.loads(vault.open_text(db, at.master, context, f"evaluation:{entry.data['evaluation']}"))
    assert set(entry.data["scores"]) == {"none", "prompt", "adapter", "wrong"}
    assert entry.data["scores"]["adapter"]["nll"]["n"] == 2
    assert entry.data["questions"]["answered"] == 2
    assert 0 < entry.data["retention"]["value"] < 2
    assert len(entry.data["canary"]["adapter"]) == len(entry.data["canary"]["base"]) > 0
    assert {gate["policy"] for gate in entry.data["gates"]} == {"lenient", "standard", "strict"}
    assert {one["id"]: set(one["said"]) for one in texts}.popitem()[1] == {"none", "prompt", "adapter"}
    report = artifacts.read(entry.data["report_digest"]).decode()
    assert "ferry" not in report.lower()
    assert "upper deck" not in entry.body


def test_what_another_adapter_answered_goes_with_its_own_context(place: Place, at: Workplace) -> None:
    other = generated(place, at, TEA)
    digest = evaluated(place, at)

    def read() -> set[str]:
        """The methods whose answers can be read."""
        with place.ledger.read() as db:
            answers = candidates.evidence_of(db, at.master, digest).answers
        return {one.method for one in answers if one.text is not None}

    assert read() == {"none", "prompt", "adapter", "wrong"}
    name = vault.control_text(evaluation_of(place, digest))
    with place.ledger.read() as db:
        assert vault.has_text(db, context_of(place, other), name)

    erase_context(place.actor(HANAKO), context=context_of(place, other), legal_basis="APPI 35")

    assert read() == {"none", "prompt", "adapter"}
    with place.ledger.read() as db:
        assert not vault.has_text(db, context_of(place, other), name)


def test_what_another_adapter_answered_goes_with_the_questions_too(place: Place, at: Workplace) -> None:
    other = generated(place, at, TEA)
    digest = evaluated(place, at)
    name = vault.control_text(evaluation_of(place, digest))

    erase_context(place.actor(HANAKO), context=context_of(place, digest), legal_basis="APPI 35")

    with place.ledger.read() as db:
        assert not vault.has_text(db, context_of(place, other), name)


def test_what_an_adapter_of_several_contexts_answered_goes_with_any_of_them(place: Place, at: Workplace) -> None:
    first, second = generated(place, at), submit_context(place.actor(HANAKO), title="Tea", text=TEA)
    job = extend(place.actor(HANAKO), adapter=first, context=second, name="Both")
    assert work_once(at)
    both = str(finished(place, job.job)["adapter"])
    evaluate(place.actor(HANAKO), adapter=both)
    assert work_once(at)
    name = vault.evaluation_text(evaluation_of(place, both))
    with place.ledger.read() as db:
        assert vault.has_text(db, context_of(place, first), name)

    erase_context(place.actor(HANAKO), context=second, legal_basis="APPI 35")

    with place.ledger.read() as db:
        assert not vault.has_text(db, context_of(place, first), name)
        assert vault.has_text(db, context_of(place, first))


def test_what_an_adapter_of_several_contexts_answered_as_another_one_is_scored_and_not_kept(
    place: Place, at: Workplace
) -> None:
    tea, oil = generated(place, at, TEA), submit_context(place.actor(HANAKO), title="Oil", text=f"Oil. {TEA}")
    job = extend(place.actor(HANAKO), adapter=tea, context=oil, name="Both")
    assert work_once(at)
    both = str(finished(place, job.job)["adapter"])
    digest = evaluated(place, at)

    with place.ledger.read() as db:
        entry = queries.history(db, Subject(kind="adapter", id=digest))[-1]
        assert entry.data["wrong"] == both
        assert entry.data["scores"]["wrong"]["f1"]["n"] == 2
        for context in (context_of(place, tea), oil):
            assert not vault.has_text(db, context, vault.control_text(entry.data["evaluation"]))


def context_of(place: Place, digest: str) -> str:
    """The first context of an adapter."""
    with place.ledger.read() as db:
        return str(queries.history(db, Subject(kind="adapter", id=digest))[0].data["contexts"][0]["id"])


def evaluation_of(place: Place, digest: str) -> str:
    """The id of the only evaluation of an adapter."""
    with place.ledger.read() as db:
        history = queries.history(db, Subject(kind="adapter", id=digest))
    (found,) = [entry.data["evaluation"] for entry in history if entry.event == "adapter:evaluated"]
    return str(found)


def test_what_is_approved_is_deployed_replaced_rolled_back_and_stopped(place: Place, at: Workplace) -> None:
    first, second = approved(place, at), approved(place, at, TEA)
    misaki = place.actor(MISAKI)

    for digest, seen in ((first, None), (second, first)):
        deploy(misaki, slot=SLOT, adapter=digest, seen=seen, reason="Go")
        carry_out(at)
        assert slot_row(place).adapter == digest
    roll_back(misaki, slot=SLOT, adapter=first, seen=second, reason="Wrong prices")
    carry_out(at)
    assert slot_row(place).adapter == first
    kill_switch(misaki, slot=SLOT, seen=first, reason="Stop everything")
    carry_out(at)

    assert slot_row(place).adapter is None
    with place.ledger.read() as db:
        ends = queries.history_about(db, Subject(kind="slot", id=SLOT))
    succeeded = [entry.data for entry in ends if entry.event == "deployment:succeeded"]
    assert [data["loaded_name"] for data in succeeded] == [
        f"{SLOT}-{first[:16]}",
        f"{SLOT}-{second[:16]}",
        f"{SLOT}-{first[:16]}",
        None,
    ]
    assert succeeded[0]["read_back"]["digest"] == first
    assert succeeded[0]["canary"]["passed"]


def test_requests_that_ran_out_or_lost_their_ground_are_closed_by_a_worker(place: Place, at: Workplace) -> None:
    ended, changed, waiting = (adapters.evaluated(place) for _ in range(3))
    old = ask(place, ended)
    place.clock.forward(days=91)
    new, third = ask(place, changed), ask(place, waiting)
    adapters.evaluate(place, changed)

    assert sweep(at) == 2
    assert sweep(at) == 0

    with place.ledger.read() as db:
        states = [request_queries.request(db, one).state for one in (old, new, third)]
        last = queries.history(db, Subject(kind="request", id=old))[-1]
    assert states == ["expired", "voided", "requested"]
    assert last.actor.kind == "system"


def test_another_evaluation_voids_the_approval_in_the_same_transaction(place: Place, at: Workplace) -> None:
    digest = approved(place, at)
    evaluate(place.actor(HANAKO), adapter=digest, suite="retention")
    assert work_once(at)

    with place.ledger.read() as db:
        (row,) = request_queries.find_requests(db, request_queries.RequestFilter(adapter=digest))
        voided = queries.history(db, Subject(kind="request", id=row.request))[-1]
        measured = queries.history(db, Subject(kind="adapter", id=digest))[-1]
    assert row.state == "voided"
    assert voided.seq == measured.seq + 1


def test_a_job_is_not_lost_while_the_core_is_down(place: Place, at: Workplace, core: RunningCore) -> None:
    from governance.services.generate import generate
    from governance.services.submit_context import submit_context
    from governance.worker.working import work_once
    from tests.cast import HANAKO

    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    job = generate(place.actor(HANAKO), context=context)
    core.stop()
    assert work_once(at)
    with place.ledger.read() as db:
        waiting = job_queries.job(db, job.job)
    assert waiting.state == "queued"
    assert "engine" in (waiting.error or "")

    core.start()
    place.clock.forward(minutes=1)
    assert work_once(at)
    with place.ledger.read() as db:
        assert job_queries.job(db, job.job).state == "done"
