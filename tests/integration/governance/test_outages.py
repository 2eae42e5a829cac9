"""What is down loses nothing, and what is wrong is not served."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from adapters_core.canonical import file_sha256
from adapters_core.errors import LeaseLostError
from adapters_core.ledger import job_queries, outbox, outbox_queries, people_queries, queries, slot_queries
from adapters_core.ledger.checkpoints import latest_checkpoint
from adapters_core.ledger.jobs import lease_job
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Subject
from governance import artifacts
from governance.engines import canary
from governance.installation import artifact_path
from governance.services.break_glass import break_glass
from governance.services.deploy import deploy
from governance.services.erase_context import erase_context
from governance.services.generate import generate
from governance.services.kill_switch import kill_switch
from governance.services.note_left import last_left
from governance.services.roll_back import roll_back
from governance.services.set_policy import set_policy
from governance.services.submit_context import submit_context
from governance.worker import deleting, delivering, projection, scrubbing, telling
from governance.worker.delivering import deliver_some
from governance.worker.deploying import CANARY_TOPIC
from governance.worker.heartbeat import Heartbeat
from governance.worker.reconciling import reconcile, reconcile_mlflow
from governance.worker.working import ON_THE_CORE, work_once
from governance.worker.workplace import Workplace
from tests.cast import HANAKO, MISAKI
from tests.factories.cores import RunningCore
from tests.factories.installations import Place
from tests.factories.works import FERRY, LENIENT, SLOT, TEA, approved, carry_out, evaluated, slot_row

mlflow_warns = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


def serve(place: Place, at: Workplace, digest: str, seen: str | None = None) -> str:
    entry = deploy(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=seen, reason="Go")
    carry_out(at)
    return entry.subject.id


def state_of(place: Place, deployment: str) -> tuple[str, str]:
    with place.ledger.read() as db:
        last = queries.history(db, Subject(kind="deployment", id=deployment))[-1]
        return slot_queries.deployment(db, deployment).state, str(last.data.get("error", ""))


def test_a_deployment_waits_for_an_engine_that_is_down(place: Place, at: Workplace, core: RunningCore) -> None:
    digest = approved(place, at)
    core.stop()
    deployment = serve(place, at, digest)
    assert state_of(place, deployment)[0] == "requested"
    with place.ledger.read() as db:
        (message,) = outbox_queries.find_messages(db, topics=("engine.deploy",), states=("pending",))
    assert "no answer" in (message.error or "")

    core.start()
    place.clock.forward(seconds=1)
    reconcile(at)
    carry_out(at)

    assert state_of(place, deployment)[0] == "succeeded"
    assert slot_row(place).adapter == digest


def test_the_kill_switch_needs_no_engine(place: Place, at: Workplace, core: RunningCore) -> None:
    digest = approved(place, at)
    serve(place, at, digest)
    core.stop()

    kill_switch(place.actor(MISAKI), slot=SLOT, seen=digest, reason="Stop")
    carry_out(at)

    assert slot_row(place).adapter is None


def test_a_rollback_to_a_resident_adapter_loads_nothing(place: Place, at: Workplace, core: RunningCore) -> None:
    first, second = approved(place, at), approved(place, at, TEA)
    serve(place, at, first)
    serve(place, at, second, seen=first)
    loads = len(list((core.store / "names").iterdir()))

    entry = roll_back(place.actor(MISAKI), slot=SLOT, adapter=first, seen=second, reason="Back")
    carry_out(at)
    deliver_some(at, (CANARY_TOPIC,))

    assert state_of(place, entry.subject.id)[0] == "succeeded"
    with place.ledger.read() as db:
        done = queries.history(db, entry.subject)[-1]
        assert people_queries.subjects(db, "incident") == ()
    assert done.data["canary"]["passed"] is None
    assert done.data["read_back"]["digest"] == first
    assert len(list((core.store / "names").iterdir())) == loads


def test_what_an_engine_forgot_is_loaded_again_and_what_nobody_knows_is_unloaded(
    place: Place, at: Workplace, core: RunningCore
) -> None:
    digest, other = approved(place, at), evaluated(place, at, TEA)
    serve(place, at, digest)
    core.stop()
    for file in (core.store / "names").glob("*.json"):
        file.unlink()
    core.start()
    at.engines["core"].load("by-hand", other, other)

    drifts = reconcile(at)

    assert {resident.name for resident in at.engines["core"].residents()} == {"tiny-llama", f"{SLOT}-{digest[:16]}"}
    assert len(drifts) == 2
    with place.ledger.read() as db:
        states = [row.state for row in people_queries.subjects(db, "drift")]
    assert states == ["repaired", "repaired"]
    assert reconcile(at) == ()


def test_another_adapter_under_a_name_that_is_served_is_found_and_the_right_one_is_put_back(
    place: Place, at: Workplace
) -> None:
    digest, other = approved(place, at), evaluated(place, at, TEA)
    serve(place, at, digest)
    engine, name = at.engines["core"], f"{SLOT}-{digest[:16]}"
    engine.unload(name)
    engine.load(name, other, other)

    drifts = reconcile(at)

    assert [one.observed and one.observed["digest"] for one in drifts] == [other, None]
    assert [one.digest for one in engine.residents() if one.name == name] == [digest]
    with place.ledger.read() as db:
        assert [row.state for row in people_queries.subjects(db, "drift")] == ["repaired", "repaired"]
    assert reconcile(at) == ()


def test_what_policy_leaves_to_a_person_stays_open_until_the_person_has_repaired_it(
    place: Place, at: Workplace
) -> None:
    set_policy(place.actor(MISAKI), name="lenient", policy={**LENIENT, "repairs": ["aliases"]})
    digest, other = approved(place, at), evaluated(place, at, TEA)
    serve(place, at, digest)
    engine, name = at.engines["core"], f"{SLOT}-{digest[:16]}"
    engine.unload(name)
    engine.load("by-hand", other, other)

    for _ in range(2):
        assert len(reconcile(at)) == 2
        assert names(at) == {"tiny-llama", "by-hand"}
        assert states_of_drifts(place) == ["open", "open"]

    engine.unload("by-hand")
    roll_back(place.actor(MISAKI), slot=SLOT, adapter=None, seen=digest, reason="Load it again")
    carry_out(at)
    roll_back(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=None, reason="Load it again")
    carry_out(at)
    assert reconcile(at) == ()
    assert names(at) == {"tiny-llama", name}
    assert states_of_drifts(place) == ["repaired", "repaired"]


def test_what_was_left_to_a_person_is_repaired_once_policy_lets_it(place: Place, at: Workplace) -> None:
    set_policy(place.actor(MISAKI), name="lenient", policy={**LENIENT, "repairs": []})
    digest = approved(place, at)
    serve(place, at, digest)
    at.engines["core"].unload(f"{SLOT}-{digest[:16]}")
    reconcile(at)
    assert states_of_drifts(place) == ["open"]

    set_policy(place.actor(MISAKI), name="lenient", policy=LENIENT)
    reconcile(at)

    assert states_of_drifts(place) == ["repaired"]
    assert names(at) == {"tiny-llama", f"{SLOT}-{digest[:16]}"}


def test_another_adapter_under_a_name_that_is_served_is_unloaded_whatever_policy_says(
    place: Place, at: Workplace
) -> None:
    set_policy(place.actor(MISAKI), name="lenient", policy={**LENIENT, "repairs": []})
    digest, other = approved(place, at), evaluated(place, at, TEA)
    serve(place, at, digest)
    engine, name = at.engines["core"], f"{SLOT}-{digest[:16]}"
    engine.unload(name)
    engine.load(name, other, other)

    reconcile(at)

    assert names(at) == {"tiny-llama"}
    assert sorted(states_of_drifts(place)) == ["open", "repaired"]


def test_a_damaged_file_is_never_served(place: Place, at: Workplace) -> None:
    digest = approved(place, at)
    with place.ledger.read() as db:
        files = queries.history(db, Subject(kind="adapter", id=digest))[0].data["artifact"]["files"]
    path = artifact_path(files["adapter_model.safetensors"])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert file_sha256(path) != path.name

    state, error = state_of(place, serve(place, at, digest))

    assert state == "failed"
    assert "integrity" in error
    assert slot_row(place).adapter is None
    assert not (artifacts.serving_folder() / digest).exists()


def test_another_adapter_under_the_name_is_not_served(place: Place, at: Workplace) -> None:
    digest, other = approved(place, at), evaluated(place, at, TEA)
    at.engines["core"].load(f"{SLOT}-{digest[:16]}", other, other)

    state, error = state_of(place, serve(place, at, digest))

    assert (state, error.partition(":")[0]) == ("failed", "canary")


def test_a_rollback_to_what_answers_otherwise_now_raises_an_incident(
    place: Place, at: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = approved(place, at), approved(place, at, TEA)
    serve(place, at, first)
    serve(place, at, second, seen=first)
    bare = at.engines["core"].read_out(None, canary.PROMPTS, top=canary.TOP)
    monkeypatch.setattr(at.engines["core"], "read_out", lambda *_args, **_more: bare)

    roll_back(place.actor(MISAKI), slot=SLOT, adapter=first, seen=second, reason="Back")
    carry_out(at)
    deliver_some(at, (CANARY_TOPIC,))

    with place.ledger.read() as db:
        (incident,) = people_queries.subjects(db, "incident")
        assert queries.entry(db, incident.first_seq).data["what"] == "canary_after_rollback"


def test_an_adapter_without_a_canary_is_not_served(place: Place, at: Workplace) -> None:
    from tests.factories.adapters import evaluate as recorded
    from tests.factories.works import generated

    digest = generated(place, at)
    recorded(place, digest)
    reason = "The desk is on fire and nobody else is here"
    entry = break_glass(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=None, reason=reason)
    carry_out(at)

    state, error = state_of(place, entry.subject.id)
    assert state == "failed"
    assert "evaluate it again" in error


def test_a_worker_that_was_killed_loses_nothing_and_records_nothing_twice(place: Place, at: Workplace) -> None:
    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    job = generate(place.actor(HANAKO), context=context)
    with place.ledger.write() as tx:
        killed = lease_job(tx, worker="killed", kinds=ON_THE_CORE, seconds=30)
    assert killed is not None
    assert not work_once(at)

    place.clock.forward(seconds=31)
    assert work_once(at)

    with place.ledger.read() as db:
        done = job_queries.job(db, job.job)
        entries = queries.find_entries(db, EntryFilter(events=("adapter:generated",)))
    assert done.state == "done"
    assert len(entries) == 1
    with Heartbeat(place.ledger, killed, seconds=0.6) as beat:
        beat.stage("late")
        with pytest.raises(LeaseLostError):
            _go_on(beat)


def test_erasing_a_context_removes_its_adapter_everywhere(place: Place, at: Workplace, core: RunningCore) -> None:
    digest = approved(place, at)
    serve(place, at, digest)
    with place.ledger.read() as db:
        generated = queries.history(db, Subject(kind="adapter", id=digest))[0]
    context = generated.data["contexts"][0]["id"]

    erase_context(place.actor(HANAKO), context=context, legal_basis="APPI 35")
    carry_out(at)
    while deliver_some(at, (deleting.TOPIC,)):
        place.clock.forward(seconds=5)

    assert slot_row(place).adapter is None
    assert not any(artifact_path(file).exists() for file in generated.data["artifact"]["files"].values())
    assert not (core.store / "adapters" / digest).exists()
    with place.ledger.read() as db:
        assert queries.history(db, Subject(kind="adapter", id=digest))[-1].event == "adapter:artifact_deleted"


def test_an_erasure_beside_somebody_who_reads_is_scrubbed_once_they_have_ended(place: Place, at: Workplace) -> None:
    context = submit_context(place.actor(HANAKO), title="Ferry", text=FERRY)
    log = place.folder / "ledger.sqlite3-wal"
    with place.ledger.read() as db:
        assert queries.find_entries(db)
        erase_context(place.actor(HANAKO), context=context, legal_basis="APPI 35")
        assert deliver_some(at, (scrubbing.TOPIC,)) == 1
    with place.ledger.read() as db:
        (message,) = outbox_queries.find_messages(db, topics=(scrubbing.TOPIC,))
    assert message.state == "pending"
    assert "somebody still reads" in (message.error or "")
    before = log.stat().st_size

    place.clock.forward(seconds=1)
    assert deliver_some(at, (scrubbing.TOPIC,)) == 1

    with place.ledger.read() as db:
        (message,) = outbox_queries.find_messages(db, topics=(scrubbing.TOPIC,))
    assert message.state == "delivered"
    assert log.stat().st_size < before


@mlflow_warns
def test_mlflow_follows_the_ledger_and_catches_up_when_it_returns(place: Place, at: Workplace) -> None:
    from mlflow import MlflowClient

    from adapters_core.tracking.mlflow_registry import Registry

    away = replace(at, mlflow_url="http://127.0.0.1:9")
    first, second = approved(place, at), approved(place, at, TEA)
    serve(place, at, first)
    serve(place, at, second, seen=first)
    assert deliver_some(away, projection.TOPICS, limit=1) == 1
    with place.ledger.read() as db:
        waiting = outbox_queries.pending_counts(db)
    assert sum(waiting.get(topic, 0) for topic in projection.TOPICS) == 6

    for _ in range(20):
        place.clock.forward(minutes=10)
        deliver_some(at, projection.TOPICS, limit=20)
    registry = Registry(at.mlflow_url)
    assert registry.pointed(SLOT) == {"champion": second, "previous": first}
    assert reconcile_mlflow(at) == ()
    registry.point(SLOT, first, None)
    (drift,) = reconcile_mlflow(at)
    assert drift.observed == {"champion": first}
    assert registry.pointed(SLOT) == {"champion": second, "previous": first}
    set_policy(place.actor(MISAKI), name="lenient", policy={**LENIENT, "repairs": ["lost", "unknown"]})
    registry.point(SLOT, first, None)
    reconcile_mlflow(at)
    assert registry.pointed(SLOT) == {"champion": first}
    assert states_of_drifts(place) == ["open", "repaired"]
    registry.point(SLOT, second, first)
    assert reconcile_mlflow(at) == ()
    assert states_of_drifts(place) == ["repaired", "repaired"]
    with place.ledger.write() as tx:
        outbox.send(tx, topic=projection.ADAPTER, key="again", payload={"adapter": first, "seq": _seq(place, first)})
    deliver_some(at, projection.TOPICS)
    with place.ledger.read() as db:
        history = queries.history(db, Subject(kind="adapter", id=first))
        (tracked,) = [one.data for one in history if one.event == "adapter:tracked"]
    run = MlflowClient(at.mlflow_url).get_run(tracked["mlflow_run"])
    assert run.data.tags["ringi.adapter"] == first
    assert run.info.experiment_id == tracked["experiment"]
    assert len(registry.runs()) == 2


@pytest.mark.django_db
def test_webhooks_are_signed_and_tried_again(place: Place, at: Workplace) -> None:
    with receiver() as (url, calls, statuses):
        at = replace(at, webhooks=(url,), webhook_secret="s" * 32)
        evaluated(place, at)
        deliver_some(at, (telling.NOTICE,))
        for _ in range(2):
            place.clock.forward(minutes=1)
            deliver_some(at, (telling.WEBHOOK,))

    assert statuses == [503, 200]
    headers, body = calls[-1]
    moment = int(headers["x-ringi-signature"].split(",")[0].removeprefix("t="))
    assert headers["x-ringi-signature"].endswith(telling.signature("s" * 32, moment, body))
    stated = json.loads(body)
    assert stated["kind"] == "adapter_generated"
    assert calls[0][0]["idempotency-key"] == headers["idempotency-key"]
    with place.ledger.read() as reader:
        (message,) = outbox_queries.find_messages(reader, topics=(telling.WEBHOOK,))
        log = outbox_queries.attempts(reader, message.message)
        newest, left = latest_checkpoint(reader), last_left(reader)
    assert [attempt.delivered for attempt in log] == [False, True]
    assert newest is not None
    assert left is not None
    assert (stated["checkpoint"], left.size) == (newest.envelope, newest.size)


def test_every_topic_that_is_sent_is_delivered_by_somebody() -> None:
    assert {*delivering.URGENT, *delivering.OTHERS, *projection.TOPICS} == set(delivering.DELIVERIES)


def names(at: Workplace) -> set[str]:
    return {resident.name for resident in at.engines["core"].residents()}


def states_of_drifts(place: Place) -> list[str]:
    with place.ledger.read() as db:
        return [row.state for row in people_queries.subjects(db, "drift")]


def _go_on(beat: Heartbeat) -> None:
    for _ in range(100):
        threading.Event().wait(0.05)
        beat.progress(1, 2)


def _seq(place: Place, digest: str) -> int:
    with place.ledger.read() as db:
        return queries.history(db, Subject(kind="adapter", id=digest))[0].seq


Calls = list[tuple[dict[str, str], bytes]]


@contextmanager
def receiver() -> Iterator[tuple[str, Calls, list[int]]]:
    """A webhook's receiver that fails at first: its address, what it was sent, what it answered."""
    calls: Calls = []
    statuses: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
            statuses.append(200 if statuses else 503)
            self.send_response(statuses[-1])
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", calls, statuses
        server.shutdown()
        thread.join()
