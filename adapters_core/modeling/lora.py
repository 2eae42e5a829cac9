"""Low-rank pairs, applied to a running base and taken away again.

A pair holds the factors of one site's delta ``W' = W + B A``. Nothing here writes to the base: pairs are added to the
outputs of its linears by forward hooks that live only inside :func:`applied`.

Shape letters: B batch, T tokens, I = d_in, O = d_out, R = rank.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from adapters_core.errors import InputError, MismatchError, NumericalError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.finite import all_finite
from adapters_core.modeling.hooks import Hook, hooked_after

EXPORT_RANKS = (8, 16, 32, 64, 128, 256)
"""Uniform ranks that every serving engine takes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Low-rank factors of one site, the scale baked into B."""

    a_RI: Float[Tensor, "r d_in"]
    """Down projection, r x d_in."""
    b_OR: Float[Tensor, "d_out r"]
    """Up projection, d_out x r."""

    def __post_init__(self) -> None:
        """Check that the factors belong together.

        Raises:
            MismatchError: they are no matrices, or of different ranks.
        """
        if not (self.a_RI.ndim == self.b_OR.ndim == 2 and self.a_RI.shape[0] == self.b_OR.shape[1]):  # noqa: PLR2004
            raise MismatchError(
                f"a pair must be r x d_in and d_out x r, got {tuple(self.a_RI.shape)} and {tuple(self.b_OR.shape)}"
            )

    @property
    def rank(self) -> int:
        """Width of the factors (an upper bound of the delta's rank)."""
        return int(self.a_RI.shape[0])

    def delta(self) -> Float[Tensor, "d_out d_in"]:
        """The dense delta B A; for tests and merging only."""
        return self.b_OR @ self.a_RI

    def padded(self, rank: int) -> "Pair":
        """The same delta with factors widened by zeros to a given rank.

        Raises:
            InputError: the factors are wider than that already.
        """
        extra = rank - self.rank
        if extra < 0:
            raise InputError(f"a pair of rank {self.rank} cannot be padded to {rank}: reduce it first")
        pad = nn.functional.pad
        return Pair(a_RI=pad(self.a_RI, (0, 0, 0, extra)), b_OR=pad(self.b_OR, (0, extra)))

    def to(self, *, dtype: torch.dtype, device: torch.device) -> "Pair":
        """The same pair in another dtype, on another device; itself where it is there already."""
        if (self.a_RI.dtype, self.a_RI.device) == (self.b_OR.dtype, self.b_OR.device) == (dtype, device):
            return self
        return Pair(a_RI=self.a_RI.to(device, dtype), b_OR=self.b_OR.to(device, dtype))


Pairs = Mapping[str, Pair]
"""Every site's pair by module path."""


@dataclass(frozen=True, kw_only=True)
class DeltaNorms:
    """Size of one site's delta, from its factors."""

    frobenius: float
    """||delta||_F."""
    spectral: float
    """Largest singular value."""
    effective_rank: float
    """exp(entropy of s / sum(s)) (Roy and Vetterli 2007); 0 for a zero delta."""
    spectral_gap: float | None
    """s_1 / s_2; None where there is no second direction."""


def export_rank(rank: int) -> int:
    """The smallest uniform rank that holds a rank.

    Raises:
        InputError: it is above the largest one.
    """
    for candidate in EXPORT_RANKS:
        if rank <= candidate:
            return candidate
    raise InputError(f"an adapter's rank must be at most {EXPORT_RANKS[-1]}, got {rank}: reduce it first")


def delta_norms(pair: Pair) -> DeltaNorms:
    """Norms of a delta from the QR factors of its pair, never from a dense matrix.

    Raises:
        NumericalError: a factor holds NaN or infinite values.
    """
    _, s_R, _ = _core_svd(pair)[1]
    return norms_of(s_R)


def norms_of(s_R: Float[Tensor, "r"]) -> DeltaNorms:
    """Norms of a delta from its singular values, largest first."""
    total = float(s_R.sum())
    if total == 0.0:
        return DeltaNorms(frobenius=0.0, spectral=0.0, effective_rank=0.0, spectral_gap=None)
    p_R = s_R[s_R > 0] / total
    second = float(s_R[1]) if s_R.numel() > 1 else 0.0
    return DeltaNorms(
        frobenius=float(s_R.norm()),
        spectral=float(s_R[0]),
        effective_rank=float(torch.exp(-(p_R * p_R.log()).sum())),
        spectral_gap=float(s_R[0]) / second if second > float(s_R[0]) * 1e-7 else None,
    )


def reduce_rank(pair: Pair, rank: int) -> tuple[Pair, float]:
    """The closest pair of a lower rank and the exact Frobenius norm of what is lost.

    The delta is truncated, never M, whose singular values are all 1: QR of both factors, SVD of the r x r core.

    Raises:
        InputError: the rank is below 1.
        NumericalError: a factor holds NaN or infinite values.
    """
    if rank < 1:
        raise InputError(f"rank must be at least 1, got {rank}")
    (qb_OR, qa_IR), (u_RR, s_R, vt_RR) = _core_svd(pair)
    root_R = s_R[:rank].sqrt()
    b_OR = (qb_OR @ u_RR[:, :rank]) * root_R
    a_RI = root_R[:, None] * (vt_RR[:rank] @ qa_IR.mT)
    lost = float(s_R[rank:].norm())
    return Pair(a_RI=a_RI.to(pair.a_RI.dtype), b_OR=b_OR.to(pair.b_OR.dtype)), lost


@contextmanager
def applied(base: BaseModel, adapters: Pairs | Sequence[Pairs | None]) -> Iterator[None]:
    """Run the base with an adapter added while the context is open; the base is bit for bit itself afterwards.

    Only the thread that opens the context runs under the adapter: others may use the same base meanwhile.

    Args:
        base: the frozen base.
        adapters: one adapter for every row of the batch, or one (or None: the bare base) for each row.

    Raises:
        UnknownSiteError: a path is no module of this base.
        MismatchError: a path is no linear, or a shape does not fit, or the batch has another size.
        InputError: no rows.
    """
    with hooked_after(_hooks(base, adapters)):
        yield


def _hooks(base: BaseModel, adapters: Pairs | Sequence[Pairs | None]) -> Mapping[nn.Module, Hook]:
    dtype, device = base.dtype, base.device
    if isinstance(adapters, Mapping):
        return {
            _linear(base, path, pair): _WholeBatchHook(pair.to(dtype=dtype, device=device))
            for path, pair in adapters.items()
        }
    if not adapters:
        raise InputError("name one adapter (or None) for each row of the batch, got no rows")
    groups: dict[str, list[_Group]] = {}
    for pairs, rows in _rows_by_adapter(adapters):
        for path, pair in pairs.items():
            groups.setdefault(path, []).append(_Group(pair=pair.to(dtype=dtype, device=device), rows=rows))
            _linear(base, path, pair)
    return {base.module(path): _RowsHook(members, len(adapters)) for path, members in groups.items()}


def _rows_by_adapter(adapters: Sequence[Pairs | None]) -> list[tuple[Pairs, list[int]]]:
    """Every adapter that some row has, with its rows: rows of one adapter are computed together."""
    found: dict[int, tuple[Pairs, list[int]]] = {}
    for row, pairs in enumerate(adapters):
        if pairs:
            found.setdefault(id(pairs), (pairs, []))[1].append(row)
    return list(found.values())


class _WholeBatchHook:
    """Adds the delta of one adapter to all rows."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def __call__(self, _module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + _change(self.pair, args[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Group:
    """The rows of one adapter at a site."""

    pair: Pair
    rows: list[int]


class _RowsHook:
    """Adds to each row of a batch the delta of that row's adapter."""

    def __init__(self, groups: Sequence[_Group], rows: int) -> None:
        self.groups = groups
        self.rows = rows

    def __call__(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x_BTI = args[0]
        if x_BTI.shape[0] != self.rows:
            raise MismatchError(
                f"one adapter a row: the batch must have {self.rows} rows, "
                f"got {x_BTI.shape[0]} in {type(module).__name__}"
            )
        if len(self.groups) == 1 and len(self.groups[0].rows) == self.rows:  # nothing to gather
            return output + _change(self.groups[0].pair, x_BTI)
        result_BTO = output.clone()
        for group in self.groups:
            result_BTO[group.rows] += _change(group.pair, x_BTI[group.rows])
        return result_BTO


def _change(pair: Pair, x_BTI: Tensor) -> Tensor:
    return nn.functional.linear(nn.functional.linear(x_BTI, pair.a_RI), pair.b_OR)


def _linear(base: BaseModel, path: str, pair: Pair) -> nn.Linear:
    module = base.module(path)
    if not isinstance(module, nn.Linear):
        raise MismatchError(f"{path} must be a linear, found {type(module).__name__}")
    if (pair.b_OR.shape[0], pair.a_RI.shape[1]) != (module.out_features, module.in_features):
        raise MismatchError(
            f"{path} takes a delta of {module.out_features} x {module.in_features}, "
            f"got {pair.b_OR.shape[0]} x {pair.a_RI.shape[1]}"
        )
    return module


def _core_svd(pair: Pair) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """QR factors of B and of A^T, and the SVD of the small core between them, in float64."""
    if not (all_finite(pair.a_RI) and all_finite(pair.b_OR)):
        raise NumericalError("the factors of a pair must be finite, they hold NaN or infinite values")
    qb_OR, rb_RR = torch.linalg.qr(pair.b_OR.double())
    qa_IR, ra_RR = torch.linalg.qr(pair.a_RI.double().mT)
    u_RR, s_R, vt_RR = torch.linalg.svd(rb_RR @ ra_RR.mT, full_matrices=False)
    return (qb_OR, qa_IR), (u_RR, s_R, vt_RR)
