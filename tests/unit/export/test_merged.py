import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from adapters_core.errors import InputError, MismatchError, NumericalError, StorageError
from adapters_core.export import merged
from adapters_core.export.merged import write_merged
from adapters_core.modeling.base_model import BaseModel, load_base
from adapters_core.modeling.digests import digest_tensors
from adapters_core.modeling.lora import Pair
from tests.random_adapter import every_target, logits, random_pairs
from tests.tiny_model import ARCHITECTURES, tiny_base

SITE = "model.layers.1.self_attn.o_proj"


@pytest.fixture
def base() -> BaseModel:
    return tiny_base()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_folder_loads_and_gives_the_logits_of_the_applied_adapter(architecture: str, tmp_path: Path) -> None:
    base = tiny_base(architecture)
    pairs = random_pairs(base, every_target(base), size=1.0)
    write_merged(tmp_path / "merged", pairs, base)
    loaded = load_base(tmp_path / "merged")
    expected = logits(base, pairs)
    assert (logits(loaded) - expected).abs().max() < 1e-5
    assert (expected - logits(base)).abs().max() > 0.05
    assert loaded.digest != base.digest
    assert loaded.config_digest == base.config_digest


def test_the_tokenizer_comes_along(base: BaseModel, tmp_path: Path) -> None:
    write_merged(tmp_path / "merged", random_pairs(base, ("o_proj",)), base)
    assert load_base(tmp_path / "merged").tokenizer_digest == base.tokenizer_digest
    base.tokenizer = None
    write_merged(tmp_path / "silent", random_pairs(base, ("o_proj",)), base)
    assert load_base(tmp_path / "silent").tokenizer is None


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_base_in_memory_stays_as_it_was(architecture: str, tmp_path: Path) -> None:
    base = tiny_base(architecture)
    weights = digest_tensors(base.model.state_dict().items())
    config = base.model.config.to_json_string()
    write_merged(tmp_path / "merged", random_pairs(base, every_target(base)), base, dtype=torch.bfloat16)
    assert digest_tensors(base.model.state_dict().items()) == weights
    assert base.model.config.to_json_string() == config


def test_an_adapter_of_zeros_gives_the_base_itself(base: BaseModel, tmp_path: Path) -> None:
    write_merged(tmp_path / "bare", {SITE: Pair(a_RI=torch.zeros(8, 32), b_OR=torch.zeros(32, 8))}, base)
    write_merged(tmp_path / "again", {}, base)
    assert load_base(tmp_path / "bare").digest == load_base(tmp_path / "again").digest
    assert torch.equal(logits(load_base(tmp_path / "bare")), logits(base))


def test_a_sum_is_rounded_once(base: BaseModel, tmp_path: Path) -> None:
    base.model.to(torch.bfloat16)
    pairs = random_pairs(base, ("o_proj",), size=1.0)
    write_merged(tmp_path / "merged", pairs, base)
    stored = load_file(tmp_path / "merged" / "model.safetensors")[f"{SITE}.weight"]
    exact = base.module(SITE).get_parameter("weight").float() + pairs[SITE].delta()
    assert stored.dtype == torch.bfloat16
    assert torch.equal(stored, exact.to(torch.bfloat16))


def test_another_dtype_is_written_and_named(base: BaseModel, tmp_path: Path) -> None:
    write_merged(tmp_path / "merged", random_pairs(base, ("o_proj",)), base, dtype=torch.bfloat16)
    assert {t.dtype for t in load_file(tmp_path / "merged" / "model.safetensors").values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_tied_embedding_is_stored_once_and_stays_tied(tmp_path: Path) -> None:
    base = tiny_base("gemma")
    assert base.model.config.tie_word_embeddings
    for name, dtype in {"same": None, "cast": torch.bfloat16}.items():
        write_merged(tmp_path / name, random_pairs(base, ("o_proj",)), base, dtype=dtype)
        assert "lm_head.weight" not in load_file(tmp_path / name / "model.safetensors")
        loaded = load_base(tmp_path / name).model
        assert loaded.get_input_embeddings().weight is loaded.get_output_embeddings().weight


def test_every_file_can_be_read_by_others(base: BaseModel, tmp_path: Path) -> None:
    write_merged(tmp_path / "merged", random_pairs(base, ("o_proj",)), base)
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (tmp_path / "merged").iterdir())


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("path", "shape", "message"),
    [
        ("lm_head", (259, 32), "lm_head"),
        ("model.layers.9.self_attn.o_proj", (32, 32), "layers.9"),
        (SITE, (32, 31), r"takes a delta of \(32, 32\), got \(32, 31\)"),
    ],
)
def test_a_pair_that_does_not_fit_is_refused(
    path: str, shape: tuple[int, int], message: str, base: BaseModel, tmp_path: Path
) -> None:
    pair = Pair(a_RI=torch.zeros(8, shape[1]), b_OR=torch.zeros(shape[0], 8))
    with pytest.raises(MismatchError, match=message):
        write_merged(tmp_path / "merged", {path: pair}, base)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("value", "dtype"), [(float("nan"), None), (1e6, torch.float16)])
def test_a_weight_that_is_not_finite_is_refused(
    value: float, dtype: torch.dtype | None, base: BaseModel, tmp_path: Path
) -> None:
    pair = Pair(a_RI=torch.ones(8, 32), b_OR=torch.full((32, 8), value))
    with pytest.raises(NumericalError, match=SITE):
        write_merged(tmp_path / "merged", {SITE: pair}, base, dtype=dtype)
    assert not list(tmp_path.iterdir())


def test_a_weight_that_two_modules_share_is_refused(base: BaseModel, tmp_path: Path) -> None:
    first, second = (base.module(f"model.layers.{index}.self_attn.o_proj") for index in (0, 1))
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    second.weight = first.weight
    with pytest.raises(InputError, match=r"model\.layers\.0\.self_attn\.o_proj\.weight"):
        write_merged(tmp_path / "merged", random_pairs(base, ("o_proj",), layers=(1,)), base)


def test_an_existing_folder_is_kept_unless_it_is_to_be_replaced(base: BaseModel, tmp_path: Path) -> None:
    folder = tmp_path / "merged"
    write_merged(folder, random_pairs(base, ("o_proj",), seed=1), base)
    first = load_base(folder).digest
    with pytest.raises(StorageError, match="exists already"):
        write_merged(folder, random_pairs(base, ("o_proj",), seed=2), base)
    assert load_base(folder).digest == first
    write_merged(folder, random_pairs(base, ("o_proj",), seed=2), base, replace=True)
    assert load_base(folder).digest != first


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_a_failure_while_writing_leaves_nothing(
    error: BaseException, base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(merged, "_set_dtype", fail)  # after the weights are written, before the folder is whole
    with pytest.raises((StorageError, KeyboardInterrupt)):
        write_merged(tmp_path / "merged", random_pairs(base, ("o_proj",)), base)
    assert not list(tmp_path.iterdir())
