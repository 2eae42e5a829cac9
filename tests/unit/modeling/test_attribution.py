"""Law 4: a delta is a sum of one term for each token, and the tokens' shares add up to 1.

Shape letters: T tokens, N sites, K, V sides of a state.
"""

import pytest
import torch
from torch import Tensor

from adapters_core.errors import InputError
from adapters_core.modeling.attribution import (
    WeightedChunk,
    answer_scores,
    log_probability,
    state_and_factor,
    token_shares,
)
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.lora import applied
from adapters_core.modeling.taps import encode, tap
from tests.tiny_model import ARCHITECTURES, tiny_base, tiny_config, tiny_generator

PREFIX, ANSWER = (72, 105, 32), (65, 66, 67, 68)


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


@pytest.fixture(scope="module")
def generator(base: BaseModel) -> Generator:
    return tiny_generator(base)


def chunks(*lengths: int, weight: float = 1.0) -> list[WeightedChunk]:
    rng = torch.Generator().manual_seed(11)
    return [
        WeightedChunk(token_ids=tuple(torch.randint(0, 256, (length,), generator=rng).tolist()), weight=weight)
        for length in lengths
    ]


def plain_sum(base: BaseModel, generator: Generator, parts: list[WeightedChunk]) -> Tensor:
    with torch.no_grad():
        return torch.stack(
            [part.weight * encode(base, generator, torch.tensor([part.token_ids]))[0] for part in parts]
        ).sum(0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("lengths", [(1,), (5,), (30, 12, 7), (3, 2)])
def test_shares_add_up_to_one_at_every_site(architecture: str, lengths: tuple[int, ...]) -> None:
    base = tiny_base(architecture)
    generator = tiny_generator(base, tiny_config(architecture))

    shares_TN = token_shares(base, generator, chunks(*lengths))

    assert shares_TN.shape == (sum(lengths), len(generator.sites))
    torch.testing.assert_close(
        shares_TN.sum(0), torch.ones(len(generator.sites), dtype=torch.float64), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("value_shift", [0, 1])
def test_a_share_is_the_tokens_part_of_the_delta(base: BaseModel, value_shift: int) -> None:
    """delta = sum of one rank-1 term for each token: phi_t is what token t's term has of M, measured along M."""
    generator = tiny_generator(base, tiny_config(value_shift=value_shift))
    parts = chunks(9, 6)
    state_NKV, factor = state_and_factor(base, generator, parts)
    kept_N = (factor.s_R > 0).sum(-1)
    terms: list[Tensor] = []
    for part in parts:
        own = torch.zeros(len(part.token_ids), *state_NKV.shape, dtype=torch.float64)

        def outer(members: list[int], k_1TnK: Tensor, v_1TnV: Tensor, own: Tensor = own) -> None:
            own[:, members] = torch.einsum("tnk,tnv->tnkv", k_1TnK[0].double(), v_1TnV[0].double())

        with torch.no_grad():
            tap(base, generator, torch.tensor([part.token_ids]), None, outer)
        terms.append(own)
    outer_TNKV = torch.cat(terms)
    p_NVV = (factor.v_VR / factor.s_R.clamp(min=1e-300)[:, None, :]) @ factor.v_VR.mT
    matrix_NKV = factor.u_KR @ factor.v_VR.mT

    torch.testing.assert_close(outer_TNKV.sum(0), state_NKV)
    torch.testing.assert_close((outer_TNKV @ p_NVV).sum(0), matrix_NKV, atol=1e-6, rtol=1e-6)
    along = torch.einsum("tnkv,nkv->tn", outer_TNKV @ p_NVV, matrix_NKV) / kept_N
    torch.testing.assert_close(token_shares(base, generator, parts), along, atol=1e-6, rtol=1e-6)


def test_the_token_that_follows_nothing_has_no_share(base: BaseModel) -> None:
    shares_TN = token_shares(base, tiny_generator(base, tiny_config(value_shift=1)), chunks(9, 6))

    assert not shares_TN[[0, 9]].any()
    assert shares_TN[[1, 8, 10, 14]].all()
    torch.testing.assert_close(shares_TN.sum(0), torch.ones_like(shares_TN[0]), atol=1e-5, rtol=0)


def test_the_state_of_weighted_chunks_is_their_weighted_sum(base: BaseModel, generator: Generator) -> None:
    first, second = chunks(8, 5)
    parts = [WeightedChunk(token_ids=first.token_ids, weight=0.25), second]

    state_NKV, _ = state_and_factor(base, generator, parts)

    torch.testing.assert_close(state_NKV.float(), plain_sum(base, generator, parts), atol=1e-4, rtol=1e-4)


def test_a_chunk_that_weighs_nothing_has_no_share(base: BaseModel, generator: Generator) -> None:
    heavy, light = chunks(8, 5)

    shares_TN = token_shares(base, generator, [heavy, WeightedChunk(token_ids=light.token_ids, weight=0.0)])

    assert not bool(shares_TN[8:].any())
    torch.testing.assert_close(shares_TN[:8], token_shares(base, generator, [heavy]))


def test_a_chunk_that_is_seen_twice_has_twice_the_share_of_its_half(base: BaseModel, generator: Generator) -> None:
    one = chunks(10)[0]

    shares_TN = token_shares(base, generator, [one, one])

    torch.testing.assert_close(shares_TN[:10], shares_TN[10:])
    torch.testing.assert_close(shares_TN[:10] * 2, token_shares(base, generator, [one]))


def test_a_site_without_a_state_has_no_shares(base: BaseModel) -> None:
    generator = tiny_generator(base)
    with torch.no_grad():
        generator.value_NVD[2].zero_()

    shares_TN = token_shares(base, generator, chunks(6))

    assert not bool(shares_TN[:, 2].any())
    torch.testing.assert_close(shares_TN[:, 3].sum(), torch.tensor(1.0, dtype=torch.float64))


def test_the_log_probability_is_that_under_the_applied_pairs(base: BaseModel, generator: Generator) -> None:
    state_NKV = plain_sum(base, generator, chunks(12))
    ids_T = torch.tensor(PREFIX + ANSWER)

    found = log_probability(base, generator, state_NKV, prefix=PREFIX, answer=ANSWER)

    with applied(base, generator.pairs(state_NKV)), torch.no_grad():
        scores_TW = base.model(ids_T[None]).logits[0].log_softmax(-1)
    wanted = sum(float(scores_TW[place - 1, ids_T[place]]) for place in range(len(PREFIX), len(ids_T)))
    assert found == pytest.approx(wanted, abs=1e-4)


def test_answer_scores_add_up_to_what_the_adapter_did(base: BaseModel, generator: Generator) -> None:
    parts = chunks(10, 6)

    rough = answer_scores(base, generator, parts, prefix=PREFIX, answer=ANSWER, steps=2)
    fine = answer_scores(base, generator, parts, prefix=PREFIX, answer=ANSWER, steps=16)

    state_NKV = plain_sum(base, generator, parts)
    assert fine.scores_TN.shape == (16, len(generator.sites))
    assert fine.log_probability == pytest.approx(
        log_probability(base, generator, state_NKV, prefix=PREFIX, answer=ANSWER), abs=1e-3
    )
    effect = fine.log_probability - fine.log_probability_base
    assert abs(effect) > 1e-3
    assert abs(fine.residual) < 0.01 * abs(effect) + 1e-3
    assert abs(fine.residual) <= abs(rough.residual) + 1e-4


def test_attribution_leaves_the_base_and_the_generator_without_gradients(base: BaseModel, generator: Generator) -> None:
    answer_scores(base, generator, chunks(5), prefix=PREFIX, answer=ANSWER, steps=1)

    assert all(parameter.grad is None for parameter in (*base.model.parameters(), *generator.parameters()))


def test_tokens_of_a_sequential_generator_have_no_shares(base: BaseModel) -> None:
    with pytest.raises(InputError, match="independent encoding"):
        token_shares(base, tiny_generator(base, tiny_config(encoding="sequential")), chunks(5))


@pytest.mark.parametrize(("prefix", "answer", "steps"), [((), ANSWER, 1), (PREFIX, (), 1), (PREFIX, ANSWER, 0)])
def test_an_answer_needs_a_prefix_tokens_and_steps(
    base: BaseModel, generator: Generator, prefix: tuple[int, ...], answer: tuple[int, ...], steps: int
) -> None:
    with pytest.raises(InputError, match="need a prefix, an answer and at least 1 step"):
        answer_scores(base, generator, chunks(5), prefix=prefix, answer=answer, steps=steps)
