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
from jaxtyping import Float
from torch import Tensor, nn

from adapters_core.canonical import digest_of
from adapters_core.errors import InputError, UnknownSiteError, UnsupportedModelError
from adapters_core.modeling.base_files import read_base
from adapters_core.modeling.digests import digest_tensors, digest_tokenizer

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
        self._modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
        self.hidden_size = int(model.config.get_text_config().hidden_size)
        self.vocab_size = int(model.config.get_text_config().vocab_size)
        self.max_context = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0)) or None
        self._head_is_plain = _head_is_plain(model, self.body)
        self.weights_digest = weights_digest or digest_tensors(_untied_tensors(model))
        self.config_digest = digest_of(_stable_config(model))
        self.tokenizer_digest = None if tokenizer is None else digest_tokenizer(tokenizer)
        self.digest = digest_of(
            {"config": self.config_digest, "tokenizer": self.tokenizer_digest, "weights": self.weights_digest}
        )

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return _first_parameter(self.model).device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the weights."""
        return _first_parameter(self.model).dtype

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
            return self._modules[path]
        except KeyError as error:
            raise UnknownSiteError(f"{path!r} is no module of this base ({type(self.model).__name__})") from error

    def head_logits(self, hidden_PD: Float[Tensor, "p d"]) -> Float[Tensor, "p w"]:
        """Logits of chosen hidden states of the body's last layer, float32: no others are computed.

        Raises:
            UnsupportedModelError: this model caps or scales its logits after the output embeddings.
        """
        if not self._head_is_plain:
            raise UnsupportedModelError(
                f"{type(self.model).__name__} changes its logits after the output embeddings (a cap or a scale): "
                "training and measuring need a base that does not; generating and serving adapters work"
            )
        logits_PW: Tensor = self.model.get_output_embeddings()(hidden_PD)
        return logits_PW.float()

    def require_tokenizer(self) -> "PreTrainedTokenizerBase":
        """The tokenizer.

        Raises:
            InputError: this base was loaded without one.
        """
        if self.tokenizer is None:
            raise InputError("this call needs text, and the base was loaded without a tokenizer")
        return self.tokenizer

    def _site(self, layer: int, target: str) -> Site:
        named = dict(self.layers[layer].named_modules())
        found = {path: module for path, module in named.items() if path == target or path.endswith("." + target)}
        if others := sorted({f"{type(m).__module__}.{type(m).__name__}" for m in found.values() if not _is_linear(m)}):
            raise UnsupportedModelError(
                f"target {target!r} in layer {layer} must be {SUPPORTED_LINEAR}, found {', '.join(others)}; "
                f"supported here: {_linear_names(named)}"
            )
        if len(found) != 1:
            many = f"{len(found)} modules ({', '.join(found)})" if found else "no module"
            raise UnknownSiteError(
                f"target {target!r} must name one linear of each layer, found {many} in layer {layer}; "
                f"supported here: {_linear_names(named)}"
            )
        ((path, module),) = found.items()
        return Site(
            layer=layer,
            target=target,
            path=f"{self.layers_path}.{layer}.{path}",
            d_in=int(module.in_features),
            d_out=int(module.out_features),
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
        IntegrityError: a file of it is missing, truncated or damaged.
        NumericalError: a weight is NaN or infinite.
    """
    files = read_base(source, dtype=dtype, revision=revision)
    return BaseModel(
        files.model.to(device),
        files.tokenizer,
        weights_digest=files.weights_digest,
        source=files.source,
        revision=files.revision,
    )


def _untied_tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()  # a tied one is there once


def _stable_config(model: "PreTrainedModel") -> dict[str, Any]:
    data = model.config.to_dict()
    # null and default are the same to the model, and which fields are written changes with the library's version
    kept = {k: v for k, v in data.items() if k not in _VOLATILE_CONFIG and v is not None}
    return json.loads(json.dumps(kept, default=str))  # type: ignore[no-any-return]


@torch.no_grad()
def _head_is_plain(model: "PreTrainedModel", body: nn.Module) -> bool:
    """Whether logits are the output embeddings of the body's hidden states, and nothing comes after."""
    head = model.get_output_embeddings()
    if head is None or getattr(model.config.get_text_config(), "final_logit_softcapping", None) is not None:
        return False  # a cap shows in large logits only, so the comparison below could miss it
    ids_12 = torch.zeros(1, 2, dtype=torch.long, device=_first_parameter(model).device)
    plain_12W = head(body(input_ids=ids_12, use_cache=False)[0])
    logits_12W = model(input_ids=ids_12, use_cache=False).logits
    return torch.allclose(plain_12W, logits_12W, rtol=1e-2, atol=1e-2, equal_nan=True)


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


def _first_parameter(model: nn.Module) -> nn.Parameter:
    parameter: nn.Parameter = next(model.parameters())
    return parameter


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)


def _linear_names(modules: dict[str, nn.Module]) -> str:
    names = sorted({path.rsplit(".", 1)[-1] for path, module in modules.items() if _is_linear(module)})
    return ", ".join(names) or f"nothing: no {SUPPORTED_LINEAR} in this layer"
