"""A generator on disk: one safetensors file, its configuration and the base's digest in its metadata.

Tensor names are ``layers.<l>.<target>.<norm|key|value|input|output>``. The file's digest binds tensors, configuration
and base together; loading checks all of them before anything is filled in.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from adapters_core.canonical import canonical_bytes
from adapters_core.config import GeneratorConfig
from adapters_core.errors import ConfigError, InputError, IntegrityError, MismatchError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator, generator_digest
from adapters_core.modeling.tensor_file import pieces
from adapters_core.storage import atomic_file

FORMAT = "ringi-generator-1"


def save_generator(generator: Generator, path: Path, *, dtype: torch.dtype = torch.bfloat16) -> str:
    """Write a generator; the file appears whole or not at all, and equal generators give equal bytes.

    Args:
        generator: what to write.
        path: where, ending in ``.safetensors``.
        dtype: of the stored tensors.

    Returns:
        The digest that :func:`load_generator` will find (tensors as stored).

    Raises:
        StorageError: the file could not be written.
    """
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in generator.named_site_tensors()}
    digest = generator.digest_as(tensors)
    metadata = {
        "format": "pt",
        "ringi": FORMAT,
        "base_digest": generator.base_digest,
        "config": canonical_bytes(generator.config.to_json()).decode(),
        "digest": digest,
    }
    with atomic_file(path) as staging, staging.open("wb") as file:
        file.writelines(pieces(tensors, metadata))
    return digest


def load_generator(path: Path, base: BaseModel, *, any_base: bool = False) -> Generator:
    """Read a generator for a base, in the dtype it is stored in, on the base's device.

    Args:
        path: a file written by :func:`save_generator`.
        base: the base it runs on.
        any_base: accept a generator trained for another base of the same shapes (for fine-tuning only).

    Raises:
        InputError: no such file.
        IntegrityError: the file is truncated, tampered with or no generator.
        MismatchError: it was made for another base.
        NumericalError: it holds NaN or infinite values.
    """
    metadata, tensors = _read(path)
    config = _check_digest(path, metadata, tensors)
    if not any_base and metadata["base_digest"] != base.digest:
        raise MismatchError(
            f"{path.name} was made for the base {metadata['base_digest'][:16]}, this one is {base.digest[:16]} "
            f"({base.source}): use the base it was trained on"
        )
    generator = Generator(config, base).to(base.device)
    generator.to(next(iter(tensors.values())).dtype)
    generator.load_site_tensors(tensors)
    return generator


def _check_digest(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> GeneratorConfig:
    """The file's configuration, once tensors, configuration and base are what its digest says."""
    try:
        config = GeneratorConfig.from_json(json.loads(metadata["config"]))
    except (ValueError, TypeError, ConfigError) as error:
        raise IntegrityError(f"{path.name} must hold a generator's configuration: {error}") from error
    if (found := generator_digest(metadata["base_digest"], config, tensors)) != metadata["digest"]:
        raise IntegrityError(f"{path.name} must have digest {metadata['digest']}, got {found}: it was changed")
    return config


def _read(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise InputError(f"no generator at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (SafetensorError, OSError) as error:
        raise IntegrityError(f"{path} is not a whole safetensors file: {error}") from error
    if metadata.get("ringi") != FORMAT or not {"base_digest", "config", "digest"} <= set(metadata) or not tensors:
        raise IntegrityError(f"{path} must be a generator ({FORMAT}), its metadata say {metadata.get('ringi')!r}")
    return metadata, tensors
