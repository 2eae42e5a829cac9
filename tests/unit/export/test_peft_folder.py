import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils.hotswap import hotswap_adapter
from safetensors.torch import load_file, save_file

from adapters_core.canonical import file_sha256
from adapters_core.errors import InputError, IntegrityError, NumericalError, RingiError, StorageError
from adapters_core.export.peft_folder import CONFIG_FILE, WEIGHTS_FILE, read_peft_folder, write_peft_files
from adapters_core.export.peft_format import from_peft_tensors, peft_config, to_peft_tensors
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pair, Pairs
from tests.random_adapter import every_target, logits, random_pairs, token_ids
from tests.tiny_model import ARCHITECTURES, tiny_base

TOLERANCE = 1e-5

# PEFT 0.21 asks transformers 5 for a property by its old name; every other warning stays an error.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def in_peft(base: BaseModel, folder: Path) -> PeftModel:
    """PEFT around a copy of the base; pytest turns PEFT's warning of missing keys into an error."""
    return PeftModel.from_pretrained(copy.deepcopy(base.model), folder).eval()


@torch.no_grad()
def peft_logits(model: PeftModel) -> torch.Tensor:
    output: torch.Tensor = model(token_ids()).logits
    return output


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


@pytest.fixture
def folder(base: BaseModel, tmp_path: Path) -> Path:
    """A good adapter's folder, to be damaged."""
    write_peft_files(tmp_path, random_pairs(base, ("o_proj", "down_proj")), base_name="tiny")
    return tmp_path


# ------------------------------------------------------------------------------------------------------ PEFT reads it


@pytest.mark.parametrize("layers", [None, (0, 1), (1,), (0, 2)], ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("every", [False, True], ids=["default targets", "every linear"])
def test_peft_gives_our_logits(
    architecture: str, layers: tuple[int, ...] | None, *, every: bool, tmp_path: Path
) -> None:
    base = tiny_base(architecture)
    targets = every_target(base) if every else ARCHITECTURES[architecture][1]
    pairs = random_pairs(base, targets, layers=layers, size=2.0)
    write_peft_files(tmp_path, pairs, base_name="tiny")
    ours = logits(base, pairs)
    assert (ours - logits(base)).abs().max() > 0.05
    assert (peft_logits(in_peft(base, tmp_path)) - ours).abs().max() < TOLERANCE


@pytest.mark.parametrize("rank", [1, 3, 8, 12])
def test_peft_gives_our_logits_for_ranks_that_are_widened(rank: int, base: BaseModel, tmp_path: Path) -> None:
    pairs = random_pairs(base, ("q_proj", "v_proj", "up_proj"), rank=rank)
    write_peft_files(tmp_path, pairs, base_name="tiny")
    assert (peft_logits(in_peft(base, tmp_path)) - logits(base, pairs)).abs().max() < TOLERANCE


def test_peft_gives_our_logits_where_layers_have_different_targets(base: BaseModel, tmp_path: Path) -> None:
    pairs = random_pairs(base, ("o_proj",), layers=(0, 1)) | random_pairs(base, ("down_proj",), layers=(1, 2))
    write_peft_files(tmp_path, pairs, base_name="tiny")
    assert (peft_logits(in_peft(base, tmp_path)) - logits(base, pairs)).abs().max() < TOLERANCE


def test_peft_complains_about_wrong_keys(folder: Path, base: BaseModel) -> None:
    tensors = load_file(folder / WEIGHTS_FILE)
    renamed = {key.replace("o_proj", "o_projection"): tensor for key, tensor in tensors.items()}
    save_file(renamed, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    with pytest.raises(UserWarning, match="missing adapter keys"):
        in_peft(base, folder)


def test_hotswap_gives_the_second_adapters_logits(base: BaseModel, tmp_path: Path) -> None:
    first, second = (random_pairs(base, ("o_proj", "down_proj"), seed=seed, rank=8 - seed) for seed in (1, 2))
    for name, pairs in {"first": first, "second": second}.items():
        (tmp_path / name).mkdir()
        write_peft_files(tmp_path / name, pairs, base_name="tiny")
    model = in_peft(base, tmp_path / "first")
    assert (peft_logits(model) - logits(base, first)).abs().max() < TOLERANCE
    hotswap_adapter(model, str(tmp_path / "second"), adapter_name="default", torch_device="cpu")
    assert (peft_logits(model) - logits(base, second)).abs().max() < TOLERANCE
    assert (logits(base, second) - logits(base, first)).abs().max() > 0.05


# ----------------------------------------------------------------------------------------------------- round trips


@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20)), min_size=1, max_size=4),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_tensors_keep_every_delta(sizes: list[tuple[int, int, int]], dtype: torch.dtype) -> None:
    pairs = {
        f"model.layers.{layer}.mlp.up_proj": Pair(
            a_RI=torch.randn(rank, d_in).to(dtype), b_OR=torch.randn(d_out, rank).to(dtype)
        )
        for layer, (d_in, d_out, rank) in enumerate(sizes)
    }
    back = from_peft_tensors(to_peft_tensors(pairs, dtype=dtype))
    assert back.keys() == pairs.keys()
    assert len({pair.rank for pair in back.values()}) == 1
    for path, pair in pairs.items():
        rank = pair.rank
        assert torch.equal(back[path].a_RI[:rank], pair.a_RI)
        assert torch.equal(back[path].b_OR[:, :rank], pair.b_OR)
        assert not back[path].a_RI[rank:].any()
        assert not back[path].b_OR[:, rank:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_reading_gives_what_was_written(dtype: torch.dtype, base: BaseModel, tmp_path: Path) -> None:
    pairs = random_pairs(base, ("o_proj", "down_proj"))
    digest = write_peft_files(tmp_path, pairs, base_name="tiny", dtype=dtype)
    back, config = read_peft_folder(tmp_path)
    assert digest == file_sha256(tmp_path / WEIGHTS_FILE)
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (8, 8, "tiny")
    assert back.keys() == pairs.keys()
    for path, pair in pairs.items():
        assert torch.equal(back[path].a_RI, pair.a_RI.to(dtype))
        assert torch.equal(back[path].b_OR, pair.b_OR.to(dtype))


def test_writing_twice_gives_the_same_bytes(base: BaseModel, tmp_path: Path) -> None:
    pairs = random_pairs(base, ("o_proj", "down_proj"))
    backwards = dict(reversed(pairs.items()))
    written = []
    for name, order in {"one": pairs, "two": backwards}.items():
        (tmp_path / name).mkdir()
        write_peft_files(tmp_path / name, order, base_name="tiny")
        written.append([(tmp_path / name / file).read_bytes() for file in (WEIGHTS_FILE, CONFIG_FILE)])
    assert written[0] == written[1]


# ---------------------------------------------------------------------------------------- adapters of another origin


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 4, "lora_alpha": 16},
        {"r": 4, "lora_alpha": 16, "use_rslora": True},
        {"r": 4, "lora_alpha": 8, "rank_pattern": {"o_proj": 2}, "alpha_pattern": {"^model.layers.1.mlp.down_proj": 3}},
        {"r": 4, "lora_alpha": 2, "exclude_modules": ["model.layers.0.mlp.down_proj"]},
        {"r": 4, "lora_alpha": 2, "layers_to_transform": [1]},
    ],
    ids=str,
)
def test_a_foreign_lora_keeps_its_logits(settings: dict[str, Any], base: BaseModel, tmp_path: Path) -> None:
    config = LoraConfig(target_modules=["o_proj", "down_proj"], init_lora_weights=False, **settings)
    foreign = get_peft_model(copy.deepcopy(base.model), config).eval()
    foreign.save_pretrained(tmp_path / "foreign")
    pairs, _ = read_peft_folder(tmp_path / "foreign")
    assert (logits(base, pairs) - peft_logits(foreign)).abs().max() < TOLERANCE
    assert (logits(base, pairs) - logits(base)).abs().max() > 1e-3
    (tmp_path / "ours").mkdir()
    write_peft_files(tmp_path / "ours", pairs, base_name="tiny")
    assert (peft_logits(in_peft(base, tmp_path / "ours")) - peft_logits(foreign)).abs().max() < TOLERANCE


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "lora_only"}, "bias"),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
    ],
    ids=str,
)
def test_a_foreign_adapter_that_is_more_than_a_delta_is_refused_by_name(
    settings: dict[str, Any], named: str, base: BaseModel, tmp_path: Path
) -> None:
    config = LoraConfig(r=4, target_modules=["o_proj"], **settings)
    get_peft_model(copy.deepcopy(base.model), config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=named):
        read_peft_folder(tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"peft_type": "LOHA"}, "LOHA"),
        ({"init_lora_weights": "pissa"}, "pissa"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"lora_bias": True}, "lora_bias"),
        ({"some_later_field": {"a": 1}}, "some_later_field"),
        ({"alpha_pattern": {"(a+)+$": 1}}, r"\(a\+\)"),
        ({"use_dora": True, "bias": "all"}, "bias 'all'; use_dora True"),
    ],
    ids=str,
)
def test_a_configuration_that_cannot_be_represented_is_refused_by_name(
    changes: dict[str, Any], named: str, folder: Path
) -> None:
    edit_config(folder, **changes)
    with pytest.raises(InputError, match=named):
        read_peft_folder(folder)


# ---------------------------------------------------------------------------------------------------- damaged folders


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"r": 16}, "configured rank 16, got 8"),
        ({"r": 0}, "r must be a whole number of at least 1, got 0"),
        ({"r": True}, "r must be"),
        ({"r": None}, "r must be"),
        ({"lora_alpha": "8"}, "lora_alpha must be a finite number"),
        ({"lora_alpha": float("nan")}, "lora_alpha must be a finite number"),
        ({"use_rslora": "yes"}, "use_rslora must be true or false"),
        ({"rank_pattern": ["o_proj"]}, "rank_pattern must map"),
        ({"rank_pattern": {"o_proj": 4}}, "configured rank 4, got 8"),
        ({"target_modules": ["o_proj"]}, "down_proj has tensors, but the configuration leaves it out"),
        ({"target_modules": [1]}, "target_modules must be a list"),
        ({"layers_to_transform": [0, 1]}, "layers.2.mlp.down_proj has tensors, but"),
        ({"layers_to_transform": ["0"]}, "layers_to_transform must be indices"),
    ],
    ids=str,
)
def test_a_changed_configuration_is_refused(changes: dict[str, Any], message: str, folder: Path) -> None:
    edit_config(folder, **changes)
    with pytest.raises(IntegrityError, match=message):
        read_peft_folder(folder)


def test_a_truncated_file_is_refused_wherever_it_is_cut(folder: Path) -> None:
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        whole = (folder / name).read_bytes()
        for kept in {0, 1, 7, 8, 9, len(whole) // 3, len(whole) // 2, len(whole) - 3}:
            (folder / name).write_bytes(whole[:kept])
            with pytest.raises(IntegrityError, match=name):
                read_peft_folder(folder)
        (folder / name).write_bytes(whole)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(IntegrityError, match=name):
        read_peft_folder(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no adapter folder"):
        read_peft_folder(tmp_path / "none")


def test_weights_that_can_run_code_are_refused(folder: Path) -> None:
    (folder / WEIGHTS_FILE).rename(folder / "adapter_model.bin")
    with pytest.raises(InputError, match=r"adapter_model\.bin"):
        read_peft_folder(folder)


@pytest.mark.parametrize("content", ["[]", "3", "[" * 100_000])
def test_a_configuration_that_is_no_object_is_refused(content: str, folder: Path) -> None:
    (folder / CONFIG_FILE).write_text(content)
    with pytest.raises(IntegrityError, match=CONFIG_FILE):
        read_peft_folder(folder)


def with_tensors(folder: Path, change: dict[str, torch.Tensor | None]) -> None:
    tensors: dict[str, Any] = load_file(folder / WEIGHTS_FILE) | change
    save_file({key: t for key, t in tensors.items() if t is not None}, folder / WEIGHTS_FILE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"o_proj.lora_A.weight": None}, "only one of them"),
        ({"o_proj.lora_magnitude_vector": torch.ones(3)}, "lora_magnitude_vector"),
        ({"o_proj.lora_A.weight": torch.ones(8)}, r"got \(8,\)"),
        ({"o_proj.lora_A.weight": torch.ones(4, 32)}, r"got \(4, 32\) and \(32, 8\)"),
        ({"o_proj.lora_A.weight": torch.ones(0, 32), "o_proj.lora_B.weight": torch.ones(32, 0)}, r"\(0, 32\)"),
        ({"o_proj.lora_A.weight": torch.ones(8, 32, dtype=torch.int8)}, "int8"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_tensors_that_are_no_pairs_are_refused(
    change: dict[str, torch.Tensor | None], message: str, folder: Path
) -> None:
    prefix = "base_model.model.model.layers.1.self_attn."
    with_tensors(folder, {prefix + key: tensor for key, tensor in change.items()})
    with pytest.raises(IntegrityError, match=message):
        read_peft_folder(folder)


@given(position=st.integers(0, 600), value=st.integers(0, 255))
def test_a_changed_header_gives_an_error_of_ours_or_tensors(
    position: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "changed-header"
    folder.mkdir(exist_ok=True)
    pairs = {"model.layers.0.mlp.up_proj": Pair(a_RI=torch.ones(8, 4), b_OR=torch.ones(4, 8))}
    write_peft_files(folder, pairs, base_name="tiny")
    data = bytearray((folder / WEIGHTS_FILE).read_bytes())
    data[position % len(data)] = value
    (folder / WEIGHTS_FILE).write_bytes(data)
    with contextlib.suppress(RingiError):
        read_peft_folder(folder)


# -------------------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e6])
def test_nothing_is_written_where_a_factor_is_not_finite(bad: float, base: BaseModel, tmp_path: Path) -> None:
    pairs = random_pairs(base, ("o_proj",))
    next(iter(pairs.values())).b_OR[0, 0] = bad
    with pytest.raises(NumericalError, match="o_proj"):
        write_peft_files(tmp_path, pairs, base_name="tiny", dtype=torch.float16)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("pairs", "dtype", "error"),
    [
        ({}, torch.float32, IntegrityError),
        ({"model.layers.0.x": Pair(a_RI=torch.ones(300, 2), b_OR=torch.ones(2, 300))}, torch.float32, InputError),
        ({"model.layers.0.x": Pair(a_RI=torch.ones(3, 2), b_OR=torch.ones(2, 3))}, torch.float64, InputError),
    ],
    ids=["no pairs", "rank", "dtype"],
)
def test_nothing_is_written_where_the_rule_cannot_be_kept(
    pairs: Pairs, dtype: torch.dtype, error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        write_peft_files(tmp_path, pairs, base_name="tiny", dtype=dtype)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left"):
        write_peft_files(tmp_path, random_pairs(base, ("o_proj",)), base_name="tiny")
    assert not list(tmp_path.iterdir())


def test_the_configuration_names_modules_shortly_where_that_is_exact() -> None:
    config = peft_config([f"gpt_neox.layers.{n}.attention.dense" for n in (3, 1)], rank=8, base_name="tiny")
    assert config["target_modules"] == ["dense"]
    assert (config["layers_to_transform"], config["layers_pattern"]) == ([1, 3], "layers")
