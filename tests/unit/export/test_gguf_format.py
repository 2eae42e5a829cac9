from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, FalconConfig

from adapters_core.errors import (
    InputError,
    IntegrityError,
    MismatchError,
    NumericalError,
    StorageError,
    UnknownSiteError,
    UnsupportedModelError,
)
from adapters_core.export.decoder import decoder_linears
from adapters_core.export.gguf_format import from_gguf_arrays, read_gguf_lora, to_gguf_arrays, write_gguf_lora
from adapters_core.export.gguf_layout import FAMILIES, gguf_layout, interleaved_halves, queries_keys_values
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pair
from tests.random_adapter import every_target, random_pairs
from tests.tiny_model import ARCHITECTURES, tiny_base


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


@pytest.fixture
def file(base: BaseModel, tmp_path: Path) -> Path:
    write_gguf_lora(tmp_path / "adapter.gguf", random_pairs(base, every_target(base)), base)
    return tmp_path / "adapter.gguf"


def write_raw(path: Path, arrays: dict[str, np.ndarray], *, architecture: str = "llama", **fields: Any) -> Path:
    """A GGUF LoRA of another origin."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(fields.get("kind", "adapter"))
    writer.add_string("adapter.type", fields.get("adapter_type", "lora"))
    if "alpha" in fields:
        writer.add_float32("adapter.lora.alpha", fields["alpha"])
    for name, array in arrays.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def halves(rank: int = 4, d_in: int = 32, d_out: int = 32, name: str = "blk.1.attn_output") -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        f"{name}.weight.lora_a": rng.standard_normal((rank, d_in), dtype=np.float32),
        f"{name}.weight.lora_b": rng.standard_normal((d_out, rank), dtype=np.float32),
    }


# -------------------------------------------------------------------------------------------------------------- layout


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_linear_has_a_name_of_its_own(architecture: str) -> None:
    base = tiny_base(architecture)
    layout = gguf_layout(base)
    assert layout.names.keys() == decoder_linears(base).keys()
    assert len(set(layout.names.values())) == len(layout.names)
    assert all(name.startswith("blk.") for name in layout.names.values())


@given(heads=st.integers(1, 6), half=st.integers(1, 6))
def test_row_orders_are_permutations_within_their_heads(heads: int, half: int) -> None:
    rows = heads * 2 * half
    order = interleaved_halves(rows, heads)
    assert sorted(order.tolist()) == list(range(rows))
    assert torch.equal(
        order.div(2 * half, rounding_mode="floor"), torch.arange(rows).div(2 * half, rounding_mode="floor")
    )
    fused = queries_keys_values(heads * 3 * half, heads)
    assert sorted(fused.tolist()) == list(range(heads * 3 * half))


def test_rotary_partners_stand_side_by_side() -> None:
    assert interleaved_halves(8, 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert queries_keys_values(12, 2).tolist() == [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]


def test_an_unsupported_architecture_says_which_are_supported() -> None:
    config = FalconConfig(vocab_size=16, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    base = BaseModel(AutoModelForCausalLM.from_config(config))
    with pytest.raises(UnsupportedModelError, match=r"can be written for llama, .*'falcon'"):
        gguf_layout(base)
    assert set(FAMILIES) == set(ARCHITECTURES)


# --------------------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_reading_gives_what_was_written(architecture: str, dtype: torch.dtype, tmp_path: Path) -> None:
    base = tiny_base(architecture)
    pairs = random_pairs(base, every_target(base))
    write_gguf_lora(tmp_path / "adapter.gguf", pairs, base, dtype=dtype)
    back = read_gguf_lora(tmp_path / "adapter.gguf", base)
    assert back.keys() == pairs.keys()
    for path, pair in pairs.items():
        assert back[path].a_RI.dtype == back[path].b_OR.dtype == dtype
        assert torch.equal(back[path].a_RI, pair.a_RI.to(dtype))
        assert torch.equal(back[path].b_OR, pair.b_OR.to(dtype))


@given(rank=st.integers(1, 12), seed=st.integers(0, 1000))
def test_arrays_keep_every_delta(rank: int, seed: int, base: BaseModel) -> None:
    layout = gguf_layout(base)
    pairs = random_pairs(base, ("q_proj", "k_proj", "down_proj"), rank=rank, seed=seed)
    arrays = to_gguf_arrays(pairs, layout)
    ranks = {array.shape[0] for name, array in arrays.items() if name.endswith("lora_a")}
    back = from_gguf_arrays(arrays, layout, alpha=float(ranks.pop()))
    assert not ranks
    assert all(torch.equal(back[path].delta(), pair.padded(back[path].rank).delta()) for path, pair in pairs.items())


def test_the_same_adapter_gives_the_same_bytes(base: BaseModel, tmp_path: Path) -> None:
    pairs = random_pairs(base, ("o_proj", "q_proj"))
    write_gguf_lora(tmp_path / "one.gguf", pairs, base)
    write_gguf_lora(tmp_path / "two.gguf", dict(reversed(pairs.items())), base)
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()


@pytest.mark.parametrize(("fields", "scale"), [({"alpha": 16.0}, 4.0), ({"alpha": 4.0}, 1.0), ({}, 1.0)], ids=str)
def test_a_foreign_scale_is_taken_into_b(fields: dict[str, Any], scale: float, base: BaseModel, tmp_path: Path) -> None:
    arrays = halves()
    pair = read_gguf_lora(write_raw(tmp_path / "a.gguf", arrays, **fields), base)["model.layers.1.self_attn.o_proj"]
    expected = arrays["blk.1.attn_output.weight.lora_b"] @ arrays["blk.1.attn_output.weight.lora_a"] * scale
    assert torch.allclose(pair.delta(), torch.from_numpy(expected), atol=1e-5)


# ------------------------------------------------------------------------------------------------------- damaged files


@pytest.mark.parametrize(
    ("arrays", "fields", "error", "message"),
    [
        (halves(), {"kind": "model"}, IntegrityError, r"type lora, got \('model', 'lora'\)"),
        (halves(), {"adapter_type": "control_vector"}, IntegrityError, "control_vector"),
        (halves(), {"architecture": "qwen2"}, MismatchError, "'qwen2', this base is 'llama'"),
        (halves(), {"alpha": float("nan")}, IntegrityError, "finite adapter.lora.alpha, got nan"),
        (halves(name="blk.7.attn_output"), {}, IntegrityError, "blk.7.attn_output"),
        (halves(name="output"), {}, IntegrityError, "output.weight.lora_a"),
        (halves(name="blk.1.attn_q", d_out=31), {}, IntegrityError, "has 32 rows in this base, got 31"),
        ({"blk.1.attn_output.weight": np.zeros((4, 32), np.float32)}, {}, IntegrityError, "tensors must be"),
        (dict(list(halves().items())[:1]), {}, IntegrityError, "only one of them"),
        (
            halves() | {"blk.1.attn_output.weight.lora_b": np.zeros((32, 5), np.float32)},
            {},
            IntegrityError,
            r"\(4, 32\) and \(32, 5\)",
        ),
        ({n: a.astype(np.int8) for n, a in halves().items()}, {}, IntegrityError, "int8"),
        ({n: a.astype(np.int16) for n, a in halves().items()}, {}, IntegrityError, "int16"),
    ],
    ids=range(12),
)
def test_a_file_that_is_no_adapter_of_this_base_is_refused(
    *,
    arrays: dict[str, np.ndarray],
    fields: dict[str, Any],
    error: type[Exception],
    message: str,
    base: BaseModel,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message):
        read_gguf_lora(write_raw(tmp_path / "bad.gguf", arrays, **fields), base)


def test_a_truncated_file_is_refused_wherever_it_is_cut(file: Path, base: BaseModel) -> None:
    whole = file.read_bytes()
    for kept in [*range(64), *range(64, len(whole) - 64, 1499)]:
        file.write_bytes(whole[:kept])
        with pytest.raises(IntegrityError):
            read_gguf_lora(file, base)


def test_an_adapter_of_another_base_is_refused(file: Path) -> None:
    with pytest.raises(MismatchError, match="made for the base"):
        read_gguf_lora(file, tiny_base(seed=5))


def test_a_missing_file_is_named(base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no GGUF adapter"):
        read_gguf_lora(tmp_path / "none.gguf", base)


# ------------------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize(
    ("path", "value", "dtype", "error"),
    [
        ("lm_head", 1.0, torch.float32, UnknownSiteError),
        ("model.layers.0.self_attn.o_proj", float("nan"), torch.float32, NumericalError),
        ("model.layers.0.self_attn.o_proj", 1e6, torch.float16, NumericalError),
        ("model.layers.0.self_attn.o_proj", 1.0, torch.float64, InputError),
    ],
)
def test_nothing_is_written_where_a_pair_cannot_be(
    *, path: str, value: float, dtype: torch.dtype, error: type[Exception], base: BaseModel, tmp_path: Path
) -> None:
    pairs = {path: Pair(a_RI=torch.ones(8, 32), b_OR=torch.full((32, 8), value))}
    with pytest.raises(error):
        write_gguf_lora(tmp_path / "adapter.gguf", pairs, base, dtype=dtype)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file_alone(file: Path, base: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensors_to_file", full)
    with pytest.raises(StorageError, match="No space left"):
        write_gguf_lora(file, random_pairs(base, ("o_proj",)), base)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]
