"""What is erased goes everywhere and for good, and takes nothing with it that others need."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters_core.ledger import job_queries, outbox_queries, people_queries, queries, slot_queries
from adapters_core.ledger.artifact_queries import needed_by
from adapters_core.ledger.jobs import lease_job
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Subject
from adapters_core.ledger.verification.artifacts import verify_artifacts
from governance import artifacts
from governance.installation import artifact_path
from governance.selectors import verification
from governance.services.deploy import deploy
from governance.services.erase_context import erase_context
from governance.services.evaluate import evaluate
from governance.services.generate import generate
from governance.services.retire import retire
from governance.services.retry_job import cancel_job
from governance.services.submit_context import submit_context
from governance.worker import deleting, deploying, evaluating, projection
from governance.worker.delivering import deliver_some
from governance.worker.generating import FILES
from governance.worker.heartbeat import Heartbeat
from governance.worker.reconciling import reconcile_mlflow
from governance.worker.working import ON_THE_CORE, work_once
from governance.worker.workplace import Workplace
from tests.cast import HANAKO, MISAKI
from tests.factories.cores import RunningCore
from tests.factories.installations import Place
from tests.factories.works import FERRY, SLOT, TEA, approved, carry_out, generated, slot_row

MAIL = "The mail boat calls on Tuesdays. It takes letters and parcels, and a cat named Oboro sleeps in its hold."
mlflow_warns = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


def test_another_adapter_of_the_generator_stays_whole_and_deploys(place: Place, at: Workplace) -> None:
    first, second = approved(place, at), approved(place, at, TEA)
    shared = set(files_of(place, first)) & set(files_of(place, second))
    assert shared, "the two must have a file in common, or this shows nothing"

    erase(place, first)
    deliver_deletions(place, at)

    assert here(place, first) == shared
    assert here(place, second) == set(files_of(place, second))
    assert findings(place) == []
    deployment = deploy(place.actor(MISAKI), slot=SLOT, adapter=second, seen=None, reason="Go").subject.id
    carry_out(at)
    assert state_of(place, deployment) == "succeeded"

    erase(place, second)
    carry_out(at)
    deliver_deletions(place, at)
    assert here(place, second) == set()
    assert findings(place) == []


def test_weights_that_two_contexts_of_one_text_have_in_common_stay_for_the_other(place: Place, at: Workplace) -> None:
    first, second = generated(place, at), generated(place, at)
    common = set(files_of(place, first)) & set(files_of(place, second))
    assert len(common) == 2, "of one text: configuration and weights"

    erase(place, first)
    deliver_deletions(place, at)

    assert here(place, second) == set(files_of(place, second))
    assert here(place, first) == common


def test_a_file_that_an_erasure_removes_while_another_adapter_is_kept_is_there_when_that_is_recorded(
    place: Place, at: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = generated(place, at)
    erase(place, first)
    keep, kept = artifacts.keep_all, []

    def kept_and_then_erased(files: dict[str, bytes]) -> None:
        keep(files)
        kept.append(set(files))
        if len(kept) == 1:
            deliver_deletions(place, at)
            assert here(place, first) == set()

    monkeypatch.setattr(artifacts, "keep_all", kept_and_then_erased)

    second = generated(place, at, TEA)

    assert len(kept[1]) == 1, "what was missing, nothing else"
    assert here(place, second) == set(files_of(place, second))
    assert findings(place) == []


def test_what_a_slot_serves_still_is_tried_again_until_it_does_not(
    place: Place, at: Workplace, core: RunningCore
) -> None:
    digest = served(place, at)
    erase(place, digest)

    for _ in range(3):
        assert deliver_some(at, (deleting.TOPIC,)) == 1
        (message,) = deletions(place)
        assert (message.state, message.error) == (
            "pending",
            f"illegal_transition: the files of adapter {digest} go once no slot serves it any more, {SLOT} still does",
        )
        assert here(place, digest) == set(files_of(place, digest))
        place.clock.forward(minutes=6)

    carry_out(at)
    assert slot_row(place).adapter is None
    assert deliver_some(at, (deleting.TOPIC,)) == 1

    assert gone(place, digest, core)
    assert [message.state for message in deletions(place)] == ["delivered"]


def test_what_the_core_has_loaded_is_tried_again_until_it_has_not(
    place: Place, at: Workplace, core: RunningCore
) -> None:
    digest = generated(place, at)
    at.engines["core"].load(f"evaluation-{digest[:16]}", digest, digest)
    erase(place, digest)

    deliver_some(at, (deleting.TOPIC,))
    assert [message.state for message in deletions(place)] == ["pending"]

    at.engines["core"].unload(f"evaluation-{digest[:16]}")
    deliver_deletions(place, at)
    assert gone(place, digest, core)


def test_what_was_retired_before_its_context_was_erased_goes_too(
    place: Place, at: Workplace, core: RunningCore
) -> None:
    digest = generated(place, at)
    retire(place.actor(MISAKI), adapter=digest, reason="Replaced")

    assert erase(place, digest) == ()
    deliver_deletions(place, at)

    assert gone(place, digest, core)


def test_a_folder_that_a_stopped_deployment_made_of_deleted_files_goes(
    place: Place, at: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = approved(place, at)
    deployment = deploy(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=None, reason="Go").subject.id
    contents = {name: artifacts.read(file) for name, file in files_of_names(place, digest).items()}
    load = at.engines["core"].load

    def erased_meanwhile(*loaded: Any) -> None:
        erase(place, digest)
        deliver_deletions(place, at)
        folder = artifacts.serving_folder() / digest
        folder.mkdir()
        for name, data in contents.items():
            (folder / name).write_bytes(data)
        load(*loaded)

    monkeypatch.setattr(at.engines["core"], "load", erased_meanwhile)

    assert deliver_some(at, (deploying.TOPIC,)) == 1

    assert state_of(place, deployment) == "failed"
    assert not (artifacts.serving_folder() / digest).exists()
    assert [one.name for one in at.engines["core"].residents()] == ["tiny-llama"]


@mlflow_warns
def test_what_was_erased_while_mlflow_was_away_jams_no_lane_and_blinds_no_reconciler(
    place: Place, at: Workplace
) -> None:
    from adapters_core.tracking.mlflow_registry import Registry

    away = replace(at, mlflow_url="http://127.0.0.1:9")
    first, second = served(place, at), approved(place, at, TEA)
    deliver_some(away, projection.TOPICS)
    erase(place, first)
    carry_out(at)
    deliver_deletions(place, at)
    deploy(place.actor(MISAKI), slot=SLOT, adapter=second, seen=None, reason="Go")
    carry_out(at)

    deliver_to_mlflow(place, at)

    assert waiting(place) == 0
    registry = Registry(at.mlflow_url)
    assert registry.runs() == (second,)
    assert registry.pointed(SLOT) == {"champion": second}
    assert reconcile_mlflow(at) == ()
    registry.point(SLOT, None, None)
    assert [drift.expected for drift in reconcile_mlflow(at)] == [{"champion": second}]
    with place.ledger.read() as db:
        history = queries.history(db, Subject(kind="adapter", id=first))
        refused = outbox_queries.find_messages(db, states=("refused",), topics=projection.TOPICS)
    assert "adapter:tracked" not in [entry.event for entry in history]
    assert refused == ()


@mlflow_warns
def test_what_mlflow_had_of_an_erased_adapter_goes_with_its_aliases_and_is_no_drift(
    place: Place, at: Workplace
) -> None:
    from mlflow import MlflowClient

    from adapters_core.tracking.mlflow_registry import Registry

    oldest, first, second = served(place, at, MAIL), approved(place, at), approved(place, at, TEA)
    for before, adapter in ((oldest, first), (first, second)):
        deploy(place.actor(MISAKI), slot=SLOT, adapter=adapter, seen=before, reason="Go")
        carry_out(at)
    deliver_to_mlflow(place, at)
    registry = Registry(at.mlflow_url)
    assert registry.pointed(SLOT) == {"champion": second, "previous": first}

    erase(place, first)
    deliver_deletions(place, at)
    deliver_to_mlflow(place, at)

    assert waiting(place) == 0
    assert registry.pointed(SLOT) == {"champion": second, "previous": oldest}
    assert set(registry.runs()) == {oldest, second}
    versions = MlflowClient(at.mlflow_url).search_model_versions(f"name = '{SLOT}'")
    assert {version.tags["ringi.adapter"] for version in versions} == {oldest, second}
    assert not list((place.folder / "mlflow").rglob(f"*{first}*"))
    assert reconcile_mlflow(at) == ()
    with place.ledger.read() as db:
        assert people_queries.subjects(db, "drift") == ()


def test_an_erasure_during_the_generation_leaves_nothing_behind(
    place: Place, at: Workplace, core: RunningCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = generated(place, at, TEA)
    before = stored(place)
    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    job = generate(place.actor(HANAKO), context=context)
    monkeypatch.setattr(at.core, "generate", erasing_after(place, at.core.generate, context))

    assert work_once(at)

    assert job_row(place, job.job).state == "failed"
    assert stored(place) == before
    deliver_deletions(place, at)
    assert in_core(core) == {other}
    assert findings(place) == []
    with place.ledger.read() as db:
        assert queries.find_entries(db, EntryFilter(events=("adapter:artifact_deleted",))) == ()


def test_an_erasure_during_the_evaluation_leaves_no_report(
    place: Place, at: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = generated(place, at)
    before = stored(place)
    job = evaluate(place.actor(HANAKO), adapter=digest)
    monkeypatch.setattr(evaluating, "_canary", erasing_after(place, evaluating._canary, context_of(place, digest)))

    assert work_once(at)

    assert job_row(place, job.job).state == "failed"
    assert stored(place) == before
    deliver_deletions(place, at)
    assert stored(place) == set()


def test_what_a_killed_worker_had_made_of_a_context_that_is_erased_before_the_next_try_goes(
    place: Place, at: Workplace, core: RunningCore
) -> None:
    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    job = generate(place.actor(HANAKO), context=context)
    made = killed_before_recording(place, at, context)
    assert in_core(core) == {made}
    assert len(stored(place)) == len(FILES)

    erase_context(place.actor(HANAKO), context=context, legal_basis="APPI 35")
    place.clock.forward(seconds=31)
    assert work_once(at)

    failed = job_row(place, job.job)
    assert (failed.state, (failed.error or "").partition(":")[0]) == ("failed", "erased")
    deliver_deletions(place, at)
    assert in_core(core) == set()
    assert stored(place) == set()


def test_what_was_made_stays_noted_while_another_try_tells_how_far_it_has_come(place: Place, at: Workplace) -> None:
    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    job = generate(place.actor(HANAKO), context=context)
    made = killed_before_recording(place, at, context)
    place.clock.forward(seconds=31)
    with place.ledger.write() as tx:
        again = lease_job(tx, worker="next", kinds=ON_THE_CORE, seconds=30)
    assert again is not None

    with Heartbeat(place.ledger, again, seconds=0.6) as beat:
        beat.stage("generate")
        for _ in range(50):
            if (job_row(place, job.job).progress or {}).get("stage") == "generate":
                break
            threading.Event().wait(0.05)

    assert job_row(place, job.job).progress == {"stage": "generate", "done": 0, "total": 0, "adapter": made}


def test_what_a_killed_worker_had_kept_is_recorded_by_the_next_try(place: Place, at: Workplace) -> None:
    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    generate(place.actor(HANAKO), context=context)
    made = killed_before_recording(place, at, context)

    place.clock.forward(seconds=31)
    assert work_once(at)

    assert deletions(place) == []
    assert here(place, made) == stored(place)
    assert findings(place) == []


def test_a_file_that_nobody_recorded_is_found_once_it_has_had_its_time(place: Place, at: Workplace) -> None:
    generated(place, at)
    orphan = artifact_path(artifacts.keep(b"kept, and never recorded"))
    assert found(place) == []

    os.utime(orphan, (0, 0))

    assert found(place) == [("unknown_artifact", orphan.name)]


def test_what_a_killed_worker_had_made_for_a_job_that_is_cancelled_goes(
    place: Place, at: Workplace, core: RunningCore
) -> None:
    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    job = generate(place.actor(HANAKO), context=context)
    made = killed_before_recording(place, at, context)
    assert in_core(core) == {made}

    cancel_job(place.actor(HANAKO), job=job.job)
    deliver_deletions(place, at)

    assert in_core(core) == set()
    assert stored(place) == set()


def test_what_a_worker_has_just_made_for_a_job_that_is_cancelled_goes(
    place: Place, at: Workplace, core: RunningCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    job = generate(place.actor(HANAKO), context=context)
    cancel = doing_after(at.core.generate, lambda: cancel_job(place.actor(HANAKO), job=job.job))
    monkeypatch.setattr(at.core, "generate", cancel)
    assert work_once(at)
    assert len(in_core(core)) == 1

    deliver_deletions(place, at)

    assert in_core(core) == set()
    assert stored(place) == set()


def test_what_was_recorded_meanwhile_is_kept(place: Place, at: Workplace, core: RunningCore) -> None:
    digest = generated(place, at)

    assert deleting.delete(at, {"adapter": digest, "job": "another"}) == "recorded meanwhile: kept"

    assert here(place, digest) == set(files_of(place, digest))
    assert in_core(core) == {digest}


def test_a_file_goes_when_the_one_who_needed_it_is_deleted_while_it_is_decided(
    place: Place, at: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = generated(place, at), generated(place, at, TEA)
    erase(place, first)
    erase(place, second)
    needed, asked = needed_by, list[dict[str, str]]()

    def deleted_after_the_first_look(*given: Any, **more: Any) -> dict[str, str]:
        answer = needed(*given, **more)
        asked.append(answer)
        if len(asked) == 1:
            monkeypatch.setattr("governance.worker.keeping.needed_by", needed)
            deleting.delete(at, {"adapter": second})
        return answer

    monkeypatch.setattr("governance.worker.keeping.needed_by", deleted_after_the_first_look)

    deleting.delete(at, {"adapter": first})

    assert list(asked[0].values()) == [second]
    assert stored(place) == set()


def served(place: Place, at: Workplace, text: str = FERRY) -> str:
    digest = approved(place, at, text)
    deploy(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=None, reason="Go")
    carry_out(at)
    assert slot_row(place).adapter == digest
    return digest


def erase(place: Place, digest: str) -> tuple[str, ...]:
    return erase_context(place.actor(HANAKO), context=context_of(place, digest), legal_basis="APPI 35")


def context_of(place: Place, digest: str) -> str:
    with place.ledger.read() as db:
        return str(queries.history(db, Subject(kind="adapter", id=digest))[0].data["contexts"][0]["id"])


def doing_after(call: Callable[..., Any], then: Callable[[], object]) -> Callable[..., Any]:
    """The call, and something else before its answer is used."""

    def both(*given: Any, **more: Any) -> Any:
        answer = call(*given, **more)
        then()
        return answer

    return both


def erasing_after(place: Place, call: Callable[..., Any], context: str) -> Callable[..., Any]:
    return doing_after(
        call, lambda: erase_context(place.actor(HANAKO), context=context, legal_basis="The person asked for it")
    )


def killed_before_recording(place: Place, at: Workplace, context: str) -> str:
    """Do the job as a worker that is killed after it kept the files; answers the adapter."""
    from adapters_core.canonical import sha256_hex
    from adapters_core.data.documents import Document
    from adapters_core.ledger import vault
    from governance.worker.generating import _KEY_FOR

    with place.ledger.write() as tx:
        job = lease_job(tx, worker="killed", kinds=ON_THE_CORE, seconds=30)
    assert job is not None
    with place.ledger.read() as db:
        key = vault.commit_to(db, at.master, context, _KEY_FOR)
    answer = at.core.generate([Document(name=context, text=FERRY)], key=key)
    with Heartbeat(place.ledger, job, seconds=30) as beat:
        beat.made(answer.digest)
    contents = [at.core.download(answer.digest, name) for name in FILES]
    artifacts.keep_all({sha256_hex(data): data for data in contents})
    return answer.digest


def deliver_deletions(place: Place, at: Workplace) -> None:
    for _ in range(5):
        place.clock.forward(minutes=6)
        if not deliver_some(at, (deleting.TOPIC,)):
            return


def deliver_to_mlflow(place: Place, at: Workplace) -> None:
    for _ in range(12):
        place.clock.forward(minutes=6)
        deliver_some(at, projection.TOPICS, limit=20)


def waiting(place: Place) -> int:
    with place.ledger.read() as db:
        counts = outbox_queries.pending_counts(db)
    return sum(counts.get(topic, 0) for topic in projection.TOPICS)


def deletions(place: Place) -> list[outbox_queries.Message]:
    with place.ledger.read() as db:
        return list(outbox_queries.find_messages(db, topics=(deleting.TOPIC,)))


def files_of_names(place: Place, digest: str) -> dict[str, str]:
    with place.ledger.read() as db:
        return dict(queries.history(db, Subject(kind="adapter", id=digest))[0].data["artifact"]["files"])


def files_of(place: Place, digest: str) -> list[str]:
    return list(files_of_names(place, digest).values())


def here(place: Place, digest: str) -> set[str]:
    return {file for file in files_of(place, digest) if artifact_path(file).is_file()}


def stored(place: Place) -> set[str]:
    return {path.name for path in (place.folder / "artifacts").glob("*/*")}


def in_core(core: RunningCore) -> set[str]:
    return {path.name for path in (core.store / "adapters").iterdir()}


def gone(place: Place, digest: str, core: RunningCore) -> bool:
    """Whether nothing is left of an adapter but its entries, and the ledger says so."""
    with place.ledger.read() as db:
        events = [entry.event for entry in queries.history(db, Subject(kind="adapter", id=digest))]
    folder: Path = artifacts.serving_folder() / digest
    left = here(place, digest) or digest in in_core(core) or folder.exists()
    return not left and events.count("adapter:artifact_deleted") == 1


def findings(place: Place) -> list[tuple[str, str]]:
    """What V3 finds, files of this moment included."""
    with place.ledger.read() as db:
        return [(one.code, one.what) for one in verify_artifacts(db, place.folder / "artifacts", settled=float("inf"))]


def found(place: Place) -> list[tuple[str, str]]:
    """What verify says."""
    with place.ledger.read() as db:
        outcome = verification.run(db, verification.Wanted(artifacts=True))
    return [(one.code, one.what) for one in outcome.report.findings if one.level == "V3"]


def job_row(place: Place, job: str) -> job_queries.Job:
    with place.ledger.read() as db:
        return job_queries.job(db, job)


def state_of(place: Place, deployment: str) -> str:
    with place.ledger.read() as db:
        return slot_queries.deployment(db, deployment).state
