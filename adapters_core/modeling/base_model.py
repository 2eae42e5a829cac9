"""The frozen base: any Hugging Face causal language model, its digest and its sites.

A *site* is one target linear ``W`` (d_out x d_in) of one decoder layer. The base is never written to: adapters are
added to the outputs of its modules while a context manager is open (:mod:`adapters_core.modeling.lora`).
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from adapters_core.canonical import digest_of, file_sha256, sha256_hex
from adapters_core.errors import InputError, IntegrityError, UnknownSiteError, UnsupportedModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SUPPORTED_LINEAR = "torch.nn.Linear"
_VOLATILE_CONFIG = frozenset(
    {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures", "quantization_config"}
)


@dataclass(frozen=True, kw_only=True)
class Site:
    """One target linear of one decoder layer."""

    layer: int
    """Index of the decoder layer, from 0."""
    target: str
    """Leaf name of the module, such as ``o_proj``."""
    path: str
    """Full module path inside the model, such as ``model.layers.0.self_attn.o_proj``."""
    d_in: int
    """Input features."""
    d_out: int
    """Output features."""

    @property
    def name(self) -> str:
        """Short name, unique within a base: ``layers.<layer>.<target>``."""
        return f"layers.{self.layer}.{self.target}"


class BaseModel:
    """A frozen causal language model with its tokenizer, digest and decoder layers."""

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase | None" = None,
        *,
        weights_digest: str | None = None,
        source: str = "memory",
        revision: str | None = None,
    ) -> None:
        """Freeze a loaded model.

        Args:
            model: a causal LM of Hugging Face transformers; its parameters stop requiring gradients.
            tokenizer: its tokenizer; None where only token ids are used.
            weights_digest: digest of the weights as stored; computed from the parameters when None.
            source: where it came from, for manifests.
            revision: its revision there, if it has one.

        Raises:
            UnsupportedModelError: its decoder layers cannot be found.
        """
        self.model = model.requires_grad_(requires_grad=False).eval()
        self.tokenizer = tokenizer
        self.source = source
        self.revision = revision
        self.body: nn.Module = getattr(model, model.base_model_prefix, model)
        self.layers_path, self.layers = _find_layers(model)
        self.hidden_size = int(model.config.get_text_config().hidden_size)
        self.vocab_size = int(model.config.get_text_config().vocab_size)
        self.max_context = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0)) or None
        self.weights_digest = weights_digest or digest_tensors(_untied_tensors(model))
        self.config_digest = digest_of(_stable_config(model))
        self.tokenizer_digest = None if tokenizer is None else digest_tokenizer(tokenizer)
        self.digest = digest_of(
            {"config": self.config_digest, "tokenizer": self.tokenizer_digest, "weights": self.weights_digest}
        )

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the weights."""
        return next(self.model.parameters()).dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the weights, tied ones once."""
        return sum(p.numel() * p.element_size() for p in self.model.parameters())

    def sites(self, target_modules: Iterable[str], layers: Iterable[int] | None = None) -> tuple[Site, ...]:
        """The sites of the named targets, layer by layer, in the order the targets are named.

        Raises:
            UnknownSiteError: no module of that name, or no such layer, in this base.
            UnsupportedModelError: a module of that name is not a plain linear.
        """
        chosen = range(len(self.layers)) if layers is None else tuple(layers)
        if outside := [layer for layer in chosen if not 0 <= layer < len(self.layers)]:
            raise UnknownSiteError(f"layers must lie in 0..{len(self.layers) - 1}, got {outside}")
        return tuple(self._site(layer, target) for layer in chosen for target in target_modules)

    def module(self, path: str) -> nn.Module:
        """The module at a path.

        Raises:
            UnknownSiteError: there is none.
        """
        try:
            return self.model.get_submodule(path)
        except AttributeError as error:
            raise UnknownSiteError(f"{path!r} is no module of this base ({type(self.model).__name__})") from error

    def require_tokenizer(self) -> "PreTrainedTokenizerBase":
        """The tokenizer.

        Raises:
            InputError: this base was loaded without one.
        """
        if self.tokenizer is None:
            raise InputError("this call needs text, and the base was loaded without a tokenizer")
        return self.tokenizer

    def _site(self, layer: int, target: str) -> Site:
        found = [
            (path, module)
            for path, module in self.layers[layer].named_modules()
            if path == target or path.endswith("." + target)
        ]
        if len(found) != 1:
            names = sorted(
                {path.rsplit(".", 1)[-1] for path, m in self.layers[layer].named_modules() if isinstance(m, nn.Linear)}
            )
            many = f"{len(found)} modules" if found else "no module"
            raise UnknownSiteError(f"target {target!r}: found {many} of that name in layer {layer}; linears: {names}")
        path, module = found[0]
        if not isinstance(module, nn.Linear):
            raise UnsupportedModelError(
                f"target {target!r} in layer {layer} must be {SUPPORTED_LINEAR}, "
                f"found {type(module).__module__}.{type(module).__name__}"
            )
        return Site(
            layer=layer,
            target=target,
            path=f"{self.layers_path}.{layer}.{path}",
            d_in=module.in_features,
            d_out=module.out_features,
        )


def load_base(
    source: str | Path,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    revision: str | None = None,
) -> BaseModel:
    """Load and freeze a causal LM from a folder, a GGUF file or a hub id.

    Args:
        source: a folder with ``config.json`` and safetensors, a ``.gguf`` file, or a hub id.
        dtype: data type to compute in; the digest is that of the weights as stored, whatever this is.
        device: where to put it.
        revision: hub revision.

    Raises:
        InputError: no such file, folder or hub id.
        UnsupportedModelError: not a causal LM that is supported.
        IntegrityError: its weights are truncated.
    """
    path = Path(source)
    if path.suffix == ".gguf":
        return _load_gguf(path, dtype=dtype, device=device)
    folder = path if path.is_dir() else _fetch_from_hub(str(source), revision)
    return _load_folder(folder, source=path.name, dtype=dtype, device=device, revision=revision)


def digest_tensors(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """Digest of named tensors: SHA-256 over the canonical JSON of each one's dtype, shape and bytes digest."""
    return digest_of(
        {
            name: {"dtype": str(t.dtype), "shape": list(t.shape), "sha256": sha256_hex(tensor_bytes(t))}
            for name, t in tensors
        }
    )


def tensor_bytes(tensor: torch.Tensor) -> bytes:
    """The bytes of a tensor in row-major order, whatever its dtype and device."""
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def digest_tokenizer(tokenizer: "PreTrainedTokenizerBase") -> str:
    """Digest of a tokenizer: its serialised backend (or vocabulary) and its chat template."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = json.loads(backend.to_str()) if backend is not None else tokenizer.get_vocab()
    for transient in ("truncation", "padding"):
        if isinstance(content, dict):
            content.pop(transient, None)
    # ensure_ascii: vocabularies may hold lone surrogates, which canonical JSON refuses
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return digest_of({"backend": sha256_hex(text.encode()), "chat_template": tokenizer.chat_template})


def _load_folder(
    folder: Path, *, source: str, dtype: torch.dtype, device: str | torch.device, revision: str | None
) -> BaseModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415  # seconds to import

    if not (folder / "config.json").is_file():
        raise InputError(f"a base folder must hold config.json and *.safetensors, {folder} has no config.json")
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise UnsupportedModelError(f"{folder} must hold safetensors weights; other formats can run code and are refused")
    digest = digest_tensors(_stored_tensors(shards))
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True)
    except (ValueError, KeyError) as error:
        raise UnsupportedModelError(f"{folder} is no causal LM that transformers knows: {error}") from error
    has_tokenizer = (folder / "tokenizer_config.json").is_file() or (folder / "tokenizer.json").is_file()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True) if has_tokenizer else None
    return BaseModel(model.to(device), tokenizer, weights_digest=digest, source=source, revision=revision)


def _load_gguf(path: Path, *, dtype: torch.dtype, device: str | torch.device) -> BaseModel:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415  # seconds to import

    if not path.is_file():
        raise InputError(f"no GGUF file at {path}")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise IntegrityError(f"{path} must start with the GGUF magic bytes; it is cut short or another format")
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=dtype, quantization_config=GgufConfig(dequantize=True)
    )
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    return BaseModel(model.to(device), tokenizer, weights_digest=file_sha256(path), source=path.name)


def _fetch_from_hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import HFValidationError, HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(
            snapshot_download(name, revision=revision, allow_patterns=["*.json", "*.safetensors", "*.model", "*.jinja"])
        )
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(f"{name!r} must be a folder, a .gguf file or a hub id that can be reached: {error}") from error


def _stored_tensors(shards: Iterable[Path]) -> Iterator[tuple[str, torch.Tensor]]:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    for shard in shards:
        try:
            with safe_open(shard, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  # not a mapping
                    yield name, file.get_tensor(name)
        except SafetensorError as error:
            raise IntegrityError(f"{shard} is not a whole safetensors file: {error}") from error


def _untied_tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for name, parameter in model.named_parameters():  # named_parameters yields a tied one once
        yield name, parameter


def _stable_config(model: "PreTrainedModel") -> dict[str, Any]:
    data = model.config.to_dict()
    # null and default are the same to the model, and which fields are written changes with the library's version
    kept = {k: v for k, v in data.items() if k not in _VOLATILE_CONFIG and v is not None}
    return json.loads(json.dumps(kept, default=str))  # type: ignore[no-any-return]


def _find_layers(model: "PreTrainedModel") -> tuple[str, nn.ModuleList]:
    count = int(model.config.get_text_config().num_hidden_layers)
    found = [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count and path.rsplit(".", 1)[-1] in {"layers", "h"}
    ]
    if len(found) != 1:
        raise UnsupportedModelError(
            f"{type(model).__name__}: need exactly one list of {count} decoder layers named 'layers' or 'h', "
            f"found {[path for path, _ in found]}"
        )
    return found[0]
