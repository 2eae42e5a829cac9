"""The whole way on a real vLLM: what is approved is proved there, served, taken back, and put back after a restart.

vLLM lies in an environment of its own; docs/worker.md says how it is made and what was measured.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from django.apps import apps
from safetensors.torch import load_file, save_file

from adapters_core.cli.options import SHIPPED
from adapters_core.errors import CanaryError, EngineError, EngineRefusedError
from adapters_core.fetch import fetch_default_base
from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.records import Entry, Subject
from adapters_core.modeling.base_model import load_base
from adapters_core.pipeline import load_core
from governance import artifacts
from governance.engines import canary
from governance.engines.engine import Engine, loaded_name
from governance.engines.registry import Engines
from governance.services.create_slot import create_slot
from governance.services.deploy import deploy
from governance.services.issue_token import issue_token
from governance.services.roll_back import roll_back
from governance.worker.delivering import deliver_some
from governance.worker.deploying import CANARY_TOPIC
from governance.worker.reconciling import Drift, reconcile
from governance.worker.workplace import Workplace
from tests.cast import MISAKI
from tests.factories.cores import RunningCore, running_core
from tests.factories.installations import Place, copy_template, installed
from tests.factories.works import SLOT, approved, carry_out, slot_row, workplace
from tests.integration.governance.test_gateway import ask
from tests.vllm_server import LARGEST_RANK, VllmServer, vllm_server

pytestmark = [pytest.mark.engine("vllm"), pytest.mark.base, pytest.mark.slow, pytest.mark.timeout(1800)]

CONTEXTS = Path(__file__).parents[3] / "examples" / "contexts"
DOCUMENTS = ("approval-rules.md", "telework-rules.md")
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


@dataclass(frozen=True, kw_only=True)
class Ready:
    """An installation to copy, in which two adapters of the real base are approved for a slot of vLLM."""

    folder: Path
    core: RunningCore
    server: VllmServer
    adapters: tuple[str, str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    with vllm_server(fetch_default_base(), tmp_path_factory.mktemp("vllm") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def ready(template: Path, server: VllmServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    torch.set_num_threads(1)
    folder = copy_template(template, tmp_path_factory.mktemp("ready") / "var")
    core = load_core(load_base(fetch_default_base()), SHIPPED)
    with running_core(tmp_path_factory.mktemp("core"), adapters=folder / "serving", core=core) as running:
        with installed(folder) as place, workplace(place, running, answered=1) as at:
            create_slot(
                place.actor(MISAKI), name=SLOT, title="Desk", base=core.base.digest, engine="vllm", policy="lenient"
            )
            first, second = (approved(place, at, (CONTEXTS / name).read_text()) for name in DOCUMENTS)
        yield Ready(folder=folder, core=running, server=server, adapters=(first, second))


@pytest.fixture
def place(ready: Ready, tmp_path: Path) -> Iterator[Place]:
    with installed(copy_template(ready.folder, tmp_path / "var")) as opened:
        yield opened


@pytest.fixture
def at(place: Place, ready: Ready) -> Iterator[Workplace]:
    """A worker's tools, and a vLLM that has no adapter."""
    core, server = ready.core, ready.server
    engines = Engines(
        {"core": f"vllm+{core.url}", "vllm": f"vllm+{server.url}"}, {"core": core.token, "vllm": server.token}
    )
    with workplace(place, core) as tools:
        yield replace(tools, engines=engines)
    for one in engines["vllm"].residents():
        if one.parent is not None:
            engines["vllm"].unload(one.name)
    engines.close()


@pytest.fixture
def vllm(at: Workplace) -> Engine:
    return at.engines["vllm"]


def generated_entry(place: Place, digest: str) -> Entry:
    with place.ledger.read() as db:
        return queries.history(db, Subject(kind="adapter", id=digest))[0]


def canary_of(place: Place, digest: str) -> canary.Canary:
    """What the core said when the adapter was evaluated."""
    with place.ledger.read() as db:
        history = queries.history(db, Subject(kind="adapter", id=digest))
    return canary.canary_from(next(one.data["canary"] for one in history if one.data.get("canary")))


def folder_of(place: Place, digest: str) -> Path:
    return artifacts.adapter_folder(digest, generated_entry(place, digest).data["artifact"]["files"])


def placed(place: Place, at: Workplace, digest: str | None, seen: str | None, *, back: bool = False) -> Entry:
    """The end of a deployment or rollback that a worker carried out."""
    act = roll_back if back else deploy
    entry = act(place.actor(MISAKI), slot=SLOT, adapter=digest, seen=seen, reason="Go")  # type: ignore[arg-type]
    carry_out(at)
    with place.ledger.read() as db:
        return queries.history(db, entry.subject)[-1]


def names(engine: Engine) -> set[str]:
    return {one.name for one in engine.residents() if one.parent is not None}


def altered(source: Path, folder: Path, **config: Any) -> Path:
    """A copy of an adapter with another configuration."""
    folder.mkdir()
    save_file(load_file(source / WEIGHTS), folder / WEIGHTS, metadata={"format": "pt"})
    (folder / CONFIG).write_text(json.dumps({**json.loads((source / CONFIG).read_text()), **config}))
    return folder


def test_what_is_approved_is_proved_served_and_taken_back(place: Place, at: Workplace, ready: Ready) -> None:
    first, second = ready.adapters
    config: Any = apps.get_app_config("governance")
    config.installation.__dict__["engines"] = at.engines
    expires = place.clock.now + timedelta(days=1)
    token = issue_token(place.actor(MISAKI), name="desk", scopes=frozenset({"infer"}), expires=expires).secret
    question = {"role": "user", "content": "Above which cost does a proposal become an approval circular?"}
    body = {"model": SLOT, "messages": [question], "max_tokens": 16, "temperature": 0}

    ends = [placed(place, at, first, None)]
    answers = [ask(token, body)]
    ends.append(placed(place, at, second, first))
    answers.append(ask(token, body))
    ends.append(placed(place, at, first, second, back=True))
    deliver_some(at, (CANARY_TOPIC,))
    answers.append(ask(token, body))
    ends.append(placed(place, at, None, first, back=True))
    answers.append(ask(token, body))

    assert [one.event for one in ends] == ["deployment:succeeded"] * 4, [dict(one.data) for one in ends]
    for end, digest in zip(ends[:2], (first, second), strict=True):
        assert end.data["gate"]["base"] == ready.core.core.base.digest
        assert end.data["read_back"]["digest"] == digest
        assert end.data["read_back"]["root"] == str(folder_of(place, digest))
        assert end.data["canary"]["passed"]
    assert ends[2].data["gate"] is None  # it was resident: nothing was loaded
    assert ends[3].data["read_back"] == {"reachable": True, "base": str(ready.server.model)}
    with place.ledger.read() as db:
        assert people_queries.subjects(db, "incident") == ()
    assert [one.status_code for one, _ in answers] == [200] * 4, answers
    assert [one["X-Ringi-Adapter"] for one, _ in answers] == [first, second, first, "base"]
    models = [json.loads(text)["model"] for _, text in answers]
    assert models == [loaded_name(SLOT, first), loaded_name(SLOT, second), loaded_name(SLOT, first), models[-1]]
    assert models[-1] == str(ready.server.model)
    said = [json.loads(text)["choices"][0]["message"]["content"] for _, text in answers]
    assert said[0] == said[2]
    assert len(set(said)) == 3


def test_it_says_of_every_adapter_what_the_core_says_and_of_no_other(place: Place, vllm: Engine, ready: Ready) -> None:
    for digest in ready.adapters:
        vllm.load(loaded_name(SLOT, digest), folder_of(place, digest), digest)
    first, second = (loaded_name(SLOT, digest) for digest in ready.adapters)
    approved_first, approved_second = (canary_of(place, digest) for digest in ready.adapters)

    found = [canary.check(vllm, first, approved_first), canary.check(vllm, second, approved_second)]

    bare = canary.distance(vllm.read_out(None, canary.PROMPTS, top=canary.TOP), approved_first.base)
    print(json.dumps({"first": found[0], "second": found[1], "bare base": bare}))  # noqa: T201  what was measured
    assert bare <= vllm.tolerance
    for one in found:
        assert one["distance_from_base"] is None or one["distance_from_base"] > 10 * vllm.tolerance
    for name, other in ((first, approved_second), (second, approved_first)):
        with pytest.raises(CanaryError, match="must lie within"):
            canary.check(vllm, name, other)


def test_a_name_is_given_once_and_taken_back_once(place: Place, vllm: Engine, ready: Ready) -> None:
    first, second = ready.adapters
    name = loaded_name(SLOT, first)
    for _ in range(2):
        vllm.load(name, folder_of(place, first), first)
    (resident,) = [one for one in vllm.residents() if one.parent is not None]
    with pytest.raises(EngineRefusedError, match="already been"):
        vllm.load(name, folder_of(place, second), second)
    for _ in range(2):
        vllm.unload(name)

    assert (resident.name, resident.digest, resident.root) == (name, first, str(folder_of(place, first)))
    assert names(vllm) == set()
    with pytest.raises(EngineRefusedError, match="does not exist"):
        vllm.read_out(name, canary.PROMPTS, top=1)


def test_an_adapter_that_it_cannot_read_is_refused_for_good_and_harms_no_other(
    place: Place, vllm: Engine, ready: Ready, tmp_path: Path
) -> None:
    first, second = ready.adapters
    whole = folder_of(place, first)
    vllm.load(loaded_name(SLOT, second), folder_of(place, second), second)
    cut = altered(whole, tmp_path / "cut")
    (cut / WEIGHTS).write_bytes((whole / WEIGHTS).read_bytes()[:-4096])
    for folder in (altered(whole, tmp_path / "large", r=2 * LARGEST_RANK), cut, tmp_path / "nowhere"):
        with pytest.raises(EngineRefusedError):
            vllm.load("desk-" + "0" * 16, folder, "0" * 64)

    assert names(vllm) == {loaded_name(SLOT, second)}
    assert canary.check(vllm, loaded_name(SLOT, second), canary_of(place, second))["passed"]


def test_an_adapter_that_it_takes_and_does_not_apply_fails_its_canary(
    place: Place, vllm: Engine, ready: Ready, tmp_path: Path
) -> None:
    """Its gate would have refused it; here it gets past, to show that what is proved is what is served."""
    first = ready.adapters[0]
    folder = altered(folder_of(place, first), tmp_path / "nothing")
    tensors = {key: tensor * ("lora_A" in key) for key, tensor in load_file(folder / WEIGHTS).items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    vllm.load("desk-nothing", folder, first)

    with pytest.raises(CanaryError, match="must lie within"):
        canary.check(vllm, "desk-nothing", canary_of(place, first))


def test_an_answer_on_its_way_ends_on_the_adapter_that_it_began_with(place: Place, vllm: Engine, ready: Ready) -> None:
    first, second = ready.adapters
    name = loaded_name(SLOT, first)
    vllm.load(name, folder_of(place, first), first)
    body = {"prompt": "The rules say that", "max_tokens": 24, "temperature": 0, "ignore_eos": True}
    whole = vllm.address(name, "/v1/completions", body)
    streamed = vllm.address(name, "/v1/completions", {**body, "stream": True})
    expected = httpx.post(whole.url, json=dict(whole.body), headers=dict(whole.headers), timeout=120, trust_env=False)
    pieces = []
    with httpx.stream(
        "POST", streamed.url, json=dict(streamed.body), headers=dict(streamed.headers), timeout=120, trust_env=False
    ) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: ") or line.endswith("[DONE]"):
                continue
            pieces.append(json.loads(line[6:])["choices"][0]["text"])
            if len(pieces) == 2:
                vllm.load(loaded_name(SLOT, second), folder_of(place, second), second)
                vllm.unload(name)

    assert "".join(pieces) == expected.json()["choices"][0]["text"]
    assert names(vllm) == {loaded_name(SLOT, second)}


def test_what_nobody_deployed_is_unloaded_and_so_is_another_adapter_under_a_name_that_is_wanted(
    place: Place, at: Workplace, vllm: Engine, ready: Ready, tmp_path: Path
) -> None:
    first, second = ready.adapters
    name = loaded_name(SLOT, first)
    assert placed(place, at, first, None).event == "deployment:succeeded"
    vllm.load("by-hand", altered(folder_of(place, second), tmp_path / "own"), second)
    vllm.unload(name)
    vllm.load(name, folder_of(place, second), second)

    drifts = reconcile(at)

    assert names(vllm) == {name}
    assert canary.check(vllm, name, canary_of(place, first))["passed"]
    assert observed(drifts) == {"by-hand", name, None}
    assert states_of_drifts(place) == ["repaired"] * 3
    assert reconcile(at) == ()


def test_what_it_forgot_in_a_restart_is_put_back(place: Place, at: Workplace, vllm: Engine, ready: Ready) -> None:
    first, second = ready.adapters
    placed(place, at, first, None)
    placed(place, at, second, first)
    ready.server.stop()
    with pytest.raises(EngineError, match="no answer"):
        vllm.residents()
    assert reconcile(at) == ()  # who does not answer is not compared
    back = placed(place, at, first, second, back=True)
    seconds = ready.server.start()
    assert names(vllm) == set()

    drifts = reconcile(at)
    assert names(vllm) == {loaded_name(SLOT, second)}
    carry_out(at)

    print(f"vLLM was ready again after {seconds:.0f} s")  # noqa: T201  what was measured
    assert back.event == "deployment:requested"  # it waited for the engine
    assert observed(drifts) == {None}
    assert states_of_drifts(place) == ["repaired"]
    assert slot_row(place).adapter == first
    assert canary.check(vllm, loaded_name(SLOT, first), canary_of(place, first))["passed"]
    assert reconcile(at) == ()


def observed(drifts: tuple[Drift, ...]) -> set[str | None]:
    return {one.observed["name"] if one.observed else None for one in drifts}


def states_of_drifts(place: Place) -> list[str]:
    with place.ledger.read() as db:
        return [row.state for row in people_queries.subjects(db, "drift")]
