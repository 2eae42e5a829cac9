"""An adapter in memory, and the arithmetic between two of them.

Shape letters: R ranks, O = d_out, I = d_in.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from torch import Tensor

from adapters_core.manifest import Manifest, SiteNorms
from adapters_core.modeling.lora import Pair, Pairs, delta_norms, norms_of, reduce_rank


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapter:
    """All pairs of one context, and the manifest that names them."""

    pairs: Mapping[str, Pair]
    """By module path, in the dtype they are stored in."""
    manifest: Manifest

    @property
    def digest(self) -> str:
        """The adapter's name: its manifest's digest."""
        return self.manifest.digest

    @property
    def nbytes(self) -> int:
        """Bytes of all factors."""
        return sum(t.numel() * t.element_size() for pair in self.pairs.values() for t in (pair.a_RI, pair.b_OR))


def reduced(pairs: Pairs, rank: int | None) -> tuple[dict[str, Pair], dict[str, float]]:
    """Pairs of at most a rank, and the Frobenius norm lost at each path (0 where nothing was)."""
    kept: dict[str, Pair] = {}
    lost: dict[str, float] = {}
    for path, pair in pairs.items():
        if rank is None or pair.rank <= rank:
            kept[path], lost[path] = pair, 0.0
        else:
            kept[path], lost[path] = reduce_rank(pair, rank)
    return kept, lost


def site_norms(pairs: Pairs, lost: Mapping[str, float]) -> dict[str, SiteNorms]:
    """Norms of every site, from the factors."""
    return {path: SiteNorms(**asdict(delta_norms(pair)), lost=lost[path]) for path, pair in sorted(pairs.items())}


def spectral_norms(spectra: Mapping[str, Tensor]) -> dict[str, SiteNorms]:
    """Norms of every site, from the singular values of its delta (nothing lost to rank reduction)."""
    return {path: SiteNorms(**asdict(norms_of(s_R)), lost=0.0) for path, s_R in sorted(spectra.items())}


def inner_product(first: Pair, second: Pair) -> float:
    """Frobenius inner product <B1 A1, B2 A2> from the factors: trace((B1^T B2)(A2 A1^T))."""
    b_RR = first.b_OR.double().mT @ second.b_OR.double()
    a_RR = first.a_RI.double() @ second.a_RI.double().mT
    return float((b_RR * a_RR).sum())


def drift(before: Pairs, after: Pairs) -> dict[str, float]:
    """How far an adapter moved: cosine between all its deltas before and after, and norm of the difference.

    A zero adapter has cosine 1 with another zero adapter and 0 with any other.
    """
    paths = sorted(set(before) & set(after))
    dot = math.fsum(inner_product(before[p], after[p]) for p in paths)
    first = math.fsum(inner_product(pair, pair) for pair in before.values())
    second = math.fsum(inner_product(pair, pair) for pair in after.values())
    cosine = dot / math.sqrt(first * second) if first > 0 and second > 0 else float(first == second)
    return {
        "cosine": max(-1.0, min(1.0, cosine)),
        "change": math.sqrt(max(0.0, first + second - 2 * dot)),
        "norm_before": math.sqrt(max(0.0, first)),
        "norm_after": math.sqrt(max(0.0, second)),
    }
