"""Low-rank pairs, applied to a running base and taken away again.

A pair holds the factors of one site's delta ``W' = W + B A``. Nothing here writes to the base: pairs are added to the
outputs of its linears by forward hooks that live only inside :func:`applied`.

Shape letters: B batch, T tokens, I = d_in, O = d_out, R = rank, P = adapters resident at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from adapters_core.errors import InputError, MismatchError, NumericalError
from adapters_core.modeling.base_model import BaseModel

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
        """The same pair in another dtype, on another device."""
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

    Args:
        base: the frozen base.
        adapters: one adapter for every row of the batch, or one (or None: the bare base) for each row.

    Raises:
        UnknownSiteError: a path is no module of this base.
        MismatchError: a path is no linear, or a shape does not fit, or the batch has another size.
        InputError: no rows.
    """
    handles = []
    try:
        for path, hook in _hooks(base, adapters).items():
            handles.append(base.module(path).register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


_Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]


def _hooks(base: BaseModel, adapters: Pairs | Sequence[Pairs | None]) -> Mapping[str, _Hook]:
    if isinstance(adapters, Mapping):
        return _single(base, adapters, None)
    rows = tuple(adapters)
    if not rows:
        raise InputError("name one adapter (or None) for each row of the batch, got no rows")
    if len({id(row) for row in rows}) == 1:  # one adapter for all rows needs no gathering
        return _single(base, rows[0] or {}, len(rows))
    return _stack(base, rows)


def _single(base: BaseModel, pairs: Pairs, rows: int | None) -> dict[str, _Hook]:
    hooks: dict[str, _Hook] = {}
    for path, pair in pairs.items():
        _linear(base, path, pair)
        hooks[path] = _SingleHook(pair.to(dtype=base.dtype, device=base.device), rows)
    return hooks


class _SingleHook:
    """Adds the delta of one adapter to all rows."""

    def __init__(self, pair: Pair, rows: int | None) -> None:
        self.pair = pair
        self.rows = rows

    def __call__(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        _require_rows(args[0], self.rows, module)
        return output + nn.functional.linear(nn.functional.linear(args[0], self.pair.a_RI), self.pair.b_OR)


class _RowHook:
    """Adds to each row of a batch the delta of that row's adapter."""

    def __init__(self, a_BRI: Tensor, b_BOR: Tensor) -> None:
        self.a_BIR = a_BRI.mT
        self.b_BRO = b_BOR.mT

    def __call__(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x_BTI = args[0]
        _require_rows(x_BTI, self.a_BIR.shape[0], module)
        return output + torch.bmm(torch.bmm(x_BTI, self.a_BIR), self.b_BRO)


def _require_rows(x_BTI: Tensor, rows: int | None, module: nn.Module) -> None:
    if rows is not None and x_BTI.shape[0] != rows:
        raise MismatchError(
            f"one adapter a row: the batch must have {rows} rows, got {x_BTI.shape[0]} in {type(module).__name__}"
        )


def _stack(base: BaseModel, rows: Sequence[Pairs | None]) -> dict[str, _Hook]:
    paths = sorted({path for row in rows for path in (row or {})})
    hooks: dict[str, _Hook] = {}
    for path in paths:
        present = [row[path] for row in rows if row and path in row]
        rank = max(pair.rank for pair in present)
        first = present[0]
        zero = Pair(a_RI=torch.zeros_like(first.a_RI), b_OR=torch.zeros_like(first.b_OR))
        chosen = []
        for row in rows:
            pair = (row or {}).get(path, zero)
            _linear(base, path, pair)
            chosen.append(pair.padded(rank).to(dtype=base.dtype, device=base.device))
        hooks[path] = _RowHook(torch.stack([p.a_RI for p in chosen]), torch.stack([p.b_OR for p in chosen]))
    return hooks


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
    if not (bool(torch.isfinite(pair.a_RI).all()) and bool(torch.isfinite(pair.b_OR).all())):
        raise NumericalError("the factors of a pair must be finite, they hold NaN or infinite values")
    qb_OR, rb_RR = torch.linalg.qr(pair.b_OR.double())
    qa_IR, ra_RR = torch.linalg.qr(pair.a_RI.double().mT)
    u_RR, s_R, vt_RR = torch.linalg.svd(rb_RR @ ra_RR.mT, full_matrices=False)
    return (qb_OR, qa_IR), (u_RR, s_R, vt_RR)
