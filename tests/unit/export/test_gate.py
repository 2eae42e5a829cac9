import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapters_core.canonical import file_sha256
from adapters_core.errors import InputError, UnsafeAdapterError
from adapters_core.export.gate import SHOWN_REASONS, check_adapter, check_folder
from adapters_core.export.pair_rules import NORM_LIMIT, spectral_norm, weight_norms
from adapters_core.export.peft_folder import CONFIG_FILE, WEIGHTS_FILE, write_peft_files
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pair
from tests.random_adapter import every_target, random_pairs
from tests.tiny_model import ARCHITECTURES, tiny_base, tiny_config, tiny_generator

SITE = "model.layers.1.self_attn.o_proj"
KEY = f"base_model.model.{SITE}"
Pairs = dict[str, Pair]


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


@pytest.fixture
def pairs(base: BaseModel) -> Pairs:
    return random_pairs(base, ("o_proj", "down_proj"))


@pytest.fixture
def folder(pairs: Pairs, tmp_path: Path) -> Path:
    write_peft_files(tmp_path, pairs, base_name="tiny")
    return tmp_path


def rewrite(folder: Path, change: dict[str, torch.Tensor | None]) -> None:
    """Replace, add or (None) remove tensors of the weights file."""
    tensors: dict[str, Any] = load_file(folder / WEIGHTS_FILE) | change
    save_file({key: t for key, t in tensors.items() if t is not None}, folder / WEIGHTS_FILE)


def spoiled(pair: Pair, factor: str, value: float) -> Pair:
    a_RI, b_OR = pair.a_RI.clone(), pair.b_OR.clone()
    (a_RI if factor == "A" else b_OR)[1, 2] = value
    return Pair(a_RI=a_RI, b_OR=b_OR)


# ------------------------------------------------------------------------------------------------------- good adapters


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_good_adapters_pass(architecture: str, tmp_path: Path) -> None:
    base = tiny_base(architecture)
    pairs = random_pairs(base, every_target(base), size=1.0)
    digest = write_peft_files(tmp_path, pairs, base_name="tiny")
    check_adapter(
        pairs,
        base,
        expected_base_digest=base.digest,
        manifest_base_digest=base.digest,
        weights_sha256=digest,
        file=tmp_path / WEIGHTS_FILE,
    )
    passed = check_folder(
        tmp_path,
        base,
        expected_base_digest=base.digest,
        manifest_base_digest=base.digest,
        weights_sha256=digest,
        weight_norms=weight_norms(base, pairs),
    )
    assert passed.keys() == pairs.keys()
    assert all(torch.equal(passed[path].delta(), pair.delta()) for path, pair in pairs.items())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_generated_adapters_pass(architecture: str) -> None:
    base = tiny_base(architecture)
    generator = tiny_generator(base, tiny_config(architecture))
    state_NKV = torch.randn(len(generator.sites), generator.config.key_size, generator.config.value_size)
    check_adapter(generator.pairs(state_NKV), base)


def test_an_adapter_of_zeros_passes(base: BaseModel, pairs: Pairs) -> None:
    check_adapter({path: Pair(a_RI=p.a_RI, b_OR=p.b_OR * 0) for path, p in pairs.items()}, base)


# ------------------------------------------------------------------------------------------ bad adapters, in memory


@pytest.mark.parametrize("factor", ["A", "B"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(value: float, factor: str, base: BaseModel, pairs: Pairs) -> None:
    pairs[SITE] = spoiled(pairs[SITE], factor, value)
    with pytest.raises(UnsafeAdapterError, match=rf"{SITE} must be finite"):
        check_adapter(pairs, base)


def test_values_beyond_float16_are_refused_even_where_the_delta_is_small(base: BaseModel, pairs: Pairs) -> None:
    pairs[SITE] = Pair(a_RI=pairs[SITE].a_RI * 1e8, b_OR=pairs[SITE].b_OR * 1e-8)
    with pytest.raises(UnsafeAdapterError, match=rf"{SITE} must stay finite in float16"):
        check_adapter(pairs, base)


def test_a_huge_norm_is_refused_and_the_limit_itself_is_not(base: BaseModel, pairs: Pairs) -> None:
    weight_OI = base.module(SITE).get_parameter("weight")
    delta = torch.linalg.matrix_norm(pairs[SITE].delta(), ord=2)
    unit = Pair(a_RI=pairs[SITE].a_RI, b_OR=pairs[SITE].b_OR / delta * spectral_norm(weight_OI))
    pairs[SITE] = Pair(a_RI=unit.a_RI, b_OR=unit.b_OR * (NORM_LIMIT * 0.999))
    check_adapter(pairs, base)
    pairs[SITE] = Pair(a_RI=unit.a_RI, b_OR=unit.b_OR * (NORM_LIMIT * 1.001))
    with pytest.raises(UnsafeAdapterError, match=rf"{SITE} may have a delta of spectral norm"):
        check_adapter(pairs, base)
    check_adapter(pairs, base, norm_limit=2 * NORM_LIMIT)
    with pytest.raises(UnsafeAdapterError, match="spectral norm"):
        check_adapter(pairs, base, weight_norms={SITE: 1e-6}, norm_limit=2 * NORM_LIMIT)


@pytest.mark.parametrize(
    "path",
    [
        "model.layers.3.self_attn.o_proj",
        "model.layers.1.self_attn.o_projection",
        "layers.1.self_attn.o_proj",
        "lm_head",
        "model.layers.1.self_attn",
        "model.layers.1.input_layernorm",
        "",
    ],
)
def test_a_key_that_is_no_linear_of_a_layer_is_refused(path: str, base: BaseModel, pairs: Pairs) -> None:
    pairs[path] = pairs[SITE]
    with pytest.raises(UnsafeAdapterError, match=rf"{path} is no linear of a decoder layer"):
        check_adapter(pairs, base)


@pytest.mark.parametrize(("d_out", "d_in"), [(32, 31), (33, 32), (32, 48), (16, 16)])
def test_a_wrong_width_is_refused(d_out: int, d_in: int, base: BaseModel, pairs: Pairs) -> None:
    pairs[SITE] = Pair(a_RI=torch.zeros(8, d_in), b_OR=torch.zeros(d_out, 8))
    with pytest.raises(UnsafeAdapterError, match=f"{SITE} takes a delta of 32 x 32, got {d_out} x {d_in}"):
        check_adapter(pairs, base)


def test_a_rank_above_the_engines_limit_is_refused(base: BaseModel, pairs: Pairs) -> None:
    wide = {path: pair.padded(64) for path, pair in pairs.items()}
    check_adapter(wide, base, max_rank=64)
    with pytest.raises(UnsafeAdapterError, match="the rank must be at most 32, got 64"):
        check_adapter(wide, base, max_rank=32)


def test_ranks_that_differ_are_refused(base: BaseModel, pairs: Pairs) -> None:
    pairs[SITE] = pairs[SITE].padded(16)
    with pytest.raises(UnsafeAdapterError, match=r"one rank, got \[8, 16\]"):
        check_adapter(pairs, base)


def test_an_adapter_without_pairs_is_refused(base: BaseModel) -> None:
    with pytest.raises(UnsafeAdapterError, match="at least one pair"):
        check_adapter({}, base)


def test_a_dtype_that_engines_do_not_take_is_refused(base: BaseModel, pairs: Pairs) -> None:
    pairs[SITE] = Pair(a_RI=pairs[SITE].a_RI.double(), b_OR=pairs[SITE].b_OR.double())
    with pytest.raises(UnsafeAdapterError, match=rf"{SITE} must be one of .*float64"):
        check_adapter(pairs, base)


def test_digests_of_another_base_are_refused(base: BaseModel, pairs: Pairs) -> None:
    other = "ab" * 32
    with pytest.raises(UnsafeAdapterError, match=f"the engine runs the base {other[:16]}"):
        check_adapter(pairs, base, expected_base_digest=other)
    with pytest.raises(UnsafeAdapterError, match=f"the adapter was made for the base {other[:16]}"):
        check_adapter(pairs, base, manifest_base_digest=other)


def test_a_file_with_another_digest_is_refused(base: BaseModel, pairs: Pairs, folder: Path) -> None:
    file = folder / WEIGHTS_FILE
    good = file_sha256(file)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(UnsafeAdapterError, match=f"must have sha256 {good}, got {file_sha256(file)}"):
        check_adapter(pairs, base, weights_sha256=good, file=file)
    with pytest.raises(UnsafeAdapterError, match="got None"):
        check_adapter(pairs, base, weights_sha256=good, file=folder / "none")
    with pytest.raises(UnsafeAdapterError, match="no file that must have it"):
        check_adapter(pairs, base, weights_sha256=good)


def test_every_reason_is_told_at_once(base: BaseModel, pairs: Pairs) -> None:
    pairs[SITE] = spoiled(pairs[SITE], "B", float("nan"))
    pairs["lm_head"] = pairs[SITE].padded(16)
    with pytest.raises(UnsafeAdapterError) as refused:
        check_adapter(pairs, base, max_rank=8, expected_base_digest="0" * 64)
    for reason in ("engine runs", "one rank", "at most 8, got 16", f"{SITE} must be finite", "lm_head is no linear"):
        assert reason in str(refused.value)


def test_a_flood_of_reasons_stays_readable(base: BaseModel) -> None:
    pair = Pair(a_RI=torch.zeros(8, 4), b_OR=torch.zeros(4, 8))
    with pytest.raises(UnsafeAdapterError, match=f"and {100 - SHOWN_REASONS} more") as refused:
        check_adapter({f"module{index}": pair for index in range(100)}, base)
    assert str(refused.value).count(";") == SHOWN_REASONS


# -------------------------------------------------------------------------------------------- bad adapters, as folders


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({f"{KEY}.lora_B.weight": torch.full((32, 8), float("nan"))}, f"{SITE} must be finite"),
        ({f"{KEY}.lora_B.weight": torch.full((32, 8), float("inf"))}, f"{SITE} must be finite"),
        ({f"{KEY}.lora_B.weight": torch.full((32, 8), 1e3)}, f"{SITE} may have a delta of spectral norm"),
        ({f"{KEY}.lora_B.weight": None}, f"{SITE} has only lora_A"),
        ({f"{KEY}.lora_B.weight": torch.zeros(31, 8)}, f"{SITE} takes a delta of 32 x 32, got 31 x 32"),
        ({f"{KEY}.lora_B.weight": torch.zeros(32, 4)}, r"lora_B of d_out x rank, got \(8, 32\) and \(32, 4\)"),
        ({f"{KEY}.lora_B.weight": torch.zeros(32)}, r"got \(8, 32\) and \(32,\)"),
        ({f"{KEY}.lora_B.weight": torch.zeros(32, 8, dtype=torch.int32)}, "int32"),
        ({f"{KEY}.lora_B.weight": torch.zeros(32, 8, dtype=torch.float64)}, "float64"),
        ({f"{KEY}.lora_B.weight": torch.zeros(32, 8, dtype=torch.float8_e4m3fn)}, "float8_e4m3fn"),
        ({"transformer.h.0.lora_A.weight": torch.zeros(8, 32)}, "keys must be"),
        ({"model.layers.1.self_attn.o_proj.lora_A.weight": torch.zeros(8, 32)}, "keys must be"),
        ({f"{KEY}.lora_magnitude_vector": torch.zeros(32)}, "lora_magnitude_vector"),
        (
            {f"{KEY}x.lora_A.weight": torch.zeros(8, 32), f"{KEY}x.lora_B.weight": torch.zeros(32, 8)},
            f"{SITE}x is no linear",
        ),
        ({f"{KEY}.lora_A.weight": None, f"{KEY}.lora_B.weight": None}, f"{SITE} is configured, but has no pair"),
        (
            {f"{KEY}.lora_A.weight": torch.zeros(16, 32), f"{KEY}.lora_B.weight": torch.zeros(32, 16)},
            r"one rank, got \[8, 16\].*configured rank 8, got 16",
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:40],
)
def test_a_folder_with_bad_tensors_is_refused(
    change: dict[str, torch.Tensor | None], reason: str, base: BaseModel, folder: Path
) -> None:
    rewrite(folder, change)
    with pytest.raises(UnsafeAdapterError, match=reason):
        check_folder(folder, base)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lora_alpha": 16}, "lora_alpha must equal r"),
        ({"use_rslora": True}, "use_rslora must be false"),
        ({"rank_pattern": {"o_proj": 8}}, "rank_pattern and alpha_pattern must be empty"),
        ({"alpha_pattern": {"o_proj": 8}}, "rank_pattern and alpha_pattern must be empty"),
        ({"target_modules": ".*o_proj"}, "target_modules must be a list"),
        ({"target_modules": ["o_proj"]}, "the configuration leaves it out"),
        ({"bias": "all"}, "bias 'all'"),
        ({"use_dora": True}, "use_dora True"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"r": 16, "lora_alpha": 16}, "configured rank 16, got 8"),
    ],
    ids=str,
)
def test_a_folder_outside_the_export_rule_is_refused(
    change: dict[str, Any], reason: str, base: BaseModel, folder: Path
) -> None:
    path = folder / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UnsafeAdapterError, match=reason):
        check_folder(folder, base)


def test_a_file_that_is_cut_anywhere_is_refused(base: BaseModel, folder: Path) -> None:
    whole = (folder / WEIGHTS_FILE).read_bytes()
    for kept in range(0, len(whole), 997):
        (folder / WEIGHTS_FILE).write_bytes(whole[:kept])
        with pytest.raises(UnsafeAdapterError, match="not a whole safetensors file"):
            check_folder(folder, base)


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04 a pickle in a zip", b"\x80\x02}q\x00.", b"GGUF" + bytes(100), bytes(64)]
)
def test_a_file_of_another_format_is_refused(content: bytes, base: BaseModel, folder: Path) -> None:
    (folder / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(UnsafeAdapterError, match="not a whole safetensors file"):
        check_folder(folder, base)


def test_a_folder_with_other_digests_is_refused_with_both(base: BaseModel, folder: Path) -> None:
    with pytest.raises(UnsafeAdapterError, match=r"the adapter was made for the base .*must have sha256"):
        check_folder(folder, base, manifest_base_digest="0" * 64, weights_sha256="1" * 64)


def test_a_folder_for_another_architecture_is_refused(folder: Path) -> None:
    with pytest.raises(UnsafeAdapterError, match=f"{SITE} is no linear"):
        check_folder(folder, tiny_base("gpt_neox"))


def test_missing_files_and_folders_are_named(base: BaseModel, folder: Path) -> None:
    (folder / WEIGHTS_FILE).rename(folder / "adapter_model.bin")
    (folder / CONFIG_FILE).unlink()
    with pytest.raises(UnsafeAdapterError, match=r"adapter_model\.bin.*adapter_config\.json"):
        check_folder(folder, base)
    with pytest.raises(InputError, match="no adapter folder"):
        check_folder(folder / "none", base)


# ---------------------------------------------------------------------------------------------------------- the measure


@pytest.mark.parametrize("shape", [(32, 32), (48, 32), (7, 100), (1, 5)])
def test_the_spectral_norm_is_right_within_a_few_percent(shape: tuple[int, int]) -> None:
    weight_OI = torch.randn(shape)
    exact = float(torch.linalg.matrix_norm(weight_OI, ord=2))
    assert 0.95 * exact < spectral_norm(weight_OI) < 1.0001 * exact
    assert spectral_norm(torch.zeros(shape)) == 0.0
