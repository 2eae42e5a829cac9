"""Operations counted from shapes are those that torch counts while it runs."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from adapters_core.evaluation.flops import (
    adapter_flops,
    body_flops,
    generation_flops,
    head_flops,
    linear_weights,
    training_flops,
)
from adapters_core.modeling.lora import applied
from adapters_core.modeling.taps import encode
from tests.tiny_model import ARCHITECTURES, tiny_base, tiny_config, tiny_generator

TOKENS = 24
IDS_1T = torch.arange(TOKENS)[None]


def attention_of(architecture: str, tokens: int) -> int:
    """What torch counts for attention: every token against every key, the masked ones too."""
    base = tiny_base(architecture)
    config = base.model.config
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 4 * len(base.layers) * int(config.num_attention_heads * head_size) * tokens**2


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_body_and_head_are_counted_as_torch_counts_them(architecture: str) -> None:
    base = tiny_base(architecture)
    base.model.set_attn_implementation("eager")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        base.model(input_ids=IDS_1T, use_cache=False)

    linears = counter.get_total_flops() - attention_of(architecture, TOKENS)
    rotary = linears - 2 * linear_weights(base) * TOKENS - head_flops(base, TOKENS)
    assert 0 <= rotary < 0.01 * linears
    causal = body_flops(base, TOKENS) - 2 * linear_weights(base) * TOKENS
    assert causal == attention_of(architecture, TOKENS) * (TOKENS + 1) // (2 * TOKENS)


def test_tokens_that_follow_others_cost_what_is_left() -> None:
    base = tiny_base()

    assert body_flops(base, 10) + body_flops(base, 7, cached=10) == body_flops(base, 17)


def test_an_adapter_is_counted_as_torch_counts_it() -> None:
    base = tiny_base()
    generator = tiny_generator(base)
    with torch.no_grad():
        pairs = generator.pairs(encode(base, generator, IDS_1T)[0])
        with FlopCounterMode(display=False) as bare:
            base.body(input_ids=IDS_1T, use_cache=False)
        with FlopCounterMode(display=False) as adapted, applied(base, pairs):
            base.body(input_ids=IDS_1T, use_cache=False)

    assert adapted.get_total_flops() - bare.get_total_flops() == adapter_flops(pairs, TOKENS)


def test_generation_is_counted_as_torch_counts_it_but_for_the_eigenproblem() -> None:
    base = tiny_base()
    base.model.set_attn_implementation("eager")
    config = tiny_config(key_size=12, value_size=10, rank=8)
    generator = tiny_generator(base, config)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        state = encode(base, generator, IDS_1T)[0]
        generator.pairs(state)

    half_attention = attention_of("llama", TOKENS) * 2 // 3  # the last layer's body is not run
    half_attention -= half_attention * (TOKENS + 1) // (2 * TOKENS)
    eigenproblem = len(generator.sites) * 9 * 10**3
    expected = counter.get_total_flops() - half_attention + eigenproblem
    assert generation_flops(base, generator, [TOKENS]) == pytest.approx(expected, rel=0.01)


def test_chunks_add_up() -> None:
    base = tiny_base()
    generator = tiny_generator(base)

    one, two = generation_flops(base, generator, [8]), generation_flops(base, generator, [8, 8])
    pairs_once = 2 * one - two
    assert 0 < pairs_once < one


def test_training_goes_round_the_windows() -> None:
    base = tiny_base()

    one = training_flops(base, [10], 1, factors=None)
    other = training_flops(base, [7], 1, factors=None)
    assert training_flops(base, [10, 7], 3, factors=None) == 2 * one + other
    assert one == 3 * (body_flops(base, 10) + head_flops(base, 9))
    assert training_flops(base, [10], 1, factors={}) == one * 2 // 3
