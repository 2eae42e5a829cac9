"""Checkpoints: safetensors shards of at most 16 MiB (a single tensor above that has its own), for any device.

A checkpoint is a folder ``step-<n>``: the generator's tensors and AdamW's two moments, in shards, and
``training.json`` with the step, tokens and seconds so far, the configuration, the settings and the shards' sha256.
It appears whole or not at all; resuming takes the newest one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters_core.canonical import file_sha256
from adapters_core.config import GeneratorConfig
from adapters_core.errors import ConfigError, InputError, IntegrityError, MismatchError, StorageError
from adapters_core.modeling.generator import Generator
from adapters_core.storage import atomic_folder
from adapters_core.training.settings import TrainingSettings

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

    def share_of(self, settings: TrainingSettings) -> float:
        """How much of a run is done, by its limit that is nearest; at least 1 where it has ended."""
        shares = [self.step / settings.max_steps]
        if settings.time_limit_s:
            shares.append(self.seconds / settings.time_limit_s)
        if settings.token_limit:
            shares.append(self.tokens / settings.token_limit)
        return max(shares)


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
        dtype: float32 resumes exactly; bfloat16 takes half the bytes.
        keep: checkpoints kept, at least 1.

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
            "optimizer_steps": _steps_taken(optimizer),
            "shards": digests,
        }
        (staging / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    try:
        _prune(folder, keep)
    except OSError as error:
        raise StorageError(f"{target} is written, but older checkpoints could not be removed: {error}") from error
    return target


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint of a run, None where there is none."""
    found = sorted(folder.glob("step-*/training.json"))
    return found[-1].parent if found else None


def load_checkpoint(checkpoint: Path, generator: Generator, optimizer: torch.optim.AdamW | None = None) -> Progress:
    """Fill a generator (and its optimizer's moments) from a checkpoint.

    Raises:
        IntegrityError: a shard is missing, truncated or changed; nothing is filled in.
        MismatchError: it is of another configuration or base (the rank alone may differ: no tensor depends on it).
    """
    progress, steps, tensors = _read(checkpoint, generator)
    moments = {} if optimizer is None else _moments(generator, tensors, steps)
    generator.load_site_tensors(_trained(tensors))
    if optimizer is not None:
        optimizer.state.update(moments)
    return progress


def config_of(checkpoint: Path) -> GeneratorConfig:
    """The configuration of the generator that a checkpoint is of.

    Raises:
        IntegrityError: it is no whole checkpoint.
    """
    return _recorded(checkpoint).config


def load_average(checkpoints: Sequence[Path], generator: Generator) -> None:
    """Fill a generator with the mean of several checkpoints' tensors.

    What single steps added by chance is averaged out (Polyak and Juditsky 1992; across runs: Wortsman et al. 2022).

    Raises:
        InputError: no checkpoint.
        IntegrityError, MismatchError: as in :func:`load_checkpoint`; nothing is filled in.
    """
    if not checkpoints:
        raise InputError("an average needs at least one checkpoint, got none")
    total: dict[str, Tensor] = {}
    for checkpoint in checkpoints:
        for name, tensor in _trained(_read(checkpoint, generator)[2]).items():
            total[name] = total.get(name, 0) + tensor.double() / len(checkpoints)
    generator.load_site_tensors(total)


def _trained(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The generator's own tensors among those of a checkpoint, by their names in it."""
    return {name[2:]: tensor for name, tensor in tensors.items() if name.startswith("g.")}


@dataclass(frozen=True, kw_only=True)
class _Recorded:
    """What ``training.json`` says of a checkpoint."""

    config: GeneratorConfig
    base_digest: str
    progress: Progress
    optimizer_steps: int
    shards: Mapping[str, str]
    """Name -> sha256."""


def _recorded(checkpoint: Path) -> _Recorded:
    with _whole(checkpoint):
        record = json.loads((checkpoint / "training.json").read_text())
        progress = Progress(**record["progress"])
        return _Recorded(
            config=GeneratorConfig.from_json(record["config"]),
            base_digest=record["base_digest"],
            progress=progress,
            optimizer_steps=int(record.get("optimizer_steps", progress.step)),
            shards=dict(record["shards"].items()),
        )


@contextmanager
def _whole(checkpoint: Path) -> Iterator[None]:
    """What fails inside says that a checkpoint is damaged."""
    try:
        yield
    except (OSError, KeyError, TypeError, AttributeError, ValueError, SafetensorError, ConfigError) as error:
        raise IntegrityError(f"{checkpoint} is no whole checkpoint: {error!r}; take another one") from error


def _read(checkpoint: Path, generator: Generator) -> tuple[Progress, int, dict[str, Tensor]]:
    """Progress, AdamW's steps and all tensors of a checkpoint of this generator's configuration and base."""
    record = _recorded(checkpoint)
    tensors: dict[str, Tensor] = {}
    with _whole(checkpoint):
        for name, digest in record.shards.items():
            if file_sha256(checkpoint / name) != digest:
                raise IntegrityError(f"{checkpoint.name}/{name} must have sha256 {digest}: it was changed or cut short")
            tensors |= load_file(checkpoint / name)
    if differing := _differing(record.config.to_json(), generator.config.to_json()):
        raise MismatchError(f"{checkpoint.name} was trained with another {', '.join(differing)} than this run has")
    if record.base_digest != generator.base_digest:
        raise MismatchError(f"{checkpoint.name} was trained on the base {record.base_digest[:16]}, this is another")
    return record.progress, record.optimizer_steps, tensors


def _differing(stored: Mapping[str, object], wanted: Mapping[str, object]) -> list[str]:
    names = sorted((stored.keys() | wanted.keys()) - {"rank"})
    return [
        f"{name} ({stored.get(name)}, not {wanted.get(name)})" for name in names if stored.get(name) != wanted.get(name)
    ]


def _tensors(generator: Generator, optimizer: torch.optim.AdamW) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in generator.named_site_tensors():
        yield f"g.{name}", tensor
    for name, parameter in generator.named_parameters():
        for moment in ("exp_avg", "exp_avg_sq"):
            if parameter in optimizer.state:
                for row, part in enumerate(optimizer.state[parameter][moment]):
                    yield f"{moment}.{name}.{row}", part


def _steps_taken(optimizer: torch.optim.AdamW) -> int:
    """Steps that AdamW has taken: fewer than the run's where steps were skipped (their gradient was not finite)."""
    return max((int(state["step"]) for state in optimizer.state.values()), default=0)


def _moments(generator: Generator, tensors: Mapping[str, Tensor], steps: int) -> dict[Tensor, dict[str, Tensor]]:
    found: dict[Tensor, dict[str, Tensor]] = {}
    if steps == 0:
        return found  # no step was taken yet: there are no moments
    for name, parameter in generator.named_parameters():
        state: dict[str, Tensor] = {"step": torch.tensor(float(steps))}
        for moment in ("exp_avg", "exp_avg_sq"):
            try:
                rows = [tensors[f"{moment}.{name}.{row}"] for row in range(parameter.shape[0])]
            except KeyError as error:
                raise IntegrityError(f"a checkpoint after {steps} steps must hold {error} of the optimizer") from error
            state[moment] = torch.stack(rows).to(parameter.device, parameter.dtype)
        found[parameter] = state
    return found


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
    for old in sorted(folder.glob("step-*"))[: -max(1, keep)]:
        for path in old.iterdir():
            path.unlink()
        old.rmdir()
