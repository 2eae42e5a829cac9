"""Pairs: their norms, their reduction, and how they are put on a running base and taken off again."""

from concurrent.futures import ThreadPoolExecutor

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from adapters_core.errors import InputError, MismatchError, NumericalError, UnknownSiteError
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.digests import digest_tensors
from adapters_core.modeling.lora import EXPORT_RANKS, Pair, applied, delta_norms, export_rank, reduce_rank
from tests.random_adapter import every_target, logits, random_pairs, token_ids
from tests.tiny_model import ARCHITECTURES, VOCABULARY, tiny_base

SIDES = st.integers(1, 12)
RANKS = st.integers(1, 6)


def random_pair(d_out: int, d_in: int, rank: int, seed: int = 0) -> Pair:
    rng = torch.Generator().manual_seed(seed)
    return Pair(a_RI=torch.randn(rank, d_in, generator=rng), b_OR=torch.randn(d_out, rank, generator=rng))


def dense(pair: Pair) -> Tensor:
    return pair.b_OR.double() @ pair.a_RI.double()


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


@given(d_out=SIDES, d_in=SIDES, rank=RANKS, seed=st.integers(0, 500))
def test_the_norms_are_those_of_the_dense_delta(d_out: int, d_in: int, rank: int, seed: int) -> None:
    pair = random_pair(d_out, d_in, rank, seed)
    s_Q = torch.linalg.svdvals(dense(pair))
    s_Q = s_Q[s_Q > 1e-12 * s_Q[0]]
    share = s_Q / s_Q.sum()

    norms = delta_norms(pair)

    assert norms.frobenius == pytest.approx(float(torch.linalg.matrix_norm(dense(pair))))
    assert norms.spectral == pytest.approx(float(torch.linalg.matrix_norm(dense(pair), 2)))
    assert norms.effective_rank == pytest.approx(float(torch.exp(-(share * share.log()).sum())), rel=1e-6)
    if len(s_Q) > 1:
        assert norms.spectral_gap == pytest.approx(float(s_Q[0] / s_Q[1]), rel=1e-6)
    else:
        assert norms.spectral_gap is None


def test_the_effective_rank_counts_equal_directions() -> None:
    eye = torch.eye(8)

    assert delta_norms(Pair(a_RI=eye[:3], b_OR=eye[:, :3])).effective_rank == pytest.approx(3.0)


def test_a_zero_delta_has_no_size_and_no_gap() -> None:
    norms = delta_norms(Pair(a_RI=torch.ones(2, 4), b_OR=torch.zeros(5, 2)))

    assert (norms.frobenius, norms.spectral, norms.effective_rank, norms.spectral_gap) == (0.0, 0.0, 0.0, None)


def test_norms_never_make_the_dense_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pair, "delta", lambda _self: pytest.fail("a dense delta was made"))
    side = 200_000  # dense: 160 GB

    assert delta_norms(Pair(a_RI=torch.ones(1, side), b_OR=torch.ones(side, 1))).spectral == pytest.approx(side)


@given(d_out=SIDES, d_in=SIDES, rank=RANKS, wanted=RANKS, seed=st.integers(0, 500))
def test_reducing_the_rank_is_optimal_and_reports_the_loss(
    d_out: int, d_in: int, rank: int, wanted: int, seed: int
) -> None:
    pair = random_pair(d_out, d_in, rank, seed)

    smaller, lost = reduce_rank(pair, wanted)

    assert smaller.rank <= wanted
    best = float(torch.linalg.svdvals(dense(pair))[wanted:].norm())  # Eckart-Young: no pair of this rank is closer
    size = float(dense(pair).norm())
    assert lost == pytest.approx(best, abs=1e-9 * size)
    assert float((dense(pair) - dense(smaller)).norm()) == pytest.approx(lost, abs=1e-6 * size)


def test_reducing_to_a_rank_that_is_enough_loses_nothing() -> None:
    pair = random_pair(9, 7, 4)

    smaller, lost = reduce_rank(pair, 4)

    assert lost == 0.0
    torch.testing.assert_close(smaller.delta(), pair.delta())


@given(d_out=SIDES, d_in=SIDES, rank=RANKS, extra=st.integers(0, 5))
def test_padding_changes_no_delta(d_out: int, d_in: int, rank: int, extra: int) -> None:
    pair = random_pair(d_out, d_in, rank)

    wide = pair.padded(rank + extra)

    assert wide.rank == rank + extra
    torch.testing.assert_close(wide.delta(), pair.delta())
    assert delta_norms(wide).frobenius == pytest.approx(delta_norms(pair).frobenius)


def test_a_pair_is_not_padded_to_less() -> None:
    with pytest.raises(InputError, match="reduce it first"):
        random_pair(4, 4, 3).padded(2)


@pytest.mark.parametrize("rank", [0, -1])
def test_a_rank_below_one_is_refused(rank: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        reduce_rank(random_pair(4, 4, 2), rank)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_norms_and_reduction_of_damaged_factors_are_refused(bad: float) -> None:
    pair = random_pair(4, 5, 2)
    pair.b_OR[1, 1] = bad

    for act in (lambda: delta_norms(pair), lambda: reduce_rank(pair, 1)):
        with pytest.raises(NumericalError, match="must be finite"):
            act()


def test_export_ranks_are_the_next_larger_ones() -> None:
    assert [export_rank(rank) for rank in (1, 8, 9, 18, 64, 129)] == [8, 8, 16, 32, 64, 256]
    assert export_rank(EXPORT_RANKS[-1]) == EXPORT_RANKS[-1]
    with pytest.raises(InputError, match="at most 256"):
        export_rank(257)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_applying_a_pair_is_adding_its_delta_to_the_weight(architecture: str) -> None:
    base, merged = tiny_base(architecture), tiny_base(architecture)
    pairs = random_pairs(base, every_target(base), rank=3)
    with torch.no_grad():
        for path, pair in pairs.items():
            merged.module(path).get_parameter("weight").add_(pair.delta())

    torch.testing.assert_close(logits(base, pairs), logits(merged), atol=1e-4, rtol=1e-4)
    assert float((logits(base, pairs) - logits(base)).abs().max()) > 1e-3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_removing_an_adapter_restores_the_base_bit_for_bit(architecture: str) -> None:
    base = tiny_base(architecture)
    before, weights = logits(base), digest_tensors(base.model.named_parameters())
    pairs = random_pairs(base, every_target(base))

    logits(base, pairs)
    with pytest.raises(IndexError), applied(base, pairs):
        logits(base, ids_BT=torch.full((1, 3), VOCABULARY))  # fails half-way, in the embeddings

    assert torch.equal(logits(base), before)
    assert digest_tensors(base.model.named_parameters()) == weights
    assert not any(module._forward_hooks for module in base.model.modules())


def test_an_adapter_that_is_refused_leaves_no_part_of_itself(base: BaseModel) -> None:
    pairs = random_pairs(base, ["o_proj"])
    before = logits(base)
    good = next(iter(pairs))

    with (
        pytest.raises(UnknownSiteError, match="no module of this base"),
        applied(base, {**pairs, "no.such": pairs[good]}),
    ):
        pytest.fail("never gets here")

    assert torch.equal(logits(base), before)


def test_every_row_of_a_batch_can_have_its_own_adapter(base: BaseModel) -> None:
    ids_BT = token_ids(rows=4)
    first = random_pairs(base, ["o_proj", "down_proj"], rank=4, seed=1)
    second = random_pairs(base, ["down_proj"], rank=8, seed=2)
    third = random_pairs(base, ["q_proj"], layers=[1], rank=2, seed=3)

    with applied(base, [first, None, second, third]), torch.no_grad():
        mixed = base.model(ids_BT).logits

    for row, pairs in enumerate((first, None, second, third)):
        torch.testing.assert_close(mixed[row], logits(base, pairs, ids_BT[row : row + 1])[0], atol=1e-5, rtol=1e-5)


def test_a_neighbour_in_the_batch_leaves_no_trace_in_a_row(base: BaseModel) -> None:
    ids_BT = token_ids(rows=2)
    mine, other, third = (random_pairs(base, ["o_proj"], seed=seed) for seed in (1, 2, 3))

    outputs = []
    for neighbour in (other, third, None):
        with applied(base, [mine, neighbour]), torch.no_grad():
            outputs.append(base.model(ids_BT).logits[0])

    assert torch.equal(outputs[0], outputs[1])
    torch.testing.assert_close(outputs[0], outputs[2], atol=1e-6, rtol=1e-6)


def test_one_adapter_for_all_rows_is_the_same_named_once_or_for_each(base: BaseModel) -> None:
    pairs = random_pairs(base, ["o_proj"])

    with applied(base, [pairs, pairs]), torch.no_grad():
        each = base.model(token_ids()).logits

    assert torch.equal(each, logits(base, pairs))


@pytest.mark.parametrize("distinct", [True, False])
def test_a_batch_of_another_size_is_refused(base: BaseModel, distinct: bool) -> None:  # noqa: FBT001
    first = random_pairs(base, ["o_proj"])
    second = random_pairs(base, ["o_proj"], seed=1) if distinct else first

    with applied(base, [first, second]), pytest.raises(MismatchError, match="must have 2 rows, got 3"):
        base.model(token_ids(rows=3))


def test_no_rows_at_all_are_refused(base: BaseModel) -> None:
    with pytest.raises(InputError, match="got no rows"), applied(base, []):
        pytest.fail("never gets here")


def test_rows_without_any_adapter_are_the_bare_base(base: BaseModel) -> None:
    with applied(base, [None, None]), torch.no_grad():
        assert torch.equal(base.model(token_ids()).logits, logits(base))


def test_swapping_adapters_leaves_nothing_of_the_one_before(base: BaseModel) -> None:
    first, second = random_pairs(base, ["o_proj"], seed=1), random_pairs(base, ["down_proj"], seed=2)
    alone = logits(base, second)

    logits(base, first)

    assert torch.equal(logits(base, second), alone)


def test_factors_of_different_ranks_are_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside of tests: the pair checks itself

    with pytest.raises(MismatchError, match="r x d_in and d_out x r"):
        Pair(a_RI=torch.ones(2, 4), b_OR=torch.ones(4, 3))


@pytest.mark.parametrize("row_wise", [True, False])
def test_pairs_that_do_not_fit_the_base_are_refused(base: BaseModel, row_wise: bool) -> None:  # noqa: FBT001
    path = base.sites(["down_proj"])[0].path
    site = base.sites(["down_proj"])[0]
    cases = {
        "takes a delta of 32 x 48, got 33 x 48": {path: random_pair(site.d_out + 1, site.d_in, 2)},
        "takes a delta of 32 x 48, got 32 x 47": {path: random_pair(site.d_out, site.d_in - 1, 2)},
        "must be a linear, found LlamaRMSNorm": {"model.norm": random_pair(32, 32, 2)},
    }
    for message, pairs in cases.items():
        adapters = [pairs, None] if row_wise else pairs
        with pytest.raises(MismatchError, match=message), applied(base, adapters):
            pytest.fail("never gets here")


def test_an_adapter_computes_in_the_dtype_of_the_base() -> None:
    base = tiny_base(dtype=torch.bfloat16)
    pairs = random_pairs(base, ["o_proj"])

    assert logits(base, pairs).dtype == torch.bfloat16
    assert logits(base, pairs).float().sub(logits(base).float()).abs().max() > 1e-3


def test_another_thread_runs_the_bare_base_while_this_one_runs_adapted(base: BaseModel) -> None:
    pairs = random_pairs(base, ["o_proj"])
    before, adapted = logits(base), logits(base, pairs)
    with applied(base, pairs), ThreadPoolExecutor(max_workers=1) as others:
        elsewhere = others.submit(logits, base).result()
        twice = others.submit(logits, base, pairs).result()
        here = logits(base)

    assert torch.equal(elsewhere, before)
    assert torch.equal(twice, adapted)
    assert torch.equal(here, adapted)
