"""Where candidates change the model: delta norms by layer and site, and how they differ from the first candidate's.

The difference is that of the norms, ||B|| - ||A||, not the norm of the difference of two deltas.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters_core.comparison.records import Candidate


@dataclass(frozen=True, kw_only=True)
class NormRow:
    """One module of the model."""

    layer: int | None
    """Decoder layer; None where the path names none."""
    site: str
    """Such as ``o_proj``."""
    norms: tuple[float | None, ...]
    """Frobenius norm for each candidate in order; None: the candidate does not change this module."""

    @property
    def differences(self) -> tuple[float | None, ...]:
        """For each candidate, its norm minus the first one's; None where either is not there."""
        first = self.norms[0]
        return tuple(None if norm is None or first is None else norm - first for norm in self.norms)


def norm_rows(candidates: Sequence[Candidate]) -> tuple[NormRow, ...]:
    """Every module that a candidate changes, by layer and site. Empty where none of them changes any."""
    paths = {path for candidate in candidates for path in candidate.norms}
    ordered = sorted(paths, key=lambda path: (-1 if (layer := layer_of(path)) is None else layer, path))
    return tuple(
        NormRow(
            layer=layer_of(path),
            site=path.rsplit(".", 1)[-1],
            norms=tuple(candidate.norms.get(path) for candidate in candidates),
        )
        for path in ordered
    )


def layer_of(path: str) -> int | None:
    """The decoder layer in a module path: its first number."""
    return next((int(part) for part in path.split(".") if part.isdecimal()), None)
