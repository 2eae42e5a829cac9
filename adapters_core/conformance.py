"""Does our generator compute what an independent implementation of the published method computed?

A case is two files. ``<name>.json`` holds the sizes of a tiny Llama and of its generator; ``<name>.safetensors`` holds

    base.<name>                                                 the base's weights
    generator.layers.<l>.<target>.<norm|key|value|input|output> the generator's weights
    context_ids, query_ids                                      1 x n token ids
    delta.<mode>.layers.<l>.<target>                            the deltas expected, scale included
    query_logits.<mode>                                         the query's logits expected under that adapter

Modes: ``single`` encodes the whole context in one pass, ``independent`` each chunk by the bare base, ``sequential``
each chunk by the base adapted with the chunks before it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from adapters_core.config import GeneratorConfig
from adapters_core.errors import InputError, IntegrityError, RingiError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.finite import all_finite
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.lora import Pairs, applied
from adapters_core.modeling.state import ChunkState, State
from adapters_core.modeling.taps import encode

MODES = ("single", "independent", "sequential")
_BASE_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "rms_norm_eps",
    "rope_theta",
    "tie_word_embeddings",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A reference case, ready to be compared with."""

    name: str
    base: BaseModel
    generator: Generator
    context_ids: Tensor
    """1 x n."""
    query_ids: Tensor
    """1 x n."""
    deltas: Mapping[str, Mapping[str, Tensor]]
    """Expected deltas by mode and site name."""
    logits: Mapping[str, Tensor]
    """Expected logits of the query by mode."""


@dataclass(frozen=True, kw_only=True)
class ModeErrors:
    """How far we are from a case in one mode: ||ours - expected||_F / ||expected||_F."""

    deltas: float
    """Of the worst site."""
    logits: float


def load_case(path: Path) -> Case:
    """Read a case.

    Args:
        path: its ``.json``; the tensors lie beside it.

    Raises:
        InputError: there is no such case.
        IntegrityError: a file of it is damaged, or something is missing, of another shape or not finite.
    """
    description, tensors = _read(path)
    try:
        base = BaseModel(_llama(description, _part(tensors, "base.")), source=path.stem)
        generator = Generator(_config(description), base).freeze()
        generator.load_site_tensors(_part(tensors, "generator."))
        names = {site.name: (site.d_out, site.d_in) for site in generator.sites}
        modes = _modes(tensors)
        context_ids, query_ids = (_ids(tensors[f"{part}_ids"], base) for part in ("context", "query"))
        expected = (1, query_ids.shape[1], base.vocab_size)
        return Case(
            name=path.stem,
            base=base,
            generator=generator,
            context_ids=context_ids,
            query_ids=query_ids,
            deltas={
                mode: {name: _shaped(tensors, f"delta.{mode}.{name}", shape) for name, shape in names.items()}
                for mode in modes
            },
            logits={mode: _shaped(tensors, f"query_logits.{mode}", expected) for mode in modes},
        )
    except IntegrityError:
        raise
    except KeyError as error:
        raise IntegrityError(f"the case {path.name} must hold {error}") from error
    except (RingiError, TypeError, ValueError) as error:
        raise IntegrityError(f"the case {path.name} does not fit together: {error}") from error


@torch.no_grad()
def compare(case: Case) -> dict[str, ModeErrors]:
    """Generate the case's adapter in every mode it has, and measure how far it is from what is expected."""
    return {mode: _errors(case, mode, _pairs(case, mode)) for mode in case.logits}


def _errors(case: Case, mode: str, pairs: Pairs) -> ModeErrors:
    deltas = [_relative(pairs[site.path].delta(), case.deltas[mode][site.name]) for site in case.generator.sites]
    with applied(case.base, pairs):
        logits = case.base.model(case.query_ids).logits
    return ModeErrors(deltas=max(deltas), logits=_relative(logits, case.logits[mode]))


def _pairs(case: Case, mode: str) -> Pairs:
    config = case.generator.config
    chunks = [case.context_ids] if mode == "single" else case.context_ids.split(config.chunk_tokens, dim=1)
    state = State.zero(len(case.generator.sites), config.key_size, config.value_size)
    for index, ids_1T in enumerate(chunks):
        before = case.generator.pairs(state.value()) if mode == "sequential" and index > 0 else {}
        with applied(case.base, before):
            raw_NKV = encode(case.base, case.generator, ids_1T)[0]
        state = state.add(ChunkState.of(raw_NKV, commitment=str(index), tokens=ids_1T.shape[1]))
    return case.generator.pairs(state.value())


def _relative(found: Tensor, expected: Tensor) -> float:
    error, size = float((found.double() - expected.double()).norm()), float(expected.double().norm())
    if error == 0.0:
        return 0.0
    return error / size if size > 0 else float("inf")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    beside = path.with_suffix(".safetensors")
    for file in (path, beside):
        if not file.is_file():
            raise InputError(f"a case is a .json and a .safetensors of the same name; there is no {file}")
    try:
        description = json.loads(path.read_text())
        tensors = load_file(beside)
    except (ValueError, SafetensorError) as error:
        raise IntegrityError(f"the case {path.name} cannot be read: {error}") from error
    if not isinstance(description, dict):
        raise IntegrityError(f"{path.name} must be a JSON object, got {type(description).__name__}")
    for name, tensor in tensors.items():
        if not all_finite(tensor):
            raise IntegrityError(f"{beside.name}: {name} must be finite, it holds NaN or infinite values")
    return description, tensors


def _llama(description: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Any:  # noqa: ANN401  # transformers
    from transformers import LlamaConfig, LlamaForCausalLM  # seconds to import

    fields = {name: description[name] for name in _BASE_FIELDS}
    try:
        model = LlamaForCausalLM(LlamaConfig(**fields, attn_implementation="eager"))
        model.load_state_dict(weights)
    except Exception as error:  # sizes that make no model fail in as many ways as there are layers
        raise IntegrityError(f"sizes and weights of the base make no Llama: {error}") from error
    return model


def _config(description: Mapping[str, Any]) -> GeneratorConfig:
    return GeneratorConfig(
        target_modules=tuple(description["target_modules"]),
        key_size=description["state_size_key"],
        value_size=description["state_size_value"],
        rank=description["rank"],
        alpha=description["alpha"],
        chunk_tokens=description["chunk_tokens"],
    )


def _modes(tensors: Mapping[str, Tensor]) -> list[str]:
    modes = [mode for mode in MODES if f"query_logits.{mode}" in tensors]
    if not modes:
        raise IntegrityError(f"a case must hold query_logits of at least one of {MODES}, found none")
    return modes


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _ids(ids_1T: Tensor, base: BaseModel) -> Tensor:
    fits = ids_1T.dtype == torch.int64 and ids_1T.ndim == 2 and ids_1T.shape[0] == 1 and ids_1T.numel() > 0  # noqa: PLR2004
    if not (fits and 0 <= int(ids_1T.min()) <= int(ids_1T.max()) < base.vocab_size):
        raise IntegrityError(f"token ids must be 1 x n integers below {base.vocab_size}, got {tuple(ids_1T.shape)}")
    return ids_1T


def _shaped(tensors: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    if tensors[name].shape != shape:
        raise IntegrityError(f"{name} must have shape {shape}, got {tuple(tensors[name].shape)}")
    return tensors[name]
