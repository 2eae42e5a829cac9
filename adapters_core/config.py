"""Configuration of the generator: frozen, keyword-only, checked once, at the border."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

from adapters_core.errors import ConfigError

Encoding = Literal["independent", "sequential"]


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Shape and behaviour of one generator (formulas: Generative Adapter, arXiv 2411.05877)."""

    target_modules: tuple[str, ...] = ("o_proj",)
    """Leaf names of the linear modules that receive a delta, in every decoder layer."""
    layers: tuple[int, ...] | None = None
    """Decoder layers that are adapted; None: all of them."""
    key_size: int = 128
    """R1, columns of the keys: rows of the state."""
    value_size: int = 128
    """R2, columns of the values: columns of the state."""
    rank: int = 128
    """r, singular directions kept in the normalised state; at most min(R1, R2)."""
    alpha: float = 64.0
    """Numerator of the scale of a delta, scale = alpha / R2."""
    chunk_tokens: int = 1024
    """Most tokens encoded in one piece."""
    encoding: Encoding = "independent"
    """independent: chunks are encoded by the bare base; sequential: by the base adapted with the chunks before."""
    norm_eps: float = 1e-6
    """Epsilon of the generator's own RMS norm."""
    rank_tolerance: float = 1e-5
    """Directions whose singular value is not above this share of the largest are noise and are dropped."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ConfigError: a field is out of its bounds.
        """
        if not self.target_modules:
            raise ConfigError("target_modules must name at least one module, got none")
        if len(set(self.target_modules)) != len(self.target_modules):
            raise ConfigError(f"target_modules must be distinct, got {self.target_modules}")
        for name in ("key_size", "value_size", "rank"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ConfigError(f"{name} must be a whole number of at least 1, got {value!r}")
        if self.rank > min(self.key_size, self.value_size):
            raise ConfigError(
                f"rank must be at most min(key_size, value_size) = {min(self.key_size, self.value_size)}, "
                f"got {self.rank}"
            )
        if self.layers is not None and (not self.layers or min(self.layers) < 0):
            raise ConfigError(f"layers must be None or a non-empty tuple of indices from 0, got {self.layers}")
        if self.chunk_tokens < 2:  # noqa: PLR2004  # a chunk of one token carries nothing but its own embedding
            raise ConfigError(f"chunk_tokens must be at least 2, got {self.chunk_tokens}")
        if self.encoding not in ("independent", "sequential"):
            raise ConfigError(f"encoding must be 'independent' or 'sequential', got {self.encoding!r}")
        if not (0 < self.alpha < float("inf")):
            raise ConfigError(f"alpha must be positive and finite, got {self.alpha}")
        if not (0 <= self.rank_tolerance < 1):
            raise ConfigError(f"rank_tolerance must lie in [0, 1), got {self.rank_tolerance}")
        if not (0 < self.norm_eps < 1):
            raise ConfigError(f"norm_eps must lie in (0, 1), got {self.norm_eps}")

    @property
    def scale(self) -> float:
        """alpha / R2."""
        return self.alpha / self.value_size

    def to_json(self) -> dict[str, object]:
        """As plain JSON data (tuples become lists)."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "GeneratorConfig":
        """Inverse of :meth:`to_json`.

        Raises:
            ConfigError: an unknown field, or a value out of bounds.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ConfigError(f"unknown fields {unknown}; known: {sorted(known)}")
        values = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
        try:
            return cls(**values)  # type: ignore[arg-type]  # the bounds are checked in __post_init__
        except TypeError as error:
            raise ConfigError(f"a field has the wrong type: {error}") from error
