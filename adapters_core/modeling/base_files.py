"""Reading a base from disk or a hub: safetensors folders, GGUF files, hub ids.

Nothing that is read can run code: safetensors or GGUF only, no pickles, no remote code. A base is read whole or
refused: transformers would put random numbers in the place of a weight that is missing.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from adapters_core.base_conversion import split_digits_as_llama_cpp_does
from adapters_core.canonical import file_sha256
from adapters_core.errors import InputError, IntegrityError, NumericalError, UnsupportedModelError
from adapters_core.modeling.digests import digest_tensors
from adapters_core.modeling.finite import all_finite

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_CHECKED = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class BaseFiles:
    """A base as read: on the CPU, not yet frozen."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase | None"
    weights_digest: str
    """Of the weights as stored, whatever dtype they were read into."""
    source: str
    """Name of the folder or file, or the hub id."""
    revision: str | None


def read_base(source: str | Path, *, dtype: torch.dtype, revision: str | None) -> BaseFiles:
    """Read a base.

    Args:
        source: a folder with ``config.json`` and safetensors, a ``.gguf`` file, or a hub id.
        dtype: data type to compute in.
        revision: hub revision.

    Raises:
        InputError: no such file, folder or hub id.
        UnsupportedModelError: not a causal LM that is supported.
        IntegrityError: a file of it is missing, truncated or damaged.
        NumericalError: a weight is NaN or infinite.
    """
    path = Path(source)
    if path.suffix == ".gguf":
        return _read_gguf(path, dtype=dtype)
    if path.is_dir():
        return _read_folder(path, source=path.resolve().name, dtype=dtype, revision=revision)
    folder = _fetch_from_hub(str(source), revision)
    return _read_folder(folder, source=str(source), dtype=dtype, revision=revision)


def _read_folder(folder: Path, *, source: str, dtype: torch.dtype, revision: str | None) -> BaseFiles:
    from transformers import AutoModelForCausalLM  # seconds to import

    if not (folder / "config.json").is_file():
        raise InputError(f"a base folder must hold config.json and *.safetensors, {folder} has no config.json")
    digest = digest_tensors(_stored_tensors(_weight_files(folder)))
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,  # a folder's own code is never run, nor is anyone asked whether it should be
            output_loading_info=True,
        )
    except (ValueError, KeyError, OSError, RuntimeError) as error:
        raise UnsupportedModelError(f"{folder} is no causal LM that transformers knows: {error}") from error
    if missing := sorted(report["missing_keys"]):  # transformers would go on with random numbers in their place
        raise IntegrityError(f"{folder} must hold every weight, {len(missing)} are missing: {missing[:3]}")
    return BaseFiles(
        model=model, tokenizer=_read_tokenizer(folder), weights_digest=digest, source=source, revision=revision
    )


def _read_tokenizer(folder: Path) -> "PreTrainedTokenizerBase | None":
    from transformers import AutoTokenizer  # seconds to import

    if not any((folder / name).is_file() for name in ("tokenizer_config.json", "tokenizer.json")):
        return None
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # tokenizers raises bare Exception for a damaged file
        raise IntegrityError(f"the tokenizer in {folder} cannot be read: {error}") from error


def _read_gguf(path: Path, *, dtype: torch.dtype) -> BaseFiles:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # seconds to import

    if not path.is_file():
        raise InputError(f"no GGUF file at {path}")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise IntegrityError(f"{path} must start with the GGUF magic bytes; it is cut short or another format")
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=dtype, quantization_config=GgufConfig(dequantize=True)
        )
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        split_digits_as_llama_cpp_does(tokenizer, path)
    except (ValueError, KeyError, IndexError, OSError, RuntimeError, struct.error) as error:
        raise IntegrityError(f"{path} must be a whole GGUF of an architecture transformers knows: {error}") from error
    return BaseFiles(
        model=model, tokenizer=tokenizer, weights_digest=file_sha256(path), source=path.name, revision=None
    )


def _fetch_from_hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(name, revision=revision, allow_patterns=["*.json", "*.safetensors", "*.model", "*.jinja"])
        )
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(f"{name!r} must be a folder, a .gguf file or a hub id that can be reached: {error}") from error


def _weight_files(folder: Path) -> list[Path]:
    """The files that transformers will read, so that the digest covers these and no others."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if not index.is_file():
        raise UnsupportedModelError(
            f"{folder} must hold model.safetensors, or its shards and their index; other formats can run code and are "
            "refused"
        )
    try:
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise IntegrityError(f"{index} must name the shard of every weight: {error!r}") from error
    if lost := [name for name in names if not (folder / name).is_file()]:
        raise IntegrityError(f"{folder} must hold all {len(names)} shards, {len(lost)} are missing: {lost[:3]}")
    return [folder / name for name in names]


def _stored_tensors(shards: Iterable[Path]) -> Iterator[tuple[str, torch.Tensor]]:
    from safetensors import SafetensorError, safe_open

    for shard in shards:
        try:
            with safe_open(shard, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  # not a mapping
                    tensor = file.get_tensor(name)
                    if tensor.dtype in _CHECKED and not all_finite(tensor):
                        raise NumericalError(f"{shard}: {name} must be finite, it holds NaN or infinite values")
                    yield name, tensor
        except SafetensorError as error:
            raise IntegrityError(f"{shard} is not a whole safetensors file: {error}") from error
