"""The command line of operation: ``manage.py gate`` for pipelines, ``manage.py rollback`` in a hurry."""

import io
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from adapters_core.ledger import job_queries, queries
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Subject
from governance.artifacts import serving_folder
from governance.engines.engine import loaded_name
from governance.engines.registry import Engines
from governance.installation import installation
from governance.services.deploy import deploy
from governance.services.erase import erase
from governance.services.extend import extend
from governance.services.submit_context import submit_context
from governance.worker.working import work_once
from governance.worker.workplace import Workplace
from tests.cast import HANAKO, MISAKI, PASSWORD, YUKI, sign_up
from tests.factories.cores import RunningCore
from tests.factories.installations import Place
from tests.factories.works import SLOT, TEA, approved, carry_out, generated, slot_row

pytestmark = pytest.mark.django_db


def said(name: str, *arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(name, *arguments, stdout=out, **options)
    return out.getvalue()


@contextmanager
def working(at: Workplace) -> Iterator[None]:
    """Deployments are carried out meanwhile."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.05):
            carry_out(at)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_the_gate_opens_for_what_may_be_deployed_and_for_nothing_else(place: Place, at: Workplace) -> None:
    digest = approved(place, at)

    assert "FAIL" not in said("gate", "--adapter", digest, "--slot", SLOT)
    assert json.loads(said("gate", "--adapter", digest, "--slot", SLOT, "--json"))["passed"] is True

    raw = generated(place, at, TEA)
    with pytest.raises(SystemExit) as closed:
        said("gate", "--adapter", raw, "--slot", SLOT)
    assert closed.value.code == 1
    with pytest.raises(CommandError) as unknown:
        said("gate", "--adapter", "0" * 64, "--slot", SLOT)
    assert unknown.value.returncode == 2

    weights = serving_folder() / digest / "adapter_model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(SystemExit) as damaged:
        said("gate", "--adapter", digest, "--slot", SLOT)
    assert damaged.value.code == 1


def test_a_slot_is_rolled_back_from_the_command_line_by_who_may(
    place: Place, at: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = approved(place, at), approved(place, at, TEA)
    for seen, digest in ((None, first), (first, second)):
        deploy(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=seen, reason="Go")
        carry_out(at)
    for member in (MISAKI, YUKI):
        sign_up(member)

    def typed(password: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))

    typed("not the password")
    with pytest.raises(CommandError, match="must be those of an account"):
        said("rollback", SLOT, "--reason", "Wrong prices", "--email", MISAKI.email)
    typed(PASSWORD)
    with pytest.raises(CommandError):
        said("rollback", SLOT, "--reason", "Wrong prices", "--email", YUKI.email)
    with place.ledger.read() as db:
        refused = queries.find_entries(db, EntryFilter(events=("denied",)), limit=1)[0]
    assert (refused.actor.id, refused.data["action"]) == (YUKI.id, "roll_back")
    assert slot_row(place).adapter == second

    typed(PASSWORD)
    with working(at):
        told = said("rollback", SLOT, "--reason", "Wrong prices", "--email", MISAKI.email)
    assert "restored and read back" in told
    assert slot_row(place).adapter == first

    typed(PASSWORD)
    with working(at):
        said("rollback", SLOT, "--bare", "--reason", "Stop it", "--email", MISAKI.email)
    assert slot_row(place).adapter is None


def test_verifying_what_is_served_goes_by_the_adapter_and_not_by_its_name(
    place: Place, at: Workplace, core: RunningCore
) -> None:
    digest = approved(place, at)
    other = generated(place, at, TEA)
    deploy(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=None, reason="Go")
    carry_out(at)
    engines = Engines({"core": f"vllm+{core.url}"}, {"core": core.token})
    installation().__dict__["engines"] = engines
    engine, name = engines["core"], loaded_name(SLOT, digest)

    with closing(engines):
        # the slot ``support`` is on the same engine, and serves the bare base
        assert json.loads(said("ledger", "verify", "--serving", "--json"))["ok"]
        engine.unload(name)
        engine.load(name, other, other)
        assert _found("--serving") == [("V4", "served_otherwise", f"slot {SLOT}")]
        engine.unload(name)
        engine.load(name, digest, digest)
        engine.load("by-hand", other, other)
        assert _found("--serving") == [("V4", "served_unknown", "engine core")]
        engine.unload("by-hand")
        engine.unload(name)
        assert _found("--serving") == [("V4", "not_served", f"slot {SLOT}")]


def _found(*options: str) -> list[tuple[str, str, str]]:
    """What verifying the ledger finds, when it ends as findings must."""
    out = io.StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("ledger", "verify", *options, "--json", stdout=out)
    assert ended.value.returncode == 3
    return [(one["level"], one["code"], one["what"]) for one in json.loads(out.getvalue())["findings"]]


def test_an_adapter_is_extended_by_a_context_and_forgets_it_again(place: Place, at: Workplace) -> None:
    parent = generated(place, at)
    tea = submit_context(place.actor(HANAKO), title="Tea", text=TEA)

    longer = _made(place, at, extend(place.actor(HANAKO), adapter=parent, context=tea, name="Ferry and tea").job)
    with place.ledger.read() as db:
        first, grown = (queries.history(db, Subject(kind="adapter", id=one))[0].data for one in (parent, longer))
    assert (grown["parent"], grown["name"]) == (parent, "Ferry and tea")
    assert [one["id"] for one in grown["contexts"]] == [first["contexts"][0]["id"], tea]
    assert grown["chunks"] == first["chunks"] + len(grown["added"])

    shorter = _made(place, at, erase(place.actor(HANAKO), adapter=longer, context=tea).job)
    with place.ledger.read() as db:
        after = queries.history(db, Subject(kind="adapter", id=shorter))[0].data
    assert after["parent"] == longer
    assert after["contexts"] == first["contexts"]
    assert sorted(after["erased"]) == sorted(grown["contexts"][1]["chunk_commitments"])


def _made(place: Place, at: Workplace, job: str) -> str:
    assert work_once(at)
    with place.ledger.read() as db:
        found = job_queries.job(db, job)
    assert found.state == "done", found.error
    return str((found.result or {})["adapter"])
