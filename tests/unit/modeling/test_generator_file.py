"""A generator on disk: whole, of its base, and what its digest says, or refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters_core.errors import InputError, IntegrityError, MismatchError, NumericalError, RingiError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.generator_file import load_generator, save_generator
from tests.tiny_model import tiny_base, tiny_config, tiny_generator

NAME = "layers.1.o_proj.key"


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


@pytest.fixture
def path(base: BaseModel, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_generator(tiny_generator(base), path)
    return path


def rewrite(path: Path, tensors: dict[str, Tensor] | None = None, **metadata: str | None) -> None:
    """The same file with some tensors or metadata changed (None: taken out)."""
    with safe_open(path, framework="pt") as file:
        kept = {**file.metadata(), **metadata}
    changed = {**load_file(path), **(tensors or {})}
    save_file(changed, path, metadata={name: value for name, value in kept.items() if value is not None})


def reseal(path: Path, base: BaseModel, tensors: dict[str, Tensor]) -> None:
    """The same file with other tensors, and with the digest that fits them: damaged before it was written."""
    generator = Generator(tiny_config(), base)
    everything = {**load_file(path), **tensors}
    rewrite(path, tensors, digest=generator.digest_as(everything))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_generator_comes_back_as_it_was_stored(base: BaseModel, tmp_path: Path, dtype: torch.dtype) -> None:
    generator = tiny_generator(base)
    path = tmp_path / "deep" / "tiny.safetensors"

    digest = save_generator(generator, path, dtype=dtype)
    loaded = load_generator(path, base)

    assert loaded.digest() == digest
    assert loaded.config == generator.config
    for name, tensor in generator.named_site_tensors():
        assert torch.equal(dict(loaded.named_site_tensors())[name], tensor.to(dtype))


def test_equal_generators_give_equal_bytes(base: BaseModel, tmp_path: Path) -> None:
    """Metadata included, whose order safetensors draws anew for every file."""
    files = set()
    for _ in range(8):
        save_generator(tiny_generator(base), tmp_path / "tiny.safetensors")
        files.add((tmp_path / "tiny.safetensors").read_bytes())

    (data,) = files
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert list(header["__metadata__"]) == ["base_digest", "config", "digest", "format", "ringi"]
    assert length % 8 == 0


def test_writing_again_replaces_the_file_and_leaves_nothing_else(base: BaseModel, path: Path) -> None:
    digest = save_generator(tiny_generator(base, seed=8), path)

    assert load_generator(path, base).digest() == digest
    assert [entry.name for entry in path.parent.iterdir()] == ["tiny.safetensors"]


def test_a_generator_for_another_base_is_refused(path: Path) -> None:
    with pytest.raises(MismatchError, match="use the base it was trained on"):
        load_generator(path, tiny_base(seed=3))


def test_a_generator_can_be_taken_to_another_base_of_the_same_shapes_on_request(base: BaseModel, path: Path) -> None:
    other = tiny_base(seed=3)

    taken = load_generator(path, other, any_base=True)

    assert taken.base_digest == other.digest
    stored = load_generator(path, base)
    assert torch.equal(taken.key_NKD, stored.key_NKD)
    assert taken.digest() != stored.digest()


def test_a_changed_tensor_is_refused_for_any_base(base: BaseModel, path: Path) -> None:
    rewrite(path, {NAME: load_file(path)[NAME] + 0.5})

    for other in (base, tiny_base(seed=3)):
        with pytest.raises(IntegrityError, match="it was changed"):
            load_generator(path, other, any_base=True)


@pytest.mark.parametrize("keep", [0, 7, 300, 20_000, -1])
def test_a_truncated_file_is_refused(base: BaseModel, path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(IntegrityError, match="not a whole safetensors file"):
        load_generator(path, base)


def test_every_flipped_byte_is_noticed(base: BaseModel, path: Path) -> None:
    """Wherever a byte changes, loading fails with an error of ours, or (in padding) gives the same generator."""
    whole, digest = path.read_bytes(), load_generator(path, base).digest()
    refused = 0
    for place in range(0, len(whole), len(whole) // 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        try:
            assert load_generator(path, base).digest() == digest
        except RingiError:
            refused += 1

    assert refused > 90


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"digest": "0" * 64}, "it was changed"),
        ({"base_digest": "0" * 64}, "it was changed"),
        ({"ringi": "ringi-generator-9"}, "its metadata say 'ringi-generator-9'"),
        ({"ringi": None}, "must be a generator"),
        ({"config": None}, "must be a generator"),
        ({"config": "{"}, "must hold a generator's configuration"),
        ({"config": "[1]"}, "must hold a generator's configuration"),
        ({"config": '{"rank": 0}'}, "must hold a generator's configuration"),
        ({"config": '{"surprise": 1}'}, "unknown fields"),
    ],
)
def test_changed_metadata_are_refused(base: BaseModel, path: Path, metadata: dict[str, str], message: str) -> None:
    rewrite(path, None, **metadata)

    with pytest.raises(IntegrityError, match=message):
        load_generator(path, base)


def test_a_changed_configuration_is_refused_before_anything_is_made_of_it(base: BaseModel, path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
    rewrite(path, config=json.dumps(config | {"key_size": 2**40, "value_size": 2**40}))

    with pytest.raises(IntegrityError, match="it was changed"):
        load_generator(path, base)


def test_a_file_of_other_tensors_is_no_generator(base: BaseModel, tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "other.safetensors")

    with pytest.raises(IntegrityError, match="must be a generator"):
        load_generator(tmp_path / "other.safetensors", base)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(base: BaseModel, path: Path, bad: float) -> None:
    reseal(path, base, {NAME: load_file(path)[NAME].index_fill(0, torch.tensor([2]), bad)})

    with pytest.raises(NumericalError, match=f"{NAME} must be finite"):
        load_generator(path, base)


def test_a_tensor_of_another_shape_or_name_is_refused(base: BaseModel, path: Path) -> None:
    whole = path.read_bytes()
    reseal(path, base, {NAME: torch.ones(3, 3, dtype=torch.bfloat16)})
    with pytest.raises(MismatchError, match="must have shape"):
        load_generator(path, base)

    path.write_bytes(whole)
    reseal(path, base, {"surprise": torch.ones(3, dtype=torch.bfloat16)})
    with pytest.raises(MismatchError, match="does not have"):
        load_generator(path, base)


def test_a_generator_that_is_not_there_is_named(base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no generator at"):
        load_generator(tmp_path / "none.safetensors", base)
