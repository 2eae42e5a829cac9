"""Taps feed the state while the base runs, stop it early, and leave it as they found it.

Shape letters: B rows, T tokens, D hidden, N sites, K, V sides of a state.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.lora import applied
from adapters_core.modeling.taps import encode, tap
from tests.random_adapter import logits, random_pairs, token_ids
from tests.tiny_model import ARCHITECTURES, tiny_base, tiny_config, tiny_generator


@torch.no_grad()
def hidden_states(base: BaseModel, ids_BT: Tensor) -> list[Tensor]:
    """Inputs of all layers, as transformers itself reports them."""
    return list(base.body(input_ids=ids_BT, output_hidden_states=True).hidden_states)


def states_by_the_formulas(base: BaseModel, generator: Generator, ids_BT: Tensor) -> Tensor:
    """S = sum of k_t^T v_(t + shift), K = RMSNorm(h) key^T and V = RMSNorm(h) value^T, site by site, in float64."""
    stored = {name: tensor.detach().double() for name, tensor in generator.named_site_tensors()}
    inputs, shift = hidden_states(base, ids_BT), generator.config.value_shift
    states = []
    for site in generator.sites:
        h_BTD = inputs[site.layer].double()
        normed_BTD = h_BTD / (h_BTD.square().mean(-1, keepdim=True) + 1e-6).sqrt() * stored[f"{site.name}.norm"]
        keys_BTK = normed_BTD @ stored[f"{site.name}.key"].mT
        values_BTV = normed_BTD @ stored[f"{site.name}.value"].mT
        states.append(keys_BTK[:, : keys_BTK.shape[1] - shift].mT @ values_BTV[:, shift:])
    return torch.stack(states, dim=1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_state_is_the_formula(architecture: str) -> None:
    base = tiny_base(architecture)
    generator = tiny_generator(base, tiny_config(architecture))

    with torch.no_grad():
        states = encode(base, generator, token_ids(rows=2, length=15))

    assert states.dtype == torch.float32
    expected = states_by_the_formulas(base, generator, token_ids(rows=2, length=15))
    torch.testing.assert_close(states.double(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_shifted_value_is_paired_with_the_key_before_it(architecture: str) -> None:
    base = tiny_base(architecture)
    generator = tiny_generator(base, tiny_config(architecture, value_shift=1))
    ids_BT, mask_BT = token_ids(rows=2, length=15), torch.ones(2, 15, dtype=torch.long)
    mask_BT[1, 9:] = 0

    with torch.no_grad():
        whole, padded = encode(base, generator, ids_BT), encode(base, generator, ids_BT, mask_BT)
        alone = encode(base, generator, ids_BT[1:, :9])

    torch.testing.assert_close(whole.double(), states_by_the_formulas(base, generator, ids_BT), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(padded[1:], alone, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(whole, encode(base, tiny_generator(base, tiny_config(architecture)), ids_BT), atol=1e-3)


def test_one_token_alone_has_nothing_that_follows_it() -> None:
    base = tiny_base()
    with torch.no_grad():
        assert not encode(base, tiny_generator(base, tiny_config(value_shift=1)), token_ids(length=1)).any()


def test_a_bfloat16_base_still_sums_in_float32() -> None:
    base = tiny_base(dtype=torch.bfloat16)
    generator = tiny_generator(base)
    ids_BT = token_ids(rows=1, length=200)

    with torch.no_grad():
        states = encode(base, generator, ids_BT)

    assert states.dtype == torch.float32
    expected = states_by_the_formulas(base, generator, ids_BT)
    assert float((states.double() - expected).norm() / expected.norm()) < 0.02  # keys and values are bfloat16 products


def test_chunks_in_one_batch_have_the_states_they_have_alone() -> None:
    """A chunk's own state does not depend on which other chunks there are."""
    base = tiny_base()
    generator = tiny_generator(base)
    ids_BT = token_ids(rows=3, length=9)

    with torch.no_grad():
        together = encode(base, generator, ids_BT)
        apart = torch.cat([encode(base, generator, ids_BT[row : row + 1]) for row in range(3)])

    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("layers", "finished"), [(None, ["0", "1"]), ((0, 1), ["0"]), ((1,), ["0"]), ((0,), []), ((2, 0), ["0", "1"])]
)
def test_the_base_stops_before_the_last_layer_that_is_tapped(
    layers: tuple[int, ...] | None, finished: list[str]
) -> None:
    base = tiny_base()
    generator = tiny_generator(base, tiny_config(layers=layers))
    done: list[str] = []

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        return lambda _module, _args, _output: done.append(name)

    parts = {str(index): layer for index, layer in enumerate(base.layers)}
    for name, module in {**parts, "norm": base.body.get_submodule("norm"), "head": base.model.lm_head}.items():
        module.register_forward_hook(note(name))

    with torch.no_grad():
        encode(base, generator, token_ids())

    assert done == finished


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_encoding_leaves_no_hook_and_changes_no_later_output(architecture: str) -> None:
    base = tiny_base(architecture)
    before = logits(base)

    with torch.no_grad():
        encode(base, tiny_generator(base, tiny_config(architecture)), token_ids())

    assert torch.equal(logits(base), before)
    assert not any(layer._forward_pre_hooks for layer in base.layers)


def test_a_tap_that_fails_is_removed_and_its_error_comes_out() -> None:
    base = tiny_base()
    before = logits(base)

    def fail(_members: list[int], _keys: Tensor, _values: Tensor) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tap(base, tiny_generator(base), token_ids(), None, fail)

    assert torch.equal(logits(base), before)
    assert not any(layer._forward_pre_hooks for layer in base.layers)


def test_nothing_is_kept_of_a_pass_but_the_state() -> None:
    base = tiny_base()
    generator = tiny_generator(base).freeze()
    seen = []
    for layer in base.layers:
        layer.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))

    with torch.no_grad():
        states = encode(base, generator, token_ids(rows=1, length=8))

    assert states.shape == (1, 6, 12, 10)
    assert states.untyped_storage().nbytes() == states.numel() * 4
    assert not any(states.untyped_storage().data_ptr() == h.untyped_storage().data_ptr() for h in seen)


def test_the_adapter_that_is_applied_acts_on_the_encoding() -> None:
    base = tiny_base()
    generator = tiny_generator(base)

    with torch.no_grad():
        bare = encode(base, generator, token_ids())
        with applied(base, random_pairs(base, ["o_proj"], layers=[0])):
            adapted = encode(base, generator, token_ids())

    first_layer = [index for index, site in enumerate(generator.sites) if site.layer == 0]
    assert torch.equal(adapted[:, first_layer], bare[:, first_layer])
    assert not torch.allclose(adapted, bare, atol=1e-3)


def test_gradients_reach_the_generator_and_stop_at_the_base() -> None:
    base = tiny_base()
    generator = tiny_generator(base)

    encode(base, generator, token_ids()).square().sum().backward()

    for tensor in (generator.norm_ND, generator.key_NKD, generator.value_NVD):
        assert tensor.grad is not None
        assert bool(tensor.grad.any())
    assert all(parameter.grad is None for parameter in base.model.parameters())


def test_a_tap_reads_only_what_its_own_thread_runs() -> None:
    base = tiny_base()
    generator = tiny_generator(base)
    fed: list[list[int]] = []

    def consume(members: list[int], _keys: Tensor, _values: Tensor) -> None:
        if not fed:
            with ThreadPoolExecutor(max_workers=1) as others:
                others.submit(logits, base).result()
        fed.append(members)

    with torch.no_grad():
        tap(base, generator, token_ids(), None, consume)

    assert len(fed) == len(base.layers)
