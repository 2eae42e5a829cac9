"""Checkpoints: what was saved comes back, whole, or is refused."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapters_core.canonical import file_sha256
from adapters_core.errors import InputError, IntegrityError, MismatchError, StorageError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.training.checkpoint import (
    Progress,
    config_of,
    latest_checkpoint,
    load_average,
    load_checkpoint,
    save_checkpoint,
)
from tests.tiny_model import tiny_base, tiny_config, tiny_generator
from tests.tiny_training import weights

DONE = Progress(step=7, tokens=1234, seconds=5.5)


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


def optimizer_of(generator: Generator, *, steps: int = 0) -> torch.optim.AdamW:
    optimizer = torch.optim.AdamW(generator.parameters(), lr=1e-3)
    rng = torch.Generator().manual_seed(3)
    for _ in range(steps):
        for parameter in generator.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=rng)
        optimizer.step()
    optimizer.zero_grad()
    return optimizer


@pytest.fixture
def saved(base: BaseModel, tmp_path: Path) -> Path:
    generator = tiny_generator(base)
    return save_checkpoint(tmp_path / "run", generator, optimizer_of(generator, steps=3), DONE, description={"a": 1})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_generator_optimizer_and_progress_come_back(base: BaseModel, tmp_path: Path, dtype: torch.dtype) -> None:
    generator = tiny_generator(base)
    optimizer = optimizer_of(generator, steps=3)
    checkpoint = save_checkpoint(tmp_path, generator, optimizer, DONE, description={}, dtype=dtype)
    fresh = Generator(tiny_config(), base)
    restored = optimizer_of(fresh)

    assert load_checkpoint(checkpoint, fresh, restored) == DONE

    wanted = weights(generator)
    for name, tensor in weights(fresh).items():
        assert torch.equal(tensor, wanted[name].to(dtype).float())
    for old, new in zip(generator.parameters(), fresh.parameters(), strict=True):
        for moment in ("exp_avg", "exp_avg_sq"):
            assert torch.equal(restored.state[new][moment], optimizer.state[old][moment].to(dtype).float())
        assert float(restored.state[new]["step"]) == 3


def test_a_restored_optimizer_takes_the_same_next_step(base: BaseModel, saved: Path) -> None:
    through, fresh = tiny_generator(base), Generator(tiny_config(), base)
    optimizer, restored = optimizer_of(through, steps=3), optimizer_of(fresh)
    load_checkpoint(saved, fresh, restored)

    for generator, stepping in ((through, optimizer), (fresh, restored)):
        for parameter in generator.parameters():
            parameter.grad = torch.ones_like(parameter)
        stepping.step()

    assert all(torch.equal(a, b) for a, b in zip(through.parameters(), fresh.parameters(), strict=True))


def test_a_checkpoint_of_no_steps_has_no_moments(base: BaseModel, tmp_path: Path) -> None:
    generator = tiny_generator(base)
    checkpoint = save_checkpoint(tmp_path, generator, optimizer_of(generator), Progress(), description={})
    fresh = Generator(tiny_config(), base)
    restored = optimizer_of(fresh)

    assert load_checkpoint(checkpoint, fresh, restored) == Progress()
    assert not restored.state


def test_the_record_says_what_it_is(saved: Path, base: BaseModel) -> None:
    record = json.loads((saved / "training.json").read_text())

    assert record["a"] == 1
    assert record["config"] == tiny_config().to_json()
    assert record["base_digest"] == base.digest
    assert record["progress"] == {"step": 7, "tokens": 1234, "seconds": 5.5}
    assert saved.name == "step-0000007"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shards_are_below_16_mib(base: BaseModel, tmp_path: Path, dtype: torch.dtype) -> None:
    generator = Generator(tiny_config(key_size=2000, value_size=2000, target_modules=("o_proj",)), base)
    optimizer = optimizer_of(generator, steps=1)

    checkpoint = save_checkpoint(tmp_path, generator, optimizer, DONE, description={}, dtype=dtype)

    sizes = [path.stat().st_size for path in checkpoint.glob("*.safetensors")]
    expected = 3 * torch.tensor([], dtype=dtype).element_size() * sum(p.numel() for p in generator.parameters())
    assert len(sizes) > 1 or expected < 2**24
    assert max(sizes) < 2**24
    assert sum(sizes) == pytest.approx(expected, rel=0.01)
    fresh = Generator(generator.config, base)
    assert load_checkpoint(checkpoint, fresh, optimizer_of(fresh)) == DONE


def test_the_newest_checkpoint_is_found_and_older_ones_go(base: BaseModel, tmp_path: Path) -> None:
    generator = tiny_generator(base)
    assert latest_checkpoint(tmp_path) is None

    for step in (9, 10, 100):
        save_checkpoint(tmp_path, generator, optimizer_of(generator), Progress(step=step), description={}, keep=2)

    newest = latest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.name == "step-0000100"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000010", "step-0000100"]


def test_saving_a_step_again_replaces_it(base: BaseModel, saved: Path) -> None:
    other = tiny_generator(base, seed=5)

    save_checkpoint(saved.parent, other, optimizer_of(other), DONE, description={})

    fresh = Generator(tiny_config(), base)
    load_checkpoint(saved, fresh)
    assert all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(fresh).items())


def refused(base: BaseModel, checkpoint: Path, message: str) -> None:
    """Loading fails, and fills in nothing."""
    fresh = Generator(tiny_config(), base)
    optimizer, before = optimizer_of(fresh), fresh.digest()
    with pytest.raises(IntegrityError, match=message):
        load_checkpoint(checkpoint, fresh, optimizer)
    assert fresh.digest() == before
    assert not optimizer.state


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_truncated_shard_is_refused(base: BaseModel, saved: Path, keep: int) -> None:
    shard = saved / "shard-00.safetensors"
    shard.write_bytes(shard.read_bytes()[:keep])

    refused(base, saved, r"shard-00\.safetensors must have sha256")


def test_a_changed_byte_is_refused(base: BaseModel, saved: Path) -> None:
    shard = saved / "shard-00.safetensors"
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    shard.write_bytes(data)

    refused(base, saved, "it was changed or cut short")


def test_a_missing_shard_is_refused(base: BaseModel, saved: Path) -> None:
    (saved / "shard-00.safetensors").unlink()

    refused(base, saved, "no whole checkpoint")


@pytest.mark.parametrize(
    "record", ["", "{", "[]", "{}", '{"shards": {}}', '{"shards": [], "progress": {}, "config": {}, "base_digest": ""}']
)
def test_a_damaged_record_is_refused(base: BaseModel, saved: Path, record: str) -> None:
    (saved / "training.json").write_text(record)

    refused(base, saved, "no whole checkpoint")


def test_a_record_with_an_unknown_progress_is_refused(base: BaseModel, saved: Path) -> None:
    record = json.loads((saved / "training.json").read_text())
    (saved / "training.json").write_text(json.dumps(record | {"progress": {"surprise": 1}}))

    refused(base, saved, "no whole checkpoint")


def test_a_checkpoint_without_its_moments_is_refused(base: BaseModel, saved: Path) -> None:
    record = json.loads((saved / "training.json").read_text())
    shard = saved / "shard-00.safetensors"
    save_file({name: t for name, t in load_file(shard).items() if name.startswith("g.")}, shard)
    (saved / "training.json").write_text(json.dumps(record | {"shards": {shard.name: file_sha256(shard)}}))

    refused(base, saved, "must hold 'exp_avg")


def test_resuming_with_another_configuration_or_base_is_refused(base: BaseModel, saved: Path) -> None:
    with pytest.raises(MismatchError, match="was trained with another "):
        load_checkpoint(saved, Generator(tiny_config(alpha=9.0), base))
    with pytest.raises(MismatchError, match="was trained on the base"):
        load_checkpoint(saved, Generator(tiny_config(), tiny_base(seed=6)))


def test_resuming_with_fewer_directions_keeps_all_that_was_trained(base: BaseModel, saved: Path) -> None:
    generator = tiny_generator(base)
    whole = generator.config.rank
    generator.keep_rank(whole - 1)

    load_checkpoint(saved, generator, optimizer_of(generator))

    again = tiny_generator(base, seed=7)
    load_checkpoint(saved, again, optimizer_of(again))
    stored = dict(again.named_site_tensors())
    assert all(torch.equal(tensor, stored[name]) for name, tensor in generator.named_site_tensors())
    assert (generator.config.rank, again.config.rank) == (whole - 1, whole)


def test_a_write_that_fails_keeps_the_checkpoints_before(
    base: BaseModel, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = tiny_generator(base)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="No space left on device"):
        save_checkpoint(saved.parent, generator, optimizer_of(generator), replace(DONE, step=8), description={})

    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    load_checkpoint(saved, Generator(tiny_config(), base))


def test_old_checkpoints_that_cannot_be_removed_are_reported_once_the_new_one_is_there(
    base: BaseModel, saved: Path
) -> None:
    (saved.with_name("step-0000001") / "somebody's folder").mkdir(parents=True)
    generator = tiny_generator(base)

    with pytest.raises(StorageError, match="step-0000008 is written, but older checkpoints could not be removed"):
        save_checkpoint(saved.parent, generator, optimizer_of(generator), replace(DONE, step=8), description={}, keep=1)

    assert load_checkpoint(saved.with_name("step-0000008"), Generator(tiny_config(), base)).step == 8


def test_an_average_is_the_mean_of_the_checkpoints(base: BaseModel, saved: Path) -> None:
    generator = Generator(tiny_config(), base)
    load_checkpoint(saved, generator)
    first = weights(generator)
    optimizer_of(generator, steps=5)
    second = weights(generator)
    other = save_checkpoint(saved.parent, generator, optimizer_of(generator), replace(DONE, step=8), description={})
    found = Generator(config_of(saved), base)

    load_average([saved, saved, other], found)

    for name, tensor in weights(found).items():
        torch.testing.assert_close(tensor, (2 * first[name] + second[name]) / 3, atol=1e-6, rtol=1e-6)
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_an_average_with_a_damaged_checkpoint_fills_nothing(base: BaseModel, saved: Path, tmp_path: Path) -> None:
    generator = Generator(tiny_config(), base)
    before = weights(generator)
    other = tmp_path / "run" / "step-0000009"
    other.mkdir()
    (other / "training.json").write_text("{}")

    for checkpoints, error in (([saved, other], IntegrityError), ([], InputError)):
        with pytest.raises(error):
            load_average(checkpoints, generator)
    with pytest.raises(IntegrityError, match="no whole checkpoint"):
        config_of(other)

    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(generator).items())
