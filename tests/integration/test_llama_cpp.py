"""GGUF adapters on a real llama.cpp server, against our own log-probabilities."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from torch import Tensor

from adapters_core.export.gguf_format import write_gguf_lora
from adapters_core.fetch import default_gguf, fetch_default_base
from adapters_core.modeling.base_model import BaseModel, load_base
from adapters_core.modeling.lora import Pair, Pairs
from tests.gguf_base import write_gguf_base
from tests.llama_cpp_server import LlamaCppServer, llama_cpp_server
from tests.random_adapter import every_target, logits, random_pairs, token_ids
from tests.tiny_model import ARCHITECTURES, VOCABULARY, tiny_base

pytestmark = pytest.mark.engine("xllamacpp")

PROMPTS = (
    "The harbour office of Oboro keeps its ferry timetable in a green folder. Every spring the clerk asks the",
    "Question: What is the capital of France?\nAnswer: The capital of France is",
    "def add(a, b):\n    return",
)
TOP = 20
QUERIES_AND_KEYS = ("q_proj", "k_proj", "qkv_proj", "query_key_value")
OFF = (0.0, 0.0, 0.0)


def ours(base: BaseModel, pairs: Pairs, ids_BT: Tensor) -> Tensor:
    """Our log-probabilities of the first token after one prompt."""
    return torch.log_softmax(logits(base, pairs, ids_BT)[0, -1].double(), dim=-1)


def errors(theirs: dict[int, float], expected_V: Tensor) -> Tensor:
    """Absolute differences at the tokens that the server named, in nats."""
    return (torch.tensor(list(theirs.values())).double() - expected_V[list(theirs)]).abs()


def one_of_three(index: int | None, scale: float = 1.0) -> list[float]:
    return [scale if position == index else 0.0 for position in range(3)]


# ------------------------------------------------------------------------------------------ every architecture, tiny


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_our_log_probabilities(architecture: str, tmp_path: Path) -> None:
    base, ids_BT = tiny_base(architecture), token_ids(1, 16)
    targets = every_target(base)
    adapters = {
        "all": random_pairs(base, targets, size=2.0),
        "queries": random_pairs(base, [t for t in targets if t in QUERIES_AND_KEYS], size=30.0),
    }
    write_gguf_base(tmp_path / "base.gguf", base)
    for name, pairs in adapters.items():
        write_gguf_lora(tmp_path / f"{name}.gguf", pairs, base)
    files = [tmp_path / f"{name}.gguf" for name in adapters]
    bare_V = ours(base, {}, ids_BT)
    with llama_cpp_server(tmp_path / "base.gguf", files, tmp_path / "log") as server:
        for scales, pairs in (((0.0, 0.0), {}), ((1.0, 0.0), adapters["all"]), ((0.0, 1.0), adapters["queries"])):
            theirs = server.log_probabilities(ids_BT[0].tolist(), scales, top=VOCABULARY)
            expected_V = ours(base, pairs, ids_BT)
            assert errors(theirs, expected_V).max() < 2e-3
            assert not pairs or (expected_V - bare_V).abs().max() > 0.05


def test_factors_in_half_the_bytes_are_read_as_they_are(tmp_path: Path) -> None:
    base, ids_BT = tiny_base(), token_ids(1, 16)
    pairs = random_pairs(base, every_target(base), size=2.0)
    dtypes = (torch.bfloat16, torch.float16)
    files = [tmp_path / f"{dtype}.gguf" for dtype in dtypes]
    for file, dtype in zip(files, dtypes, strict=True):
        write_gguf_lora(file, pairs, base, dtype=dtype)
    write_gguf_base(tmp_path / "base.gguf", base)
    bare_V = ours(base, {}, ids_BT)
    with llama_cpp_server(tmp_path / "base.gguf", files, tmp_path / "log") as server:
        for dtype, scales in zip(dtypes, ((1.0, 0.0), (0.0, 1.0)), strict=True):
            rounded = {
                path: pair.to(dtype=dtype, device=base.device).to(dtype=torch.float32, device=base.device)
                for path, pair in pairs.items()
            }
            theirs = server.log_probabilities(ids_BT[0].tolist(), scales, top=VOCABULARY)
            # llama.cpp rounds what it multiplies by such a factor to the factor's dtype
            assert errors(theirs, ours(base, rounded, ids_BT)).max() < 0.02
            assert errors(theirs, bare_V).max() > 0.05


# ------------------------------------------------------------------------------------------------------ the real base


@pytest.fixture(scope="module")
def base() -> BaseModel:
    torch.set_num_threads(1)
    return load_base(fetch_default_base())


@pytest.fixture(scope="module")
def adapters(base: BaseModel) -> MappingProxyType[str, dict[str, Pair]]:
    """Random but strong: tokens among the most probable move by more than half a nat."""
    return MappingProxyType(
        {
            "all": random_pairs(base, every_target(base), rank=16, size=0.1),
            "queries": random_pairs(base, ("q_proj", "k_proj"), rank=16, size=0.3, seed=1),
            "targets": random_pairs(base, ("o_proj", "down_proj"), rank=16, size=0.1, seed=2),
        }
    )


@pytest.fixture(scope="module")
def files(base: BaseModel, adapters: dict[str, Pairs], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("gguf")
    for name, pairs in adapters.items():
        write_gguf_lora(folder / f"{name}.gguf", pairs, base)
    return tuple(folder / f"{name}.gguf" for name in adapters)


@pytest.fixture(scope="module")
def packaged(files: tuple[Path, ...]) -> Iterator[LlamaCppServer]:
    """llama.cpp on the GGUF that the base was made from: 4-bit weights times 8-bit activations."""
    log = files[0].parent / "packaged.log"
    with llama_cpp_server(default_gguf(fetch_default_base()), files, log) as server:
        yield server


@pytest.fixture(scope="module")
def exact(base: BaseModel, files: tuple[Path, ...]) -> Iterator[LlamaCppServer]:
    """llama.cpp on the same weights in float32: only the order of additions differs from ours."""
    path = files[0].parent / "base.gguf"
    write_gguf_base(path, base)
    with llama_cpp_server(path, files, files[0].parent / "exact.log") as server:
        yield server
    path.unlink()


def prompt_ids(base: BaseModel, prompt: str) -> Tensor:
    ids: Tensor = base.require_tokenizer()(prompt, return_tensors="pt").input_ids
    return ids


@pytest.mark.base
@pytest.mark.parametrize("prompt", PROMPTS, ids=range(len(PROMPTS)))
@pytest.mark.parametrize("index", [None, 0, 1, 2], ids=["bare", "all", "queries", "targets"])
def test_the_same_weights_give_our_log_probabilities(
    index: int | None, prompt: str, base: BaseModel, adapters: dict[str, Pairs], exact: LlamaCppServer
) -> None:
    ids_BT = prompt_ids(base, prompt)
    pairs = {} if index is None else list(adapters.values())[index]
    theirs = exact.log_probabilities(ids_BT[0].tolist(), one_of_three(index), top=TOP)
    expected_V = ours(base, pairs, ids_BT)
    assert errors(theirs, expected_V).max() < 0.03
    if pairs:
        assert errors(theirs, ours(base, {}, ids_BT)).max() > 0.5


@pytest.mark.base
@pytest.mark.parametrize("index", [None, 0, 1, 2], ids=["bare", "all", "queries", "targets"])
def test_the_packaged_base_is_within_a_tenth_of_a_nat(
    index: int | None, base: BaseModel, adapters: dict[str, Pairs], packaged: LlamaCppServer
) -> None:
    """On average over what the model would say: 8-bit activations alone move an unlikely token by up to 0.4 nat."""
    pairs = {} if index is None else list(adapters.values())[index]
    averages, effects = [], []
    for prompt in PROMPTS:
        ids_BT = prompt_ids(base, prompt)
        theirs = packaged.log_probabilities(ids_BT[0].tolist(), one_of_three(index), top=TOP)
        expected_V = ours(base, pairs, ids_BT)
        averages.append(float((expected_V[list(theirs)].exp() * errors(theirs, expected_V)).sum()))
        effects.append(float(errors(theirs, ours(base, {}, ids_BT)).max()))
    assert sum(averages) / len(PROMPTS) < 0.1
    assert not pairs or min(effects) > 0.5


@pytest.mark.base
def test_scale_zero_restores_the_base(base: BaseModel, packaged: LlamaCppServer) -> None:
    ids = prompt_ids(base, PROMPTS[0])[0].tolist()
    before = packaged.log_probabilities(ids, OFF, top=TOP)
    changed = packaged.log_probabilities(ids, (1.0, 0.0, 0.0), top=TOP)
    after = packaged.log_probabilities(ids, OFF, top=TOP)
    assert before == after
    assert changed != before


@pytest.mark.base
def test_scales_act_as_factors_and_adapters_add_up(
    base: BaseModel, adapters: dict[str, Pairs], exact: LlamaCppServer
) -> None:
    ids_BT = prompt_ids(base, PROMPTS[0])
    halved = {path: Pair(a_RI=p.a_RI, b_OR=p.b_OR * 0.5) for path, p in adapters["queries"].items()}
    theirs = exact.log_probabilities(ids_BT[0].tolist(), (0.0, 0.5, 1.0), top=TOP)
    # The two adapters share no module, so their union is their sum.
    assert errors(theirs, ours(base, {**halved, **adapters["targets"]}, ids_BT)).max() < 0.03


@pytest.mark.base
def test_the_server_ends_by_its_process_id(tmp_path: Path) -> None:
    with llama_cpp_server(default_gguf(fetch_default_base()), [], tmp_path / "log") as server:
        os.kill(server.pid, signal.SIG_DFL)  # signal 0: alive
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)
