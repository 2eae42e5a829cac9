import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.errors import InputError, NumericalError
from adapters_core.service.sampling import Sampling, choose

LOGITS_W = torch.tensor([0.0, 2.0, 1.0, -1.0])


def draws(sampling: Sampling, count: int, logits_W: torch.Tensor = LOGITS_W) -> list[int]:
    source = sampling.random_source()
    return [choose(logits_W, sampling, source).token_id for _ in range(count)]


def test_temperature_0_takes_the_likeliest() -> None:
    assert draws(Sampling(temperature=0.0), 5) == [1] * 5


def test_a_seed_repeats_its_draws_and_another_does_not() -> None:
    assert draws(Sampling(seed=1), 50) == draws(Sampling(seed=1), 50)
    assert draws(Sampling(seed=1), 50) != draws(Sampling(seed=2), 50)
    assert draws(Sampling(), 50) != draws(Sampling(), 50)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_probabilities(temperature: float) -> None:
    found = torch.bincount(torch.tensor(draws(Sampling(temperature=temperature, seed=3), 4000)), minlength=4) / 4000

    torch.testing.assert_close(found, torch.softmax(LOGITS_W / temperature, -1), atol=0.03, rtol=0)


def test_top_p_draws_from_the_fewest_tokens_that_reach_it() -> None:
    # probabilities 0.644, 0.237, 0.087, 0.032
    assert set(draws(Sampling(top_p=0.6, seed=0), 300)) == {1}
    assert set(draws(Sampling(top_p=0.65, seed=0), 300)) == {1, 2}
    assert set(draws(Sampling(top_p=0.9, seed=0), 300)) == {0, 1, 2}
    assert set(draws(Sampling(top_p=1.0, seed=0), 300)) == {0, 1, 2, 3}


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.floats(0.01, 2), st.floats(0.001, 1))
def test_every_draw_is_a_word_and_its_logprob_is_that_before_temperature(
    logits: list[float], temperature: float, top_p: float
) -> None:
    logits_W = torch.tensor(logits)
    sampling = Sampling(temperature=temperature, top_p=top_p, seed=0, top_logprobs=3)

    token = choose(logits_W, sampling, sampling.random_source())

    assert 0 <= token.token_id < len(logits)
    assert token.logprob == pytest.approx(float(torch.log_softmax(logits_W, -1)[token.token_id]))
    assert [value for _, value in token.top] == sorted((value for _, value in token.top), reverse=True)
    assert len(token.top) == min(3, len(logits))


def test_logits_that_are_not_finite_are_an_error() -> None:
    for bad in (math.nan, math.inf):
        with pytest.raises(NumericalError, match="must be finite"):
            choose(torch.tensor([0.0, bad]), Sampling(), Sampling().random_source())


def test_a_word_that_cannot_come_never_does() -> None:
    assert set(draws(Sampling(seed=0), 200, torch.tensor([0.0, -math.inf]))) == {0}


@pytest.mark.parametrize(
    "fields", [{"temperature": -0.1}, {"temperature": 2.1}, {"top_p": 0.0}, {"top_p": 1.1}, {"top_logprobs": 21}]
)
def test_values_out_of_bounds_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must lie in"):
        Sampling(**fields)  # type: ignore[arg-type]
