"""Checkpoints: safetensors shards of at most 16 MiB, resumable on any device.

A checkpoint is a folder ``step-<n>``: the generator's tensors and AdamW's two moments, in shards, and
``training.json`` with the step, tokens and seconds so far, the configuration, the settings and the shards' sha256.
It appears whole or not at all; resuming takes the newest one.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters_core.canonical import file_sha256
from adapters_core.errors import IntegrityError, MismatchError
from adapters_core.modeling.generator import Generator
from adapters_core.storage import atomic_folder

SHARD_BYTES = 16 * 2**20 - 2**16
"""Below 16 MiB with room for the header."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is."""

    step: int = 0
    tokens: int = 0
    """Tokens processed, padding not counted."""
    seconds: float = 0.0
    """Time trained, pauses not counted."""


def save_checkpoint(
    folder: Path,
    generator: Generator,
    optimizer: torch.optim.AdamW,
    progress: Progress,
    *,
    description: Mapping[str, object],
    dtype: torch.dtype = torch.float32,
    keep: int = 2,
) -> Path:
    """Write ``folder/step-<n>`` and drop all but the newest ``keep``.

    Args:
        folder: of the run.
        generator: the trained part.
        optimizer: its AdamW.
        progress: how far the run is.
        description: configuration and settings, for people and for checks at resume.
        dtype: float32 resumes exactly; bfloat16 halves the bytes twice over.
        keep: checkpoints kept.

    Raises:
        StorageError: it could not be written; the earlier ones are still there.
    """
    target = folder / f"step-{progress.step:07d}"
    tensors = dict(_tensors(generator, optimizer))
    with atomic_folder(target, replace=True) as staging:
        digests = {}
        for index, shard in enumerate(_shards(tensors, dtype)):
            name = f"shard-{index:02d}.safetensors"
            save_file(shard, staging / name, metadata={"format": "pt"})
            digests[name] = file_sha256(staging / name)
        record = {
            **description,
            "config": generator.config.to_json(),
            "base_digest": generator.base_digest,
            "progress": asdict(progress),
            "shards": digests,
        }
        (staging / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    _prune(folder, keep)
    return target


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint of a run, None where there is none."""
    found = sorted(folder.glob("step-*/training.json"))
    return found[-1].parent if found else None


def load_checkpoint(checkpoint: Path, generator: Generator, optimizer: torch.optim.AdamW | None = None) -> Progress:
    """Fill a generator (and its optimizer's moments) from a checkpoint.

    Raises:
        IntegrityError: a shard is missing, truncated or changed.
        MismatchError: it is of another configuration or base.
    """
    try:
        record = json.loads((checkpoint / "training.json").read_text())
        tensors: dict[str, Tensor] = {}
        for name, digest in record["shards"].items():
            if file_sha256(checkpoint / name) != digest:
                raise IntegrityError(f"{checkpoint.name}/{name} must have sha256 {digest}: it was changed or cut short")
            tensors |= load_file(checkpoint / name)
    except (OSError, KeyError, json.JSONDecodeError, SafetensorError) as error:
        raise IntegrityError(f"{checkpoint} is no whole checkpoint: {error}") from error
    if record["config"] != generator.config.to_json():
        raise MismatchError(f"{checkpoint.name} has the configuration {record['config']}, this run has another")
    if record["base_digest"] != generator.base_digest:
        raise MismatchError(f"{checkpoint.name} was trained on the base {record['base_digest'][:16]}, this is another")
    generator.load_site_tensors({k[2:]: v for k, v in tensors.items() if k.startswith("g.")})
    progress = Progress(**record["progress"])
    if optimizer is not None:
        _load_moments(generator, optimizer, tensors, progress.step)
    return progress


def _tensors(generator: Generator, optimizer: torch.optim.AdamW) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in generator.named_site_tensors():
        yield f"g.{name}", tensor
    for name, parameter in generator.named_parameters():
        for moment in ("exp_avg", "exp_avg_sq"):
            if parameter in optimizer.state:
                for row, part in enumerate(optimizer.state[parameter][moment]):
                    yield f"{moment}.{name}.{row}", part


def _load_moments(
    generator: Generator, optimizer: torch.optim.AdamW, tensors: Mapping[str, Tensor], step: int
) -> None:
    for name, parameter in generator.named_parameters():
        state: dict[str, Tensor] = {"step": torch.tensor(float(step))}
        for moment in ("exp_avg", "exp_avg_sq"):
            rows = [tensors.get(f"{moment}.{name}.{row}") for row in range(parameter.shape[0])]
            if any(row is None for row in rows):
                return  # a checkpoint of step 0 has no moments yet
            state[moment] = torch.stack([r for r in rows if r is not None]).to(parameter.device, parameter.dtype)
        optimizer.state[parameter] = state


def _shards(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> Iterator[dict[str, Tensor]]:
    shard: dict[str, Tensor] = {}
    size = 0
    for name, tensor in tensors.items():
        stored = tensor.detach().to("cpu", dtype).contiguous().clone()
        nbytes = stored.numel() * stored.element_size()
        if shard and size + nbytes > SHARD_BYTES:
            yield shard
            shard, size = {}, 0
        shard[name] = stored
        size += nbytes
    if shard:
        yield shard


def _prune(folder: Path, keep: int) -> None:
    for old in sorted(folder.glob("step-*"))[:-keep]:
        for path in old.iterdir():
            path.unlink()
        old.rmdir()
