"""The truncated polar factor against a dense SVD, and its derivative against finite differences.

Shape letters: K, V sides of a state, R rank kept.
"""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from adapters_core.errors import NumericalError
from adapters_core.modeling.polar import polar_matrix, truncated_polar

TOLERANCE = 1e-5
SIZES = st.integers(1, 9)


def random_orthogonal(size: int, seed: int) -> Tensor:
    square = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    orthogonal: Tensor = torch.linalg.qr(square)[0]
    return orthogonal


def state_of(singular: list[float], keys: int, values: int, *, seed: int = 0) -> Tensor:
    """A state with the given singular values."""
    middle_KV = torch.zeros(keys, values, dtype=torch.float64)
    middle_KV.diagonal()[: len(singular)] = torch.tensor(singular, dtype=torch.float64)
    return random_orthogonal(keys, seed) @ middle_KV @ random_orthogonal(values, seed + 1).mT


def dense_oracle(state_KV: Tensor, rank: int, tolerance: float = TOLERANCE) -> Tensor:
    """M from the definition, by a full SVD in float64."""
    u_KQ, s_Q, vt_QV = torch.linalg.svd(state_KV.double(), full_matrices=False)
    kept = [i for i in range(min(rank, len(s_Q))) if s_Q[i] > tolerance * s_Q[0]]
    matrix_KV: Tensor = u_KQ[:, kept] @ vt_QV[kept]
    return matrix_KV


def matrix_of(state_KV: Tensor, rank: int) -> Tensor:
    factor = truncated_polar(state_KV, rank=rank, tolerance=TOLERANCE, dtype=torch.float64)
    return factor.u_KR @ factor.v_VR.mT


@given(keys=SIZES, values=SIZES, rank=SIZES, seed=st.integers(0, 1000), spread=st.floats(0.0, 4.0))
def test_the_factors_are_those_of_a_dense_svd(keys: int, values: int, rank: int, seed: int, spread: float) -> None:
    size = min(keys, values)
    # well apart from each other and from the rank guard, so that the cut after r directions is the same for both
    singular = [10.0 ** -(spread * i / size + 0.01 * i) for i in range(size)]
    state_KV = state_of(singular, keys, values, seed=seed)

    factor = truncated_polar(state_KV, rank=rank, tolerance=TOLERANCE, dtype=torch.float64)

    kept = min(rank, size)
    torch.testing.assert_close(factor.s_R[:kept], torch.tensor(singular[:kept], dtype=torch.float64))
    torch.testing.assert_close(factor.u_KR @ factor.v_VR.mT, dense_oracle(state_KV, rank), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        polar_matrix(state_KV, rank=rank, tolerance=TOLERANCE), dense_oracle(state_KV, rank), atol=1e-9, rtol=0
    )


@given(keys=SIZES, values=SIZES, rank=SIZES, seed=st.integers(0, 1000))
def test_the_largest_singular_value_of_m_is_one(keys: int, values: int, rank: int, seed: int) -> None:
    state_KV = torch.randn(keys, values, generator=torch.Generator().manual_seed(seed))
    assume(float(state_KV.abs().max()) > 0)

    factor = truncated_polar(state_KV, rank=rank, tolerance=TOLERANCE)

    spectral = torch.linalg.matrix_norm(factor.u_KR @ factor.v_VR.mT, 2)
    assert float(spectral) == pytest.approx(1.0, abs=1e-5)


@given(factor=st.floats(1e-6, 1e6), keys=st.integers(2, 8), values=st.integers(2, 8), seed=st.integers(0, 500))
def test_scaling_a_state_leaves_m_as_it_is(factor: float, keys: int, values: int, seed: int) -> None:
    singular = [2.0**-i for i in range(min(keys, values))]
    state_KV = state_of(singular, keys, values, seed=seed)

    torch.testing.assert_close(matrix_of(factor * state_KV, 4), matrix_of(state_KV, 4), atol=1e-9, rtol=0)
    once = polar_matrix(state_KV, rank=4, tolerance=TOLERANCE)
    torch.testing.assert_close(polar_matrix(factor * state_KV, rank=4, tolerance=TOLERANCE), once, atol=1e-9, rtol=0)


@given(tokens=st.integers(1, 6), seed=st.integers(0, 500))
def test_a_state_of_few_tokens_has_no_more_directions_than_tokens(tokens: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    keys_TK, values_TV = torch.randn(tokens, 12, generator=rng), torch.randn(tokens, 10, generator=rng)

    factor = truncated_polar(keys_TK.mT @ values_TV, rank=8, tolerance=TOLERANCE)

    assert int((factor.s_R > 0).sum()) == tokens
    assert torch.equal(factor.u_KR[:, tokens:], torch.zeros(12, 8 - tokens))
    assert torch.equal(factor.v_VR[:, tokens:], torch.zeros(10, 8 - tokens))


def test_the_zero_state_has_no_directions_at_all() -> None:
    factor = truncated_polar(torch.zeros(2, 5, 4), rank=3, tolerance=TOLERANCE)

    assert all(torch.equal(part, torch.zeros_like(part)) for part in factor)
    assert not any(bool(part.signbit().any()) for part in factor)  # no negative zeros: equal factors, equal bytes
    assert torch.equal(polar_matrix(torch.zeros(5, 4), rank=3, tolerance=TOLERANCE), torch.zeros(5, 4))


@given(keys=st.integers(2, 8), values=st.integers(2, 8), seed=st.integers(0, 500))
def test_the_largest_entry_of_each_left_vector_is_positive(keys: int, values: int, seed: int) -> None:
    state_KV = torch.randn(keys, values, generator=torch.Generator().manual_seed(seed))

    u_KR = truncated_polar(state_KV, rank=8, tolerance=TOLERANCE).u_KR

    largest = u_KR.gather(0, u_KR.abs().argmax(0, keepdim=True))
    assert bool((largest > 0).all())


def test_equal_states_give_equal_bytes_and_negated_ones_move_the_sign_to_the_right() -> None:
    state_KV = torch.randn(3, 7, 5)

    first = truncated_polar(state_KV, rank=4, tolerance=TOLERANCE)
    second = truncated_polar(state_KV.clone(), rank=4, tolerance=TOLERANCE)
    negated = truncated_polar(-state_KV, rank=4, tolerance=TOLERANCE)

    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(negated.u_KR, first.u_KR)
    assert torch.equal(negated.v_VR, -first.v_VR)


def test_a_batch_is_the_same_as_its_members() -> None:
    states = torch.randn(4, 6, 9)

    batched = truncated_polar(states, rank=5, tolerance=TOLERANCE)

    for index, state_KV in enumerate(states):
        single = truncated_polar(state_KV, rank=5, tolerance=TOLERANCE)
        torch.testing.assert_close(batched.u_KR[index] @ batched.v_VR[index].mT, single.u_KR @ single.v_VR.mT)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_state_that_is_not_finite_is_refused(bad: float) -> None:
    state_KV = torch.ones(4, 4)
    state_KV[1, 2] = bad

    with pytest.raises(NumericalError, match="must be finite"):
        truncated_polar(state_KV, rank=2, tolerance=TOLERANCE)
    with pytest.raises(NumericalError, match="must be finite"):
        polar_matrix(state_KV, rank=2, tolerance=TOLERANCE)


CASES = {
    "square": ([3.0, 2.0, 1.0, 0.5], 4, 4, 2),
    "whole rank": ([3.0, 2.0, 1.0, 0.5], 4, 4, 4),
    "tall": ([3.0, 2.0, 1.0], 5, 3, 2),
    "wide": ([3.0, 2.0, 1.0], 3, 5, 2),
    "tall, whole rank": ([3.0, 2.0, 1.0], 5, 3, 3),
    "repeated among the kept": ([2.0, 2.0, 2.0, 0.5], 4, 4, 3),
    "repeated among the dropped": ([3.0, 2.0, 0.5, 0.5], 4, 4, 2),
    "all repeated, whole rank": ([1.0, 1.0, 1.0], 3, 3, 3),
    "one by one": ([0.7], 1, 1, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_the_backward_is_the_derivative(case: str) -> None:
    singular, keys, values, rank = CASES[case]
    state_KV = state_of(singular, keys, values, seed=3).requires_grad_()

    assert torch.autograd.gradcheck(
        lambda s: polar_matrix(s, rank=rank, tolerance=TOLERANCE), (state_KV,), eps=1e-6, atol=1e-6
    )


def test_the_backward_of_a_batch_is_the_derivative() -> None:
    batch = torch.stack([state_of([3.0, 1.5, 0.7], 3, 4, seed=seed) for seed in range(2)]).requires_grad_()

    assert torch.autograd.gradcheck(lambda s: polar_matrix(s, rank=2, tolerance=TOLERANCE), (batch,), atol=1e-6)


DEGENERATE = {
    "zero": [0.0, 0.0, 0.0, 0.0],
    "rank one": [1.0, 0.0, 0.0, 0.0],
    "tie across the cut": [2.0, 1.0, 1.0, 1.0],
    "all tie across the cut": [1.0, 1.0, 1.0, 1.0],
    "nearly a tie": [2.0, 1.0 + 1e-12, 1.0, 0.5],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", DEGENERATE)
def test_the_backward_stays_finite(case: str, dtype: torch.dtype) -> None:
    state_KV = state_of(DEGENERATE[case], 4, 4, seed=5).to(dtype).requires_grad_()

    polar_matrix(state_KV, rank=2, tolerance=TOLERANCE).pow(3).sum().backward()

    assert state_KV.grad is not None
    assert bool(torch.isfinite(state_KV.grad).all())


def test_the_backward_moves_the_kept_space_of_a_state_of_few_tokens() -> None:
    """Between kept directions and the empty rest the derivative exists: a short context trains the generator too."""
    keys_TK, values_TV = torch.randn(2, 6, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)

    def through_factors(keys: Tensor, values: Tensor) -> Tensor:
        return polar_matrix(keys.mT @ values, rank=4, tolerance=TOLERANCE)

    assert torch.autograd.gradcheck(through_factors, (keys_TK.requires_grad_(), values_TV.requires_grad_()), atol=1e-6)
