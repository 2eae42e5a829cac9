"""Reading a base: round trips, digests that ignore how it is stored, and everything that is refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters_core.errors import InputError, IntegrityError, NumericalError, UnsupportedModelError
from adapters_core.modeling.base_model import BaseModel, load_base
from adapters_core.modeling.finite import all_finite
from tests.random_adapter import logits
from tests.tiny_gguf import write_gguf
from tests.tiny_model import ARCHITECTURES, tiny_base


def save(base: BaseModel, folder: Path, *, shard: str = "1GB") -> Path:
    base.model.save_pretrained(folder, max_shard_size=shard)
    base.require_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tiny_base(), tmp_path / "tiny")


def change_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_folder_gives_back_the_base_that_was_saved(tmp_path: Path, architecture: str) -> None:
    base = tiny_base(architecture)

    loaded = load_base(save(base, tmp_path / "tiny"))
    again = load_base(save(loaded, tmp_path / "again"))

    assert all(torch.equal(tensor, loaded.model.state_dict()[name]) for name, tensor in base.model.state_dict().items())
    # the same weights at other addresses: how products of matrices round depends on the alignment of their memory
    assert torch.allclose(logits(loaded), logits(base), rtol=1e-5, atol=1e-6)
    assert loaded.digest == again.digest
    assert (loaded.source, again.source) == ("tiny", "again")
    assert loaded.require_tokenizer()("a b")["input_ids"] == base.require_tokenizer()("a b")["input_ids"]


def test_a_base_in_memory_and_in_a_folder_have_one_digest(folder: Path) -> None:
    assert load_base(folder).digest == tiny_base().digest


def test_the_digest_is_that_of_the_weights_as_stored_whatever_they_are_computed_in(folder: Path) -> None:
    full, half = load_base(folder), load_base(folder, dtype=torch.bfloat16)

    assert half.dtype == torch.bfloat16
    assert half.digest == full.digest


def test_the_digest_does_not_depend_on_the_shards(folder: Path, tmp_path: Path) -> None:
    sharded = save(tiny_base(), tmp_path / "sharded", shard="20KB")

    assert len(list(sharded.glob("*.safetensors"))) > 3
    assert load_base(sharded).digest == load_base(folder).digest


def test_files_that_are_not_read_are_not_in_the_digest(folder: Path) -> None:
    before = load_base(folder).digest

    save_file({"other": torch.ones(3)}, folder / "consolidated.safetensors")

    assert load_base(folder).digest == before


def test_one_changed_weight_changes_the_digest(folder: Path) -> None:
    before = load_base(folder).digest

    change_tensors(folder, lambda tensors: tensors["model.norm.weight"][0].add_(1e-6))

    assert load_base(folder).digest != before


@pytest.mark.parametrize("keep", [0, 7, 500, 20_000])
def test_truncated_weights_are_refused(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(IntegrityError, match="is not a whole safetensors file"):
        load_base(folder)


def test_a_missing_weight_is_refused_and_not_drawn_at_random(folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.pop("model.layers.1.self_attn.o_proj.weight"))

    with pytest.raises(IntegrityError, match=r"1 are missing: \['model\.layers\.1\.self_attn\.o_proj\.weight'\]"):
        load_base(folder)


def test_a_weight_of_another_shape_is_refused(folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.update({"model.norm.weight": torch.ones(7)}))

    with pytest.raises(UnsupportedModelError, match="no causal LM"):
        load_base(folder)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_refused(folder: Path, bad: float) -> None:
    change_tensors(folder, lambda tensors: tensors["model.norm.weight"][3].fill_(bad))

    with pytest.raises(NumericalError, match=r"model\.norm\.weight must be finite"):
        load_base(folder)


LARGEST = math.inf
"""Stands for the largest number that the dtype has."""
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 70),
    size=st.sampled_from([0.0, 1e-30, 1.0, 1e4, LARGEST]),
    bad=st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from([math.nan, math.inf, -math.inf])), max_size=3),
    seed=st.integers(0, 100),
)
@example(rows=2, columns=64, size=LARGEST, bad=[], seed=0)  # all of one sign: the sum overflows, no value does
@example(rows=2, columns=64, size=LARGEST, bad=[(5, math.inf), (9, -math.inf)], seed=1)  # as if they cancelled out
def test_values_are_finite_exactly_where_each_one_is(
    *,
    dtype: torch.dtype,
    rows: int,
    columns: int,
    size: float,
    bad: list[tuple[int, float]],
    seed: int,
) -> None:
    rng = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (rows, columns), generator=rng) * 2 - 1 if seed else torch.ones(rows, columns)
    limit = torch.finfo(dtype).max
    values = (signs.double() * (limit if size == LARGEST else size)).to(dtype)
    for place, value in bad:
        values.view(-1)[place % values.numel()] = value

    assert all_finite(values) == (not bad)
    assert all_finite(values.T) == (not bad)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_one_bad_value_is_found_wherever_it_is(dtype: torch.dtype) -> None:
    for bad in (math.nan, math.inf, -math.inf):
        for place in (0, 1, 511, 4095, 4096, 9_999):
            values = torch.full((10_000,), 0.5, dtype=dtype)
            assert all_finite(values)
            values[place] = bad
            assert not all_finite(values)


def test_nothing_is_finite_too() -> None:
    assert all_finite(torch.ones(0, 3))
    assert all_finite(torch.tensor(3.0))
    assert not all_finite(torch.tensor(math.nan))


def test_large_weights_of_one_sign_are_no_damage(folder: Path) -> None:
    """Their sum is infinite, none of them is."""
    change_tensors(folder, lambda tensors: tensors["model.norm.weight"].fill_(torch.finfo(torch.float32).max))

    assert load_base(folder).weights_digest != tiny_base().weights_digest


def test_a_missing_shard_is_refused(tmp_path: Path) -> None:
    folder = save(tiny_base(), tmp_path / "sharded", shard="20KB")
    lost = sorted(folder.glob("*.safetensors"))[1]
    lost.unlink()

    with pytest.raises(IntegrityError, match=f"1 are missing: \\['{lost.name}'\\]"):
        load_base(folder)


@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"weight_map": 3}'])
def test_a_damaged_index_is_refused(tmp_path: Path, index: str) -> None:
    folder = save(tiny_base(), tmp_path / "sharded", shard="20KB")
    (folder / "model.safetensors.index.json").write_text(index)

    with pytest.raises(IntegrityError, match="must name the shard of every weight"):
        load_base(folder)


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no config\.json"):
        load_base(tmp_path)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(UnsupportedModelError, match="other formats can run code and are refused"):
        load_base(folder)


@pytest.mark.parametrize("config", ["{not json", '{"model_type": "nonsense"}', '{"model_type": "t5"}', "[]"])
def test_a_configuration_of_no_causal_lm_is_refused(folder: Path, config: str) -> None:
    (folder / "config.json").write_text(config)

    with pytest.raises(UnsupportedModelError, match="no causal LM that transformers knows"):
        load_base(folder)


def test_code_that_comes_with_a_model_is_neither_run_nor_asked_about(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(folder / 'was_run')!r}, 'w').close()")

    with pytest.raises(UnsupportedModelError, match="trust_remote_code"):
        load_base(folder)
    assert not (folder / "was_run").exists()


def test_a_damaged_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": ')

    with pytest.raises(IntegrityError, match="the tokenizer in"):
        load_base(folder)


def test_a_base_can_do_without_a_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()

    base = load_base(folder)

    assert base.tokenizer is None
    assert base.tokenizer_digest is None
    assert base.digest != tiny_base().digest


@pytest.mark.parametrize("name", ["some/hub-id", "nothing-here", "/no/such/folder", "a/b/c"])
def test_a_hub_id_that_cannot_be_reached_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' must be a folder, a .gguf file or a hub id that can be reached"):
        load_base(name)


def test_a_gguf_is_read_with_the_split_of_digits_it_names(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")

    base = load_base(tmp_path / "tiny.gguf")

    assert base.require_tokenizer().tokenize("a  1") == ["a", "ĠĠ", "1"]
    assert base.source == "tiny.gguf"
    assert base.digest == load_base(tmp_path / "tiny.gguf", dtype=torch.bfloat16).digest
    assert base.sites(["o_proj"])[0].d_in == 32
    assert bool(torch.isfinite(logits(base)).all())


@pytest.mark.parametrize("keep", [0, 3, 100, 1000, 5000, 20_000, -10])
def test_a_truncated_gguf_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "tiny.gguf"
    write_gguf(path)
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(IntegrityError, match="GGUF"):
        load_base(path)


def test_a_gguf_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no GGUF file at"):
        load_base(tmp_path / "tiny.gguf")
