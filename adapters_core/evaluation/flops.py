"""Floating-point operations, counted from shapes: 2 for every multiply-add of a matrix product.

    body       per token 2 x weights of all linears of the decoder layers
               attention: per token and key it sees 4 x layers x query heads x head size (scores and their mixture)
    head       per position 2 x hidden x vocabulary
    adapter    per token and site 2 r (d_in + d_out)
    generator  per token and site 2 D (R1 + R2) for keys and values and 2 R1 R2 for their outer product;
               per site 2 R1 R2 min + 9 min^3 + 2 R1 R2 r for the polar factor (min = min(R1, R2); Gram matrix,
               symmetric eigenproblem by Golub and Van Loan 8.3, the other side) and 2 r (R1 d_in + R2 d_out) for the
               pair; and the body up to the last layer that is tapped
    training   per token 3 forward passes where all weights are trained, 2 where only factors are (no gradient of the
               frozen weights is formed); factors count like an adapter, times 3

Norms, activations and embeddings are left out: under 1% of any model that is worth adapting.
"""

from collections.abc import Sequence

from torch import nn

from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.lora import Pairs


def linear_weights(base: BaseModel, layers: int | None = None) -> int:
    """Weights of the linears of the first ``layers`` decoder layers; None: of all."""
    chosen = list(base.layers)[:layers]
    return sum(m.weight.numel() for layer in chosen for m in layer.modules() if isinstance(m, nn.Linear))


def body_flops(base: BaseModel, tokens: int, *, cached: int = 0, layers: int | None = None) -> int:
    """The decoder layers over ``tokens`` that follow ``cached`` ones, causal."""
    config = base.model.config.get_text_config()
    heads = int(config.num_attention_heads)
    head_size = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    count = len(base.layers) if layers is None else layers
    seen = tokens * cached + tokens * (tokens + 1) // 2
    return 2 * linear_weights(base, layers) * tokens + 4 * count * heads * head_size * seen


def head_flops(base: BaseModel, positions: int) -> int:
    """The output layer at some positions."""
    return 2 * base.hidden_size * base.vocab_size * positions


def adapter_flops(pairs: Pairs, tokens: int) -> int:
    """What unmerged pairs add to a forward pass."""
    return sum(2 * pair.rank * (pair.a_RI.shape[1] + pair.b_OR.shape[0]) for pair in pairs.values()) * tokens


def generation_flops(base: BaseModel, generator: Generator, chunks: Sequence[int]) -> int:
    """From chunks of so many tokens each to pairs."""
    config, sites = generator.config, generator.sites
    keys, values, rank = config.key_size, config.value_size, config.rank
    tapped = max(site.layer for site in sites)
    tokens = sum(chunks)
    encoding = sum(body_flops(base, chunk, layers=tapped) for chunk in chunks)
    state = len(sites) * tokens * (2 * base.hidden_size * (keys + values) + 2 * keys * values)
    small = min(keys, values)
    polar = len(sites) * (2 * keys * values * small + 9 * small**3 + 2 * keys * values * rank)
    pairs = sum(2 * rank * (keys * site.d_in + values * site.d_out) for site in sites)
    return encoding + state + polar + pairs


def training_flops(base: BaseModel, windows: Sequence[int], steps: int, *, factors: Pairs | None) -> int:
    """``steps`` optimizer steps, one window each in turn; ``factors``: what LoRA trains, None: all weights."""
    total = 0
    for step in range(steps):
        tokens = windows[step % len(windows)]
        forward = body_flops(base, tokens) + head_flops(base, tokens - 1)
        total += 3 * forward if factors is None else 2 * forward + 3 * adapter_flops(factors, tokens)
    return total
