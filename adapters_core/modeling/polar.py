"""The truncated polar factor M = U_r f(s) V_r^T of a state, with a backward that stays finite.

``(U, s, V) = SVD(S)``; the r largest singular values are set to 1, the rest to 0. Directions at or below
``tolerance * s_1`` are noise (a context shorter than r tokens has no more than its tokens' directions) and are dropped.

The derivative of ``M = U f(s) V^T`` for a square S, with ``E = U^T G V`` split in its symmetric part ``E_s`` and
antisymmetric part ``E_a``, is ``U [Gs * E_s + Ga * E_a] V^T`` where

    Gs_ij = (f_i - f_j) / (s_i - s_j)   (0 where f_i = f_j, so repeated values do no harm)
    Ga_ij = (f_i + f_j) / (s_i + s_j)   (0 where f_i + f_j = 0)

A rectangular state is padded with zeros to a square one, which changes none of its factors.

Shape letters: K = R1 (keys), V = R2 (values), R = rank kept, Q = max(K, V).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from adapters_core.errors import NumericalError
from adapters_core.modeling.finite import all_finite


class PolarFactor(NamedTuple):
    """Factors of M = U diag(kept) V^T, zero columns where a direction was dropped."""

    u_KR: Float[Tensor, "*batch k r"]
    """Left singular vectors, canonical signs; dropped directions are zero."""
    s_R: Float[Tensor, "*batch r"]
    """Singular values of the state, largest first; dropped ones are zero."""
    v_VR: Float[Tensor, "*batch v r"]
    """Right singular vectors; dropped directions are zero."""


def truncated_polar(
    state_KV: Float[Tensor, "*batch k v"], *, rank: int, tolerance: float, dtype: torch.dtype = torch.float32
) -> PolarFactor:
    """Factors of the truncated polar factor: deterministic, with canonical signs.

    The eigenvectors of the smaller Gram matrix of S give one side, a product with S the other, in float64: half the
    time of an SVD. Squaring costs half of the digits, and float64 has them to spare: a direction at the tolerance
    (1e-5 of the largest) is still orthogonal to the others within 1e-6. Of each left vector the entry largest in
    magnitude is positive, so equal states give equal bytes.

    Args:
        state_KV: the state S, float32 or float64.
        rank: r, directions kept at most.
        tolerance: share of the largest singular value at or below which a direction is dropped.
        dtype: of the factors returned.

    Raises:
        NumericalError: the state holds NaN or infinite values.
    """
    _require_finite(state_KV)
    keys, values = state_KV.shape[-2:]
    if keys < values:
        v_VR, s_R, u_KR = _leading(state_KV.double().mT, rank)
    else:
        u_KR, s_R, v_VR = _leading(state_KV.double(), rank)
    kept_R = _kept(s_R, s_R, tolerance)
    sign_1R = _canonical_signs(u_KR) * kept_R[..., None, :]
    # + 0.0 turns the negative zeros of dropped directions into zeros: equal factors, equal bytes
    return PolarFactor((u_KR * sign_1R + 0.0).to(dtype), (s_R * kept_R).to(dtype), (v_VR * sign_1R + 0.0).to(dtype))


def polar_matrix(state_KV: Float[Tensor, "*batch k v"], *, rank: int, tolerance: float) -> Float[Tensor, "*batch k v"]:
    """M itself, differentiable with respect to the state (formula: this module's head), in the state's dtype.

    Raises:
        NumericalError: the state holds NaN or infinite values.
    """
    _require_finite(state_KV)
    keys, values = state_KV.shape[-2:]
    size = max(keys, values)
    state_QQ = torch.nn.functional.pad(state_KV, (0, size - values, 0, size - keys)) if keys != values else state_KV
    matrix_QQ: Tensor = _PolarFunction.apply(state_QQ, rank, tolerance)  # type: ignore[no-untyped-call]
    return matrix_QQ[..., :keys, :values]


class _PolarFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, state_QQ: Tensor, rank: int, tolerance: float) -> Tensor:
        u_QQ, s_Q, vt_QQ = torch.linalg.svd(state_QQ, full_matrices=False)
        f_Q = _kept(s_Q, s_Q, tolerance)
        f_Q[..., rank:] = 0
        ctx.save_for_backward(u_QQ, s_Q, vt_QQ, f_Q)
        matrix_QQ: Tensor = (u_QQ * f_Q[..., None, :]) @ vt_QQ
        return matrix_QQ

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, None, None]:
        u_QQ, s_Q, vt_QQ, f_Q = ctx.saved_tensors  # type: ignore[attr-defined]
        e_QQ = u_QQ.mT @ grads[0] @ vt_QQ.mT
        sym_QQ, anti_QQ = (e_QQ + e_QQ.mT) / 2, (e_QQ - e_QQ.mT) / 2
        gs_QQ = _ratio(f_Q[..., :, None] - f_Q[..., None, :], s_Q[..., :, None] - s_Q[..., None, :])
        ga_QQ = _ratio(f_Q[..., :, None] + f_Q[..., None, :], s_Q[..., :, None] + s_Q[..., None, :])
        return u_QQ @ (gs_QQ * sym_QQ + ga_QQ * anti_QQ) @ vt_QQ, None, None


def _leading(state_KV: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """The leading singular triples of a state with at least as many rows as columns, largest first."""
    square_V, v_VV = torch.linalg.eigh(state_KV.mT @ state_KV, UPLO="U")  # LAPACK is quicker on this half
    s_R = square_V[..., -rank:].flip(-1).clamp(min=0).sqrt()
    v_VR = v_VV[..., -rank:].flip(-1)
    u_KR = (state_KV @ v_VR) / torch.where(s_R > 0, s_R, 1.0)[..., None, :]
    return u_KR, s_R, v_VR


def _require_finite(state_KV: Tensor) -> None:
    if not all_finite(state_KV):
        raise NumericalError("the state must be finite, it holds NaN or infinite values")


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """numerator / denominator, 0 where the numerator is 0; a kept and a dropped value that tie also give 0."""
    tie = (numerator == 0) | (denominator == 0)
    return torch.where(tie, 0.0, numerator / torch.where(tie, 1.0, denominator))


def _kept(s_R: Tensor, s_Q: Tensor, tolerance: float) -> Tensor:
    largest_1 = s_Q[..., :1]
    return ((s_R > tolerance * largest_1) & (s_R > 0)).to(s_R.dtype)


def _canonical_signs(u_KR: Tensor) -> Tensor:
    index_1R = u_KR.abs().argmax(dim=-2, keepdim=True)
    return torch.where(u_KR.gather(-2, index_1R) < 0, -1.0, 1.0).to(u_KR.dtype)
