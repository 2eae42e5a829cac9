"""Which tokens of the context an adapter is made of, and which of them moved an answer.

**Shares.** With ``(U, s, V)`` the kept part of the SVD of the state, ``P = V diag(1/s) V^T`` gives ``M = S P``: the
delta is a sum of one rank-1 term per token. The share of token t,

    phi_t = (1/r) sum_i (k_t . u_i)(v_t . v_i) / s_i          (r: directions kept)

adds up to 1 over all tokens, as ``sum_t k_t^T v_t = S``. It may be negative: a token can work against the others.

**Answers.** For the log-probability L of an answer under the adapter whose normalised state is ``a M``,

    L(M) - L(0) = sum_t  k_t G v_t,      G = (integral over a in [0, 1] of dL/dM(a M)) P

(integrated gradients, Sundararajan et al. 2017, along the amplitude of the adapter; the midpoint rule). The scores add
up to the whole effect of the adapter on the answer, up to the error of the quadrature, which is reported.

**Counterfactuals.** ``M(S - S_c)`` is the adapter that never saw chunk c: exact, and without another encoding.

Shape letters: N sites, T tokens, K = R1, V = R2, R = rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adapters_core.errors import InputError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.folded import folded
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.polar import PolarFactor, truncated_polar
from adapters_core.modeling.taps import Consumer, tap

Ids = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightedChunk:
    """A chunk's tokens and its weight in the state (1, or its share after decay)."""

    token_ids: Ids
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class AnswerScores:
    """What every context token did to the log-probability of an answer."""

    scores_TN: Tensor
    """Nats, by token and site; positive: the token made the answer likelier. float64."""
    log_probability: float
    """Of the whole answer under the adapter, in nats."""
    log_probability_base: float
    """Of the same answer under the bare base."""

    @property
    def residual(self) -> float:
        """What the quadrature left unexplained, in nats: (with - without) - sum of the scores."""
        return self.log_probability - self.log_probability_base - float(self.scores_TN.sum())


def state_and_factor(
    base: BaseModel, generator: Generator, chunks: Sequence[WeightedChunk]
) -> tuple[Tensor, PolarFactor]:
    """The state of weighted chunks (N x K x V) and its kept factors, both in float64.

    Raises:
        InputError: the generator encodes sequentially (a token's keys then depend on the chunks before it).
    """
    if generator.config.encoding != "independent":
        raise InputError("attribution needs a generator with independent encoding")
    config = generator.config
    state_NKV = torch.zeros(
        len(generator.sites), config.key_size, config.value_size, dtype=torch.float64, device=base.device
    )

    for chunk in chunks:

        def accumulate(members: list[int], k_1TnK: Tensor, v_1TnV: Tensor, weight: float = chunk.weight) -> None:
            state_NKV[members] += weight * torch.einsum("tnk,tnv->nkv", k_1TnK[0].double(), v_1TnV[0].double())

        _run(base, generator, chunk, accumulate)
    factor = truncated_polar(state_NKV, rank=config.rank, tolerance=config.rank_tolerance, dtype=torch.float64)
    return state_NKV, factor


def token_shares(base: BaseModel, generator: Generator, chunks: Sequence[WeightedChunk]) -> Tensor:
    """Share of every token at every site: T x N, float64; each site's column adds up to 1.

    A site whose state is zero has no shares: its column is 0.
    """
    _, factor = state_and_factor(base, generator, chunks)
    kept_N = (factor.s_R > 0).sum(-1).clamp(min=1)
    inverse_NR = torch.where(factor.s_R > 0, 1.0 / factor.s_R.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    scaled_NKR = factor.u_KR * (inverse_NR / kept_N[:, None])[:, None, :]
    return _bilinear(base, generator, chunks, scaled_NKR, factor.v_VR)


def answer_scores(
    base: BaseModel,
    generator: Generator,
    chunks: Sequence[WeightedChunk],
    *,
    prefix: Ids,
    answer: Ids,
    steps: int = 8,
) -> AnswerScores:
    """Scores of every context token for one answer.

    Args:
        base: the frozen base.
        generator: its generator.
        chunks: the context, as the adapter was made from it.
        prefix: token ids before the answer (the question's prompt).
        answer: token ids of the answer.
        steps: points of the midpoint rule; each costs one forward and backward pass over prefix and answer.

    Raises:
        InputError: prefix or answer is empty, or steps below 1.
    """
    if not prefix or not answer or steps < 1:
        raise InputError(f"need a prefix, an answer and at least 1 step, got {len(prefix)}, {len(answer)}, {steps}")
    state_NKV, factor = state_and_factor(base, generator, chunks)
    inverse_NR = torch.where(factor.s_R > 0, 1.0 / factor.s_R.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    p_NVV = (factor.v_VR * inverse_NR[:, None, :]) @ factor.v_VR.mT
    matrix_NKV = (state_NKV @ p_NVV).float()
    gradient_NKV = torch.zeros_like(state_NKV)
    for step in range(steps):
        amplitude = (step + 0.5) / steps
        leaf_NKV = (amplitude * matrix_NKV).requires_grad_()
        with torch.enable_grad():
            value = _log_probability(base, generator, leaf_NKV, prefix, answer)
            (found_NKV,) = torch.autograd.grad(value, leaf_NKV)
        gradient_NKV += found_NKV.double() / steps
    # k_t G v_t with G = gradient P^T; as a bilinear form of rank min(K, V): left factor the identity
    identity_NKK = torch.eye(matrix_NKV.shape[1], dtype=torch.float64, device=base.device).expand(
        matrix_NKV.shape[0], -1, -1
    )
    scores_TN = _bilinear(base, generator, chunks, identity_NKK, (gradient_NKV @ p_NVV.mT).mT)
    with torch.no_grad():
        adapted = float(_log_probability(base, generator, matrix_NKV, prefix, answer))
        bare = float(_log_probability(base, generator, torch.zeros_like(matrix_NKV), prefix, answer))
    return AnswerScores(scores_TN=scores_TN, log_probability=adapted, log_probability_base=bare)


@torch.no_grad()
def log_probability(base: BaseModel, generator: Generator, state_NKV: Tensor, *, prefix: Ids, answer: Ids) -> float:
    """Log-probability of an answer, in nats, under the adapter of a state."""
    config = generator.config
    factor = truncated_polar(state_NKV, rank=config.rank, tolerance=config.rank_tolerance)
    matrix_NKV = factor.u_KR @ factor.v_VR.mT
    return float(_log_probability(base, generator, matrix_NKV.to(base.device), prefix, answer))


def _log_probability(base: BaseModel, generator: Generator, matrix_NKV: Tensor, prefix: Ids, answer: Ids) -> Tensor:
    ids_1T = torch.tensor([prefix + answer], device=base.device)
    with folded(base, generator, matrix_NKV[None]):
        hidden_1TD = base.body(input_ids=ids_1T, use_cache=False)[0]
    logits_TW = base.head_logits(hidden_1TD[0, len(prefix) - 1 : -1])
    return -nn.functional.cross_entropy(logits_TW, ids_1T[0, len(prefix) :], reduction="sum")


def _bilinear(
    base: BaseModel, generator: Generator, chunks: Sequence[WeightedChunk], left_NKR: Tensor, right_NVR: Tensor
) -> Tensor:
    """For every token and site: weight * sum_r (k_t . left_r)(v_t . right_r). T x N."""
    parts = []
    for chunk in chunks:
        scores_TN = torch.zeros(len(chunk.token_ids), len(generator.sites), dtype=torch.float64, device=base.device)

        def score(
            members: list[int], k_1TnK: Tensor, v_1TnV: Tensor, out_TN: Tensor = scores_TN, weight: float = chunk.weight
        ) -> None:
            left_TnR = torch.einsum("tnk,nkr->tnr", k_1TnK[0].double(), left_NKR[members])
            right_TnR = torch.einsum("tnv,nvr->tnr", v_1TnV[0].double(), right_NVR[members])
            out_TN[:, members] = weight * (left_TnR * right_TnR).sum(-1)

        _run(base, generator, chunk, score)
        parts.append(scores_TN)
    return torch.cat(parts).cpu()


@torch.no_grad()
def _run(base: BaseModel, generator: Generator, chunk: WeightedChunk, consumer: Consumer) -> None:
    ids_1T = torch.tensor([chunk.token_ids], device=base.device)
    tap(base, generator, ids_1T, None, consumer)
