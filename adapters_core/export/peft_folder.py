"""PEFT's two files in a folder: written whole, read strictly."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from adapters_core.canonical import sha256_hex
from adapters_core.errors import InputError, IntegrityError
from adapters_core.export.peft_format import from_peft_tensors, peft_config, to_peft_tensors, uniform_rank
from adapters_core.export.peft_settings import PeftSettings, parse_settings
from adapters_core.modeling.lora import Pair, Pairs
from adapters_core.modeling.tensor_file import file_bytes
from adapters_core.storage import atomic_file

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"


def write_peft_files(folder: Path, pairs: Pairs, *, base_name: str, dtype: torch.dtype = torch.float32) -> str:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors`` into a folder; each appears whole or not at all.

    Args:
        folder: an existing folder, such as the staging one of :func:`adapters_core.storage.atomic_folder`.
        pairs: what to write, the scale baked into B.
        base_name: name of the base, for the reader's information.
        dtype: of the stored tensors.

    Returns:
        The sha256 of the weights file.

    Raises:
        IntegrityError, InputError, NumericalError: as :func:`to_peft_tensors`; then nothing is written.
        StorageError: a file could not be written.
    """
    weights = file_bytes(to_peft_tensors(pairs, dtype=dtype))
    config = peft_config(pairs, rank=uniform_rank(pairs), base_name=base_name)
    for name, data in {WEIGHTS_FILE: weights, CONFIG_FILE: (json.dumps(config, indent=1) + "\n").encode()}.items():
        with atomic_file(folder / name) as staging:
            staging.write_bytes(data)
    return sha256_hex(weights)


def read_peft_folder(folder: Path) -> tuple[dict[str, Pair], dict[str, object]]:
    """Read a LoRA adapter, ours or another's, with its scale taken into B.

    Returns:
        The pairs by module path (in the dtype they are stored in; float32 where a scale was taken in), and the
        content of ``adapter_config.json`` as it is stored.

    Raises:
        InputError: no such folder, or an adapter that is more than a plain LoRA; the message names what was found.
        IntegrityError: a file is missing, cut short or no such file, or configuration and tensors contradict.
    """
    config = read_config(folder)
    settings = parse_settings(config)
    pairs = from_peft_tensors(load_weights(read_weights(folder), folder / WEIGHTS_FILE))
    if wrong := contradictions(settings, pairs):
        raise IntegrityError(f"{folder}: {'; '.join(wrong)}")
    return {path: _scaled(pair, settings.scale_of(path)) for path, pair in pairs.items()}, config


def read_config(folder: Path) -> dict[str, object]:
    """The content of a folder's ``adapter_config.json``.

    Raises:
        InputError: no such folder.
        IntegrityError: the file is missing or no JSON object.
    """
    if not folder.is_dir():
        raise InputError(f"no adapter folder at {folder}")
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(f"{folder / CONFIG_FILE} must be a JSON file: {error}") from error
    if not isinstance(config, dict):
        raise IntegrityError(f"{folder / CONFIG_FILE} must hold a JSON object, got {type(config).__name__}")
    return config


def read_weights(folder: Path) -> bytes:
    """The bytes of a folder's weights.

    Raises:
        InputError: the weights are there in a format that can run code only.
        IntegrityError: they are missing.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file() and (others := sorted(p.name for p in folder.glob("adapter_model.*"))):
        raise InputError(f"weights must be {WEIGHTS_FILE}, got {others}: other formats can run code and are refused")
    try:
        return path.read_bytes()
    except OSError as error:
        raise IntegrityError(f"{path} must be readable: {error.strerror or error}") from error


def load_weights(data: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors in the bytes of a safetensors file.

    Raises:
        IntegrityError: it is cut short or another format.
    """
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError) as error:  # a dtype that torch does not know is a KeyError
        raise IntegrityError(f"{path} is not a whole safetensors file: {error}") from error


def contradictions(settings: PeftSettings, pairs: Pairs) -> list[str]:
    """Where configuration and tensors do not say the same; PEFT would ignore or misread such tensors silently."""
    wrong = [
        f"{path} must have the configured rank {settings.rank_of(path)}, got {pair.rank}"
        for path, pair in pairs.items()
        if pair.rank != settings.rank_of(path)
    ]
    return wrong + [
        f"{path} has tensors, but the configuration leaves it out" for path in pairs if not settings.names(path)
    ]


def _scaled(pair: Pair, scale: float) -> Pair:
    return pair if scale == 1.0 else Pair(a_RI=pair.a_RI.float(), b_OR=pair.b_OR.float() * scale)
