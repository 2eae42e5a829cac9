"""The laws of a generated adapter, on every architecture.

Shape letters: N sites, K, V sides of a state.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapters_core.data.documents import Document
from adapters_core.errors import MismatchError, NumericalError, UnknownSiteError, UnsupportedModelError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.digests import digest_tensors
from adapters_core.modeling.folded import folded, normalised
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.lora import Pairs, applied, delta_norms, norms_of
from adapters_core.modeling.polar import polar_matrix
from adapters_core.modeling.taps import encode
from adapters_core.pipeline import GenerationCore
from tests.random_adapter import logits, token_ids
from tests.tiny_model import ARCHITECTURES, tiny_base, tiny_config, tiny_generator

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


@pytest.fixture(scope="module")
def generator(base: BaseModel) -> Generator:
    return tiny_generator(base)


@torch.no_grad()
def state_of(base: BaseModel, generator: Generator, ids_BT: Tensor) -> Tensor:
    return encode(base, generator, ids_BT).sum(0)


def worst_difference(first: Pairs, second: Pairs) -> float:
    """Largest relative difference of two adapters' deltas."""
    assert first.keys() == second.keys()
    return max(
        float((pair.delta() - second[path].delta()).norm() / pair.delta().norm()) for path, pair in first.items()
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_context_becomes_an_adapter_that_changes_the_base_and_leaves_it_whole(architecture: str) -> None:
    base = tiny_base(architecture)
    generator = tiny_generator(base, tiny_config(architecture))
    before, weights = logits(base), digest_tensors(base.model.state_dict().items())

    pairs = generator.pairs(state_of(base, generator, token_ids(rows=1, length=30)))

    assert set(pairs) == {site.path for site in generator.sites}
    assert len(pairs) == 3 * len(generator.config.target_modules)
    assert float((logits(base, pairs) - before).abs().max()) > 1e-3
    assert torch.equal(logits(base), before)
    assert digest_tensors(base.model.state_dict().items()) == weights


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_pair_is_the_formula(architecture: str) -> None:
    """Law 1: delta = scale * output M^T input, exactly, with M from the state."""
    base = tiny_base(architecture)
    generator = tiny_generator(base, tiny_config(architecture))
    state_NKV = state_of(base, generator, token_ids(rows=2, length=20))
    stored = dict(generator.named_site_tensors())

    pairs = generator.pairs(state_NKV)

    for index, site in enumerate(generator.sites):
        matrix_KV = polar_matrix(state_NKV[index].double(), rank=8, tolerance=1e-5)
        output_OV, input_KI = stored[f"{site.name}.output"].double(), stored[f"{site.name}.input"].double()
        delta_OI = 4.0 / 10 * output_OV @ matrix_KV.mT @ input_KI  # scale = alpha / R2
        torch.testing.assert_close(pairs[site.path].delta().double(), delta_OI, atol=1e-5, rtol=1e-5)


@settings(max_examples=25)
@given(tokens=st.integers(1, 12), seed=st.integers(0, 100))
def test_the_rank_is_at_most_r_and_at_most_the_tokens_seen(tokens: int, seed: int) -> None:
    """Law 1."""
    base = tiny_base()
    generator = tiny_generator(base)
    ids_1T = torch.randint(0, 256, (1, tokens), generator=torch.Generator().manual_seed(seed))

    for pair in generator.pairs(state_of(base, generator, ids_1T)).values():
        assert pair.rank == 8
        s_Q = torch.linalg.svdvals(pair.delta().double())
        assert int((s_Q > 1e-6 * s_Q[0]).sum()) <= min(8, tokens)


def test_a_longer_stream_does_not_make_a_larger_adapter(base: BaseModel, generator: Generator) -> None:
    """Law 3: the amplitude depends on directions, not on how much was read."""
    state_NKV = state_of(base, generator, token_ids(rows=1, length=24))

    once, often = generator.pairs(state_NKV), generator.pairs(1000 * state_NKV)

    assert worst_difference(once, often) < 1e-5


def test_an_untrained_generator_changes_nothing(base: BaseModel) -> None:
    """Law 5."""
    generator = Generator(tiny_config(), base)

    pairs = generator.pairs(state_of(base, generator, token_ids()))

    assert torch.equal(logits(base, pairs), logits(base))
    with folded(base, generator, normalised(generator, torch.randn(2, 6, 12, 10))), torch.no_grad():
        assert torch.equal(base.model(token_ids()).logits, logits(base))


_ELSEWHERE = """
import sys, torch
torch.manual_seed(7)
torch.rand(7)
from tests.unit.modeling.test_generator import digest_of_an_adapter
print(digest_of_an_adapter())
"""


def digest_of_an_adapter() -> str:
    base = tiny_base()
    core = GenerationCore(base, tiny_generator(base))
    return core.generate([Document(name="d", text="Tea costs 40 yen at Oboro. " * 6)], key=bytes(32)).adapter.digest


def test_the_same_context_gives_the_same_digest_in_another_process_with_another_seed() -> None:
    """Law 6."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5"}

    elsewhere = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()

    assert elsewhere == [digest_of_an_adapter()]


def test_generating_draws_no_random_numbers(base: BaseModel, generator: Generator) -> None:
    """Law 6: nothing that runs beside a generation can see it in its own random numbers, nor change its outcome."""
    before = torch.get_rng_state()

    first = generator.pairs(state_of(base, generator, token_ids()))
    torch.manual_seed(99)
    second = generator.pairs(state_of(base, generator, token_ids()))
    torch.set_rng_state(before)
    Generator(tiny_config(), base)

    assert torch.equal(torch.get_rng_state(), before)
    for path, pair in first.items():
        assert torch.equal(pair.a_RI, second[path].a_RI)
        assert torch.equal(pair.b_OR, second[path].b_OR)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_and_neighbours_do_not_change_an_adapter(architecture: str) -> None:
    """Law 7."""
    base = tiny_base(architecture)
    generator = tiny_generator(base, tiny_config(architecture))
    lengths = (5, 17, 11)
    ids_BT, mask_BT = torch.full((3, 17), 256), torch.zeros(3, 17, dtype=torch.long)
    rows = [token_ids(rows=3, length=17)[row, :length] for row, length in enumerate(lengths)]
    for row, ids_T in enumerate(rows):
        ids_BT[row, : len(ids_T)], mask_BT[row, : len(ids_T)] = ids_T, 1

    with torch.no_grad():
        batched = encode(base, generator, ids_BT, mask_BT)

    for row, ids_T in enumerate(rows):
        alone_NKV = state_of(base, generator, ids_T[None])
        torch.testing.assert_close(batched[row], alone_NKV, atol=1e-4, rtol=1e-4)
        assert worst_difference(generator.pairs(alone_NKV), generator.pairs(batched[row])) < 1e-3


def test_what_is_written_in_the_padding_does_not_matter(base: BaseModel, generator: Generator) -> None:
    ids_BT = token_ids(rows=2, length=10)
    mask_BT = torch.ones_like(ids_BT)
    mask_BT[0, 6:] = 0
    other_BT = torch.where(mask_BT == 1, ids_BT, 42)

    with torch.no_grad():
        assert torch.equal(encode(base, generator, ids_BT, mask_BT), encode(base, generator, other_BT, mask_BT))


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox"])
def test_folding_through_m_and_applying_the_pairs_are_one_function(architecture: str) -> None:
    base = tiny_base(architecture)
    generator = tiny_generator(base, tiny_config(architecture))
    with torch.no_grad():
        states_BNKV = encode(base, generator, token_ids(rows=2, length=20))
        matrix_BNKV = normalised(generator, states_BNKV)
        with folded(base, generator, matrix_BNKV):
            through_m = base.model(token_ids()).logits
        with applied(base, [generator.pairs(state_NKV) for state_NKV in states_BNKV]):
            through_pairs = base.model(token_ids()).logits

    torch.testing.assert_close(through_m, through_pairs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("rank", [3, 8])
def test_the_spectra_are_those_of_the_dense_deltas(architecture: str, rank: int) -> None:
    base = tiny_base(architecture)
    generator = tiny_generator(base, tiny_config(architecture, rank=rank)).freeze()

    pairs, spectra = generator.pairs_and_spectra(state_of(base, generator, token_ids(rows=1, length=30)))

    for path, pair in pairs.items():
        dense = torch.linalg.svdvals(pair.b_OR.double() @ pair.a_RI.double())[:rank]
        torch.testing.assert_close(spectra[path][:rank], dense, rtol=1e-5, atol=1e-6 * float(dense[0]))
        assert float(spectra[path][rank:].sum()) < 1e-5 * float(dense[0])
        for name in ("frobenius", "spectral", "effective_rank", "spectral_gap"):
            found, wanted = getattr(norms_of(spectra[path]), name), getattr(delta_norms(pair), name)
            assert found == pytest.approx(wanted, rel=1e-4)


def test_the_spectrum_of_a_short_context_ends_with_its_tokens(base: BaseModel) -> None:
    generator = tiny_generator(base).freeze()

    _, spectra = generator.pairs_and_spectra(state_of(base, generator, token_ids(rows=1, length=2)))

    for s_X in spectra.values():
        assert float(s_X[2:].sum()) < 1e-5 * float(s_X[0])
        assert norms_of(s_X).effective_rank <= 2.001


def test_only_the_named_layers_are_adapted(base: BaseModel) -> None:
    generator = tiny_generator(base, tiny_config(layers=(2, 0), target_modules=("down_proj",)))

    pairs = generator.pairs(state_of(base, generator, token_ids()))

    assert list(pairs) == ["model.layers.2.mlp.down_proj", "model.layers.0.mlp.down_proj"]
    assert [site.name for site in generator.sites] == ["layers.2.down_proj", "layers.0.down_proj"]


def test_layers_and_targets_that_the_base_has_not_are_refused(base: BaseModel) -> None:
    with pytest.raises(UnknownSiteError, match=r"layers must lie in 0\.\.2, got \[3, 7\]"):
        Generator(tiny_config(layers=(1, 3, 7)), base)
    with pytest.raises(UnknownSiteError, match="found no module in layer 0; supported here: down_proj, gate_proj"):
        Generator(tiny_config(target_modules=("c_proj",)), base)


def test_a_target_must_have_one_shape_in_every_layer() -> None:
    base = tiny_base()
    base.layers[1].get_submodule("mlp").register_module("down_proj", torch.nn.Linear(24, 32))

    with pytest.raises(UnsupportedModelError, match="must have one shape in every layer"):
        Generator(tiny_config(), base)


def test_initial_weights_have_the_published_spread(base: BaseModel) -> None:
    generator = Generator(tiny_config(key_size=200, value_size=200), base)

    for tensor, fan_in in ((generator.key_NKD, 32), (generator.value_NVD, 32), (generator.input_nKI["down_proj"], 48)):
        assert float(tensor.detach().std()) == pytest.approx((3 * fan_in) ** -0.5, rel=0.02)
    assert bool((generator.norm_ND == 1).all())
    assert not any(bool(tensor.any()) for tensor in generator.output_nOV.values())


@pytest.mark.parametrize("part", ["norm_ND", "key_NKD", "value_NVD"])
def test_damaged_weights_before_the_state_are_refused(base: BaseModel, part: str) -> None:
    generator = tiny_generator(base)
    with torch.no_grad():
        getattr(generator, part).view(-1)[3] = float("nan")

    with pytest.raises(NumericalError, match="must be finite"):
        generator.pairs(state_of(base, generator, token_ids()))


@pytest.mark.parametrize("part", ["input_nKI", "output_nOV"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_damaged_weights_behind_the_state_are_refused(base: BaseModel, part: str, bad: float) -> None:
    generator = tiny_generator(base)
    with torch.no_grad():
        getattr(generator, part)["o_proj"][1, 0, 0] = bad

    with pytest.raises(NumericalError, match="'o_proj' must be finite"):
        generator.pairs(state_of(base, generator, token_ids()))


def test_site_tensors_fill_a_generator_whole_or_not_at_all(base: BaseModel, generator: Generator) -> None:
    stored = {name: tensor.detach().clone() for name, tensor in generator.named_site_tensors()}
    name = "layers.1.o_proj.key"
    cases: list[tuple[type[Exception], str, dict[str, Tensor]]] = [
        (MismatchError, "1 are missing", {n: t for n, t in stored.items() if n != name}),
        (MismatchError, "does not have: .'layers.9.o_proj.key'", stored | {"layers.9.o_proj.key": stored[name]}),
        (MismatchError, r"must have shape \(12, 32\), got \(12, 31\)", stored | {name: stored[name][:, 1:]}),
        (NumericalError, "must be finite", stored | {name: stored[name] * float("nan")}),
    ]
    empty = Generator(tiny_config(), base)
    untouched = empty.digest()

    for error, message, tensors in cases:
        with pytest.raises(error, match=message):
            empty.load_site_tensors(tensors)
        assert empty.digest() == untouched
    empty.load_site_tensors(stored)
    assert empty.digest() == generator.digest()


def test_a_frozen_generator_sees_every_later_change_of_its_weights(base: BaseModel, generator: Generator) -> None:
    other = {name: tensor.detach().clone() for name, tensor in tiny_generator(base, seed=5).named_site_tensors()}
    wanted = state_of(base, tiny_generator(base, seed=5), token_ids())
    frozen = tiny_generator(base).freeze()

    first = state_of(base, frozen, token_ids())
    frozen.pairs_and_spectra(first)
    assert torch.equal(first, state_of(base, generator, token_ids()))
    frozen.load_site_tensors(other)
    assert torch.equal(state_of(base, frozen, token_ids()), wanted)
    _, fresh = tiny_generator(base, seed=5).pairs_and_spectra(wanted)
    for path, s_X in frozen.pairs_and_spectra(wanted)[1].items():
        assert torch.equal(s_X, fresh[path])
    frozen.double().float()
    torch.testing.assert_close(state_of(base, frozen, token_ids()), wanted)


def test_a_generator_that_was_frozen_can_be_trained_again(base: BaseModel) -> None:
    generator = tiny_generator(base).freeze()
    state_of(base, generator, token_ids())

    generator.requires_grad_(True)
    encode(base, generator, token_ids()).square().sum().backward()

    assert generator.key_NKD.grad is not None
    assert bool(generator.key_NKD.grad.any())


def test_the_digest_names_tensors_configuration_and_base(base: BaseModel, generator: Generator) -> None:
    assert generator.digest() == tiny_generator(base).digest()
    others = [
        tiny_generator(base, seed=2),
        tiny_generator(base, tiny_config(alpha=5.0)),
        tiny_generator(tiny_base(seed=4)),
        tiny_generator(base).bfloat16(),
    ]
    assert len({generator.digest(), *(other.digest() for other in others)}) == 5
