"""The state is an exact commutative group: its laws hold to the last bit.

Shape letters: N sites, K, V sides of a state.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from adapters_core.errors import InputError, MismatchError, NumericalError, UnknownChunkError
from adapters_core.modeling.polar import truncated_polar
from adapters_core.modeling.state import CHUNK_LIMIT, GRID_BITS, TOTAL_LIMIT, ChunkState, State

SITES, KEYS, VALUES = 2, 3, 4
SHAPE = (SITES, KEYS, VALUES)


def chunk(seed: int, *, scale: float = 1.0, tokens: int = 5) -> ChunkState:
    raw_NKV = scale * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
    return ChunkState.of(raw_NKV, commitment=f"{seed:064x}", tokens=tokens)


def state_of(chunks: list[ChunkState], *, decay: float = 1.0) -> State:
    return State.zero(*SHAPE, decay=decay).replay(chunks)


def filled(value: float, name: str = "a") -> ChunkState:
    return ChunkState.of(torch.full(SHAPE, value), commitment=name, tokens=1)


def same(first: State, second: State) -> bool:
    return torch.equal(first.total_NKV, second.total_NKV)


# Scales over which float32 sums depend on their order.
CHUNKS = st.lists(
    st.builds(chunk, st.integers(0, 10_000), scale=st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e5])),
    min_size=1,
    max_size=8,
    unique_by=lambda c: c.commitment,
)


@given(chunks=CHUNKS, data=st.data())
def test_the_order_of_chunks_does_not_matter(chunks: list[ChunkState], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(chunks))

    assert same(state_of(chunks), state_of(shuffled))
    assert state_of(chunks).sha256() == state_of(shuffled).sha256()


@given(chunks=CHUNKS, cuts=st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_merging_is_associative_and_commutative(chunks: list[ChunkState], cuts: tuple[int, int]) -> None:
    low, high = sorted(min(cut, len(chunks)) for cut in cuts)
    a, b, c = (state_of(part) for part in (chunks[:low], chunks[low:high], chunks[high:]))

    assert same(a.merge(b).merge(c), a.merge(b.merge(c)))
    assert same(a.merge(b), b.merge(a))
    assert same(a.merge(b).merge(c), state_of(chunks))
    assert a.merge(b).merge(c).entries == state_of(chunks).entries


@given(chunks=CHUNKS)
def test_the_empty_state_is_neutral(chunks: list[ChunkState]) -> None:
    state = state_of(chunks)

    assert same(state.merge(State.zero(*SHAPE)), state)
    assert same(State.zero(*SHAPE).merge(state), state)


@given(chunks=CHUNKS, data=st.data())
def test_erasing_a_chunk_restores_the_state(chunks: list[ChunkState], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(chunks))
    others = [c for c in chunks if c is not gone]

    erased = state_of(chunks).erase(gone)

    assert same(erased, state_of(others))
    assert erased.entries == state_of(others).entries
    assert erased.tokens == 5 * len(others)


@given(chunks=CHUNKS, data=st.data())
def test_erasing_every_chunk_in_any_order_leaves_the_empty_state(chunks: list[ChunkState], data: st.DataObject) -> None:
    state = state_of(chunks)
    for gone in data.draw(st.permutations(chunks)):
        state = state.erase(gone)

    assert same(state, State.zero(*SHAPE))
    assert state.entries == ()


@given(chunks=CHUNKS, decay=st.floats(0.1, 0.99), data=st.data())
def test_erasing_from_a_decaying_state_equals_never_having_seen_the_chunk(
    chunks: list[ChunkState], decay: float, data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(chunks))
    others = [c for c in chunks if c is not gone]

    erased = state_of(chunks, decay=decay).erase(gone, remaining=others)

    assert same(erased, state_of(others, decay=decay))
    assert erased.decay == decay
    assert erased.entries == state_of(others, decay=decay).entries


def test_a_decaying_state_halves_what_was_there_before() -> None:
    state = state_of([filled(4.0, "a"), filled(1.0, "b"), filled(0.5, "c")], decay=0.5)

    torch.testing.assert_close(state.value(), torch.full(SHAPE, 4 / 4 + 1 / 2 + 0.5, dtype=torch.float64))


def test_erasing_from_a_decaying_state_asks_for_the_other_chunks_in_their_order() -> None:
    a, b, c = chunk(1), chunk(2), chunk(3)
    state = state_of([a, b, c], decay=0.9)

    for wrong in (None, [], [a], [c, a], [a, c, b]):
        with pytest.raises(InputError, match="replays its 2 other chunks, in their order"):
            state.erase(b, remaining=wrong)


def test_operations_leave_their_operands_as_they_were() -> None:
    state = state_of([chunk(1), chunk(2)])
    before = state.total_NKV.clone()

    state.add(chunk(3))
    state.merge(state_of([chunk(4)]))
    state.erase(chunk(1))

    assert torch.equal(state.total_NKV, before)
    assert len(state.entries) == 2


@given(values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=SITES * KEYS * VALUES, max_size=SITES * KEYS * VALUES))
def test_a_chunk_is_rounded_to_the_grid_once_and_float32_keeps_it(values: list[float]) -> None:
    raw_NKV = torch.tensor(values).reshape(SHAPE)

    once = ChunkState.of(raw_NKV, commitment="a", tokens=1)
    twice = ChunkState.of(once.state_NKV, commitment="a", tokens=1)

    assert torch.equal(once.state_NKV, twice.state_NKV)
    assert float((once.state_NKV.double() - raw_NKV.double()).abs().max()) <= 2.0 ** -(GRID_BITS + 1)
    assert torch.equal(state_of([once]).value(), once.state_NKV.double())


def test_a_thousand_chunks_do_not_drift_and_stay_bounded() -> None:
    state, exact_NKV = State.zero(*SHAPE), torch.zeros(SHAPE, dtype=torch.float64)
    norms = []
    for seed in range(1000):
        piece = chunk(seed, scale=10.0)
        state = state.add(piece)
        exact_NKV += piece.state_NKV.double()
        if seed % 100 == 99:
            factor = truncated_polar(state.value(), rank=2, tolerance=1e-5)
            norms.append(float(torch.linalg.matrix_norm(factor.u_KR @ factor.v_VR.mT, 2).max()))

    assert torch.equal(state.value(), exact_NKV)  # float64 holds these sums exactly too
    assert norms == pytest.approx([1.0] * 10, abs=1e-5)
    for seed in range(999, 0, -1):
        state = state.erase(chunk(seed, scale=10.0))
    assert torch.equal(state.value(), chunk(0, scale=10.0).state_NKV.double())


def test_a_bfloat16_sum_would_have_drifted() -> None:
    """What the state's integers are for: the same stream summed in bfloat16 stops growing."""
    naive, state = torch.zeros(SHAPE, dtype=torch.bfloat16), State.zero(*SHAPE)
    for index in range(1000):
        naive += torch.ones(SHAPE, dtype=torch.bfloat16)
        state = state.add(filled(1.0, str(index)))

    assert float(naive.max()) < 500
    assert torch.equal(state.value(), torch.full(SHAPE, 1000.0, dtype=torch.float64))


def test_a_chunk_counts_once() -> None:
    state = state_of([chunk(1)])

    with pytest.raises(MismatchError, match="part of this state already"):
        state.add(chunk(1))
    with pytest.raises(MismatchError, match="1 are in both states"):
        state.merge(state_of([chunk(1), chunk(2)]))


def test_a_chunk_that_was_never_seen_cannot_be_erased() -> None:
    with pytest.raises(UnknownChunkError, match="not part of this state"):
        state_of([chunk(1)]).erase(chunk(2))


def test_decaying_states_are_not_merged() -> None:
    with pytest.raises(MismatchError, match="cannot be merged"):
        state_of([chunk(1)], decay=0.5).merge(state_of([chunk(2)]))
    with pytest.raises(MismatchError, match="cannot be merged"):
        state_of([chunk(1)]).merge(state_of([chunk(2)], decay=0.5))


def test_states_of_other_shapes_are_refused() -> None:
    other = ChunkState.of(torch.ones(SITES, KEYS, VALUES + 1), commitment="x", tokens=1)

    with pytest.raises(MismatchError, match="must have shape"):
        state_of([]).add(other)
    with pytest.raises(MismatchError, match="must have shape"):
        state_of([]).merge(State.zero(SITES, KEYS, VALUES + 1))
    named_alike = ChunkState.of(torch.ones(1, 1, 1), commitment=chunk(1).commitment, tokens=1)
    with pytest.raises(MismatchError, match="must have shape"):
        state_of([chunk(1)]).erase(named_alike)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), CHUNK_LIMIT, -2 * CHUNK_LIMIT])
def test_a_chunk_out_of_range_is_refused_however_it_is_made(bad: float) -> None:
    raw_NKV = torch.zeros(SHAPE)
    raw_NKV[0, 0, 0] = bad

    with pytest.raises(NumericalError, match="must be finite and below 1048576"):
        ChunkState.of(raw_NKV, commitment="a", tokens=1)
    with pytest.raises(NumericalError, match="must be finite and below 1048576"):
        ChunkState(state_NKV=raw_NKV, commitment="a", tokens=1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_stream_beyond_the_range_is_refused_before_it_wraps_around(sign: float) -> None:
    big_NKV = torch.full(SHAPE, int(sign * (TOTAL_LIMIT - 1)) << GRID_BITS)
    first, second = State(total_NKV=big_NKV), State(total_NKV=big_NKV.clone())

    with pytest.raises(NumericalError, match="must stay below 1073741824"):
        first.merge(second)
    with pytest.raises(NumericalError, match="must stay below 1073741824"):
        first.add(filled(sign * 4.0))


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.5, float("nan")])
def test_a_decay_out_of_bounds_is_refused(decay: float) -> None:
    with pytest.raises(InputError, match="decay must lie in"):
        State.zero(*SHAPE, decay=decay)


def test_a_state_carries_no_gradient() -> None:
    raw_NKV: Tensor = torch.ones(SHAPE, requires_grad=True)

    assert not ChunkState.of(raw_NKV, commitment="a", tokens=1).state_NKV.requires_grad
