"""What an ``adapter_config.json`` says, read strictly.

A LoRA of another origin is taken in where its delta is ``scale * B A`` and nothing else: then the scale goes into B.
Anything that PEFT would do besides (magnitudes, biases, saved modules, changed base weights) is refused by name, and so
is every field that is not known and not empty: it may change what the tensors mean.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from adapters_core.errors import InputError, IntegrityError

_READ = frozenset(
    {
        "peft_type",
        "r",
        "lora_alpha",
        "use_rslora",
        "rank_pattern",
        "alpha_pattern",
        "target_modules",
        "exclude_modules",
        "layers_to_transform",
        "bias",
        "init_lora_weights",
    }
)
_HARMLESS = frozenset(
    {
        "auto_mapping",
        "base_model_name_or_path",
        "ensure_weight_tying",
        "eva_config",
        "inference_mode",
        "layers_pattern",
        "lora_dropout",
        "megatron_core",
        "peft_version",
        "qalora_group_size",
        "revision",
        "task_type",
    }
)
"""Fields that change nothing of a trained adapter's delta, whatever they say."""
_INITS_THAT_LEAVE_THE_BASE = (True, False, None, "gaussian", "eva")
_PLAIN_NAME = re.compile(r"\^?[\w.]+")

N = TypeVar("N", int, float)


@dataclass(frozen=True, kw_only=True)
class PeftSettings:
    """The part of a PEFT configuration that says what the tensors mean."""

    rank: int
    """``r``, for sites that no pattern names."""
    alpha: float
    """``lora_alpha``, for sites that no pattern names."""
    rank_stabilised: bool
    """Whether the scale is alpha / sqrt(r) (Kalajdzievski 2023) instead of alpha / r."""
    rank_pattern: Mapping[str, int]
    """Other ranks, by module name."""
    alpha_pattern: Mapping[str, float]
    """Other alphas, by module name."""
    targets: tuple[str, ...] | None
    """Names of the adapted modules; None: one regular expression, which is not run."""
    excluded: tuple[str, ...]
    """Names of modules that are left out."""
    layers: tuple[int, ...] | None
    """Adapted layers; None: all."""

    def rank_of(self, path: str) -> int:
        """The rank of a site."""
        return _first_match(self.rank_pattern, path, self.rank)

    def scale_of(self, path: str) -> float:
        """The factor before B A at a site."""
        rank = self.rank_of(path)
        return _first_match(self.alpha_pattern, path, self.alpha) / (math.sqrt(rank) if self.rank_stabilised else rank)

    def names(self, path: str) -> bool:
        """Whether PEFT would adapt the module at a path (always, where targets are a regular expression)."""
        if self.targets is None or path in self.targets:
            return True
        if not _ends_with_one(path, self.targets) or _ends_with_one(path, self.excluded):
            return False
        layer = next((int(part) for part in path.split(".") if part.isdecimal()), None)
        return self.layers is None or layer in self.layers

    def deviations(self) -> list[str]:
        """How it leaves the export rule that every engine reads alike; empty where it does not."""
        found = []
        if self.rank_stabilised:
            found.append("use_rslora must be false")
        if self.alpha != self.rank:
            found.append(f"lora_alpha must equal r (the scale lies in B), got lora_alpha {self.alpha:g}, r {self.rank}")
        if self.rank_pattern or self.alpha_pattern:
            found.append("rank_pattern and alpha_pattern must be empty: some engines ignore them")
        if self.targets is None:
            found.append("target_modules must be a list of module names, got a regular expression")
        return found


def parse_settings(config: Mapping[str, object]) -> PeftSettings:
    """Read the content of ``adapter_config.json``.

    Raises:
        InputError: it asks for something that a delta B A cannot hold; the message names all of it.
        IntegrityError: a field is missing or has a value of the wrong kind.
    """
    if refused := _unrepresentable(config):
        raise InputError(
            f"only plain LoRA can be taken in, this adapter has {'; '.join(refused)}: merge it into a base"
        )
    return PeftSettings(
        rank=_rank("r", config.get("r")),
        alpha=_number("lora_alpha", config.get("lora_alpha")),
        rank_stabilised=_flag("use_rslora", config.get("use_rslora")),
        rank_pattern={name: _rank("rank_pattern", value) for name, value in _pattern(config, "rank_pattern")},
        alpha_pattern={name: _number("alpha_pattern", value) for name, value in _pattern(config, "alpha_pattern")},
        targets=None if isinstance(config.get("target_modules"), str) else _names(config, "target_modules"),
        excluded=_names(config, "exclude_modules"),
        layers=_layers(config.get("layers_to_transform")),
    )


def _unrepresentable(config: Mapping[str, object]) -> list[str]:
    refused = []
    if (kind := config.get("peft_type")) != "LORA":
        refused.append(f"peft_type {kind!r}")
    if (bias := config.get("bias", "none")) != "none":
        refused.append(f"bias {bias!r}")
    if (init := config.get("init_lora_weights", True)) not in _INITS_THAT_LEAVE_THE_BASE:
        refused.append(f"init_lora_weights {init!r} (it changes the base)")
    others = {name: value for name, value in config.items() if value and name not in _READ | _HARMLESS}
    return refused + [f"{name} {value!r}" for name, value in sorted(others.items())]


def _rank(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise IntegrityError(f"{name} must be a whole number of at least 1, got {value!r}")
    return value


def _number(name: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise IntegrityError(f"{name} must be a finite number, got {value!r}")
    return float(value)


def _flag(name: str, value: object) -> bool:
    if value not in (None, True, False):
        raise IntegrityError(f"{name} must be true or false, got {value!r}")
    return bool(value)


def _names(config: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = config.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise IntegrityError(f"{name} must be a list of module names, got {value!r}")
    return tuple(value)


def _layers(value: object) -> tuple[int, ...] | None:
    if value is None or value == []:
        return None
    layers = value if isinstance(value, list) else [value]
    if not all(isinstance(layer, int) and layer >= 0 for layer in layers):
        raise IntegrityError(f"layers_to_transform must be indices from 0, got {value!r}")
    return tuple(layers)


def _pattern(config: Mapping[str, object], name: str) -> list[tuple[str, object]]:
    """The items of a pattern whose keys are plain names: a regular expression of a stranger is never run."""
    value = config.get(name) or {}
    if not isinstance(value, dict):
        raise IntegrityError(f"{name} must map module names to numbers, got {value!r}")
    if odd := [key for key in value if not _PLAIN_NAME.fullmatch(key)]:
        raise InputError(f"the keys of {name} must be module names, got {odd[:3]}: write them out")
    return list(value.items())


def _first_match(pattern: Mapping[str, N], path: str, default: N) -> N:
    """PEFT's rule: the first key that is the path or the end of it; a leading ^ asks for the whole path."""
    for key, value in pattern.items():
        if path == key.removeprefix("^") or (not key.startswith("^") and path.endswith(f".{key}")):
            return value
    return default


def _ends_with_one(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or path.endswith(f".{name}") for name in names)
