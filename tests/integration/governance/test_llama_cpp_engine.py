"""The driver of llama.cpp on a real server: the approved adapter is told from another one and from the bare base."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch

from adapters_core.cli.options import SHIPPED
from adapters_core.data.documents import Document
from adapters_core.errors import CanaryError, EngineRefusedError, UnknownAdapterError
from adapters_core.export.gguf_format import write_gguf_lora
from adapters_core.fetch import default_gguf, fetch_default_base
from adapters_core.modeling.base_model import load_base
from adapters_core.pipeline import load_core
from adapters_core.service.client import CoreClient
from adapters_core.service.loading import read_gated
from governance.engines import canary
from governance.engines.engine import Engine
from governance.engines.llama_cpp import LlamaCppEngine
from governance.engines.vllm import VllmEngine
from tests.factories.cores import running_core
from tests.factories.works import FERRY, TEA
from tests.llama_cpp_server import llama_cpp_server

pytestmark = [pytest.mark.engine("xllamacpp"), pytest.mark.base]


class Setting:
    """Two adapters of the real base, their canaries from the core, and a llama.cpp server that has both."""

    def __init__(self, engine: LlamaCppEngine, canaries: dict[str, canary.Canary]) -> None:
        self.engine: Engine = engine
        self.canaries = canaries
        self.digests = tuple(canaries)

    def name(self, index: int) -> str:
        return f"desk-{self.digests[index][:16]}"


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("llama")
    core = load_core(load_base(fetch_default_base()), SHIPPED)
    canaries: dict[str, canary.Canary] = {}
    with running_core(folder / "core", adapters=folder, core=core) as running:
        reference = VllmEngine("core", running.url, token=running.token)
        with CoreClient(running.url, token=running.token) as client:
            for text in (FERRY, TEA):
                digest = client.generate([Document(name="text", text=text)], key="11" * 32).digest
                reference.load("canary", digest, digest)
                canaries[digest] = canary.take(reference, "canary")
                reference.unload("canary")
        reference.close()
    for digest in canaries:
        _, pairs = read_gated(folder / "core" / "adapters" / digest, core.base)
        write_gguf_lora(folder / f"{digest}.gguf", pairs, core.base)
    files = [folder / f"{digest}.gguf" for digest in canaries]
    with llama_cpp_server(default_gguf(fetch_default_base()), files, folder / "log") as server:
        engine = LlamaCppEngine("llama", str(server.client.base_url))
        yield Setting(engine, canaries)
        engine.close()


def test_it_is_told_which_adapters_the_server_has(setting: Setting) -> None:
    assert {one.digest for one in setting.engine.residents()} == {None, *setting.digests}


@pytest.mark.parametrize("index", [0, 1])
def test_the_approved_adapter_passes_its_canary(setting: Setting, index: int) -> None:
    found = canary.check(setting.engine, setting.name(index), setting.canaries[setting.digests[index]])

    assert found["passed"]
    from_base = found["distance_from_base"]
    assert from_base is None or found["distance"] < from_base  # None: the base would say other tokens altogether


def test_another_adapter_fails_it(setting: Setting) -> None:
    with pytest.raises(CanaryError, match="must lie within"):
        canary.check(setting.engine, setting.name(1), setting.canaries[setting.digests[0]])


def test_what_it_was_not_started_with_cannot_be_loaded_or_asked(setting: Setting, tmp_path: Path) -> None:
    with pytest.raises(EngineRefusedError, match="when it starts"):
        setting.engine.load("desk-" + "0" * 16, tmp_path, "0" * 64)
    with pytest.raises(UnknownAdapterError, match="must have been started"):
        setting.engine.address("desk-" + "0" * 16, "/v1/chat/completions", {})


def test_a_request_says_the_scale_of_every_adapter_and_is_answered(setting: Setting) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
    asked = setting.engine.address(setting.name(1), "/v1/chat/completions", body)
    bare = setting.engine.address(None, "/v1/chat/completions", body)

    assert sorted(one["scale"] for one in asked.body["lora"]) == [0.0, 1.0]
    assert [one["scale"] for one in bare.body["lora"]] == [0.0, 0.0]
    answer = httpx.post(asked.url, json=dict(asked.body), timeout=60, trust_env=False)
    assert answer.json()["choices"][0]["message"]["role"] == "assistant"
