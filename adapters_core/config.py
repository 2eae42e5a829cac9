"""Configuration of the generator: frozen, keyword-only, checked once, at the border."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

from adapters_core.errors import ConfigError

Encoding = Literal["independent", "sequential"]
MAX_CONTEXT_TOKENS = 262_144
"""Default limit of one call; a stream has none."""
LEAST_TOLERANCE = 1e-7
"""Below this share of the largest, singular values of a float32 state are rounding noise."""


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
    value_shift: int = 0
    """Tokens from a key to the value it is paired with. 0: both of the same token, as published; 1: the value of the
    token that follows, so that a query finds what came after the place it resembles."""
    norm_eps: float = 1e-6
    """Epsilon of the generator's own RMS norm."""
    rank_tolerance: float = 1e-5
    """Directions whose singular value is not above this share of the largest are noise and are dropped."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ConfigError: a field is out of its bounds.
        """
        self._check_sites()
        self._check_sizes()
        if self.encoding not in ("independent", "sequential"):
            raise ConfigError(f"encoding must be 'independent' or 'sequential', got {self.encoding!r}")
        if not (0 < self.alpha < float("inf")):
            raise ConfigError(f"alpha must be positive and finite, got {self.alpha}")
        if not (_is_whole(self.value_shift, 0) and self.value_shift <= 1):
            raise ConfigError(f"value_shift must be 0 or 1, got {self.value_shift!r}")
        if not (LEAST_TOLERANCE <= self.rank_tolerance < 1):
            raise ConfigError(f"rank_tolerance must lie in [{LEAST_TOLERANCE}, 1), got {self.rank_tolerance}")
        if not (0 < self.norm_eps < 1):
            raise ConfigError(f"norm_eps must lie in (0, 1), got {self.norm_eps}")

    def _check_sites(self) -> None:
        targets: object = self.target_modules
        if not isinstance(targets, tuple) or not targets or not all(isinstance(name, str) and name for name in targets):
            raise ConfigError(f"target_modules must be a tuple of at least one name, got {targets!r}")
        if len(set(targets)) != len(targets):
            raise ConfigError(f"target_modules must be distinct, got {targets}")
        layers: object = self.layers
        if layers is None:
            return
        if not isinstance(layers, tuple) or not layers or not all(_is_whole(layer, 0) for layer in layers):
            raise ConfigError(f"layers must be None or a tuple of indices from 0, got {layers!r}")
        if len(set(layers)) != len(layers):
            raise ConfigError(f"layers must be distinct, got {layers}")

    def _check_sizes(self) -> None:
        # a chunk of one token carries nothing but its own embedding
        for name, least in (("key_size", 1), ("value_size", 1), ("rank", 1), ("chunk_tokens", 2)):
            value = getattr(self, name)
            if not _is_whole(value, least):
                raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if self.rank > min(self.key_size, self.value_size):
            raise ConfigError(
                f"rank must be at most min(key_size, value_size) = {min(self.key_size, self.value_size)}, "
                f"got {self.rank}"
            )

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


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
