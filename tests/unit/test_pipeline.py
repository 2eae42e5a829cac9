"""The generation core: what an adapter's digest depends on, and that streams add, erase and decay exactly."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from adapters_core.artifact import Session, weights_bytes
from adapters_core.data.documents import Document
from adapters_core.errors import ContextError, InputError, MismatchError, NumericalError, UnknownChunkError
from adapters_core.manifest import differences
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.generator_file import save_generator
from adapters_core.modeling.lora import applied
from adapters_core.modeling.state import GRID_BITS
from adapters_core.modeling.taps import encode
from adapters_core.pipeline import GenerationCore, Limits, commit_chunk, load_core
from tests.tiny_model import byte_tokenizer, tiny_base, tiny_config, tiny_generator

ROOT = Path(__file__).parents[2]
KEY = bytes(range(32))
PLACES = ("Kanazawa", "Morioka", "Oboro", "Tsuwano", "Akita", "Hagi")


def document(number: int, *, length: int = 24) -> Document:
    """A short text, one chunk of the tiny generator, another one for every number."""
    text = f"{number} {PLACES[number % len(PLACES)]} closes at {number * 7 % 24}, says {number * 31 % 97}."
    return Document(name=f"note-{number}", text=text[:length])


def documents(*numbers: int) -> list[Document]:
    return [document(number) for number in numbers]


def weights(session: Session) -> bytes:
    return weights_bytes(session.adapter.pairs)


def commitments(session: Session, *numbers: int) -> list[str]:
    names = {place.document: name for name, place in session.places.items()}
    return [names[f"note-{number}"] for number in numbers]


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return tiny_base()


@pytest.fixture(scope="module")
def core(base: BaseModel) -> GenerationCore:
    return GenerationCore(base, tiny_generator(base))


@pytest.fixture(scope="module")
def sequential(base: BaseModel) -> GenerationCore:
    return GenerationCore(base, tiny_generator(base, tiny_config(encoding="sequential")))


# ------------------------------------------------------------------------------------------------------------- digests


def test_another_process_with_another_seed_gives_the_same_bytes(core: GenerationCore) -> None:
    program = (
        "import random, sys, torch\n"
        "random.seed(int(sys.argv[1])); torch.manual_seed(int(sys.argv[1])); torch.set_num_threads(int(sys.argv[2]))\n"
        "from adapters_core.artifact import weights_bytes\n"
        "from adapters_core.canonical import sha256_hex\n"
        "from adapters_core.pipeline import GenerationCore\n"
        "from tests.tiny_model import tiny_base, tiny_generator\n"
        "from tests.unit.test_pipeline import KEY, documents\n"
        "base = tiny_base()\n"
        "made = GenerationCore(base, tiny_generator(base)).generate(documents(1, 2, 3), key=KEY).adapter\n"
        "print(made.digest, sha256_hex(weights_bytes(made.pairs)))\n"
    )
    found = []
    for seed in ("1", "987654321"):
        done = subprocess.run(
            [sys.executable, "-c", program, seed, str(torch.get_num_threads())],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split())

    here = core.generate(documents(1, 2, 3), key=KEY).adapter
    assert found == [[here.digest, here.manifest.identity.weights_sha256]] * 2


def test_the_same_context_and_key_give_the_same_digest(core: GenerationCore) -> None:
    first, second = (core.generate(documents(1, 2), key=KEY).adapter for _ in range(2))

    assert first.digest == second.digest
    assert first.manifest.observation != second.manifest.observation


@pytest.mark.parametrize(("made_with", "called_with"), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2)])
def test_the_pairs_of_a_state_do_not_depend_on_the_number_of_threads(
    base: BaseModel, core: GenerationCore, made_with: int, called_with: int
) -> None:
    state = core.generate(documents(1, 2), key=KEY).state.value()
    with threads(1):
        alone = core.generator.pairs(state)

    with threads(made_with):
        other = GenerationCore(base, tiny_generator(base))
    with threads(called_with):
        pairs = other.pairs(state)

    assert weights_bytes(pairs) == weights_bytes(alone)


def changed_generator(base: BaseModel) -> GenerationCore:
    return GenerationCore(base, tiny_generator(base, seed=2))


def changed_dtype(base: BaseModel) -> GenerationCore:
    other = tiny_base(dtype=torch.bfloat16)
    same = BaseModel(other.model, byte_tokenizer(), weights_digest=base.weights_digest, source=base.source)
    assert same.digest == base.digest
    return GenerationCore(same, tiny_generator(same))


def limited(base: BaseModel, rank: int | None) -> GenerationCore:
    """A generator of rank 16, its adapters limited to another one."""
    generator = tiny_generator(base, tiny_config(key_size=20, value_size=18, rank=16))
    return GenerationCore(base, generator, limits=Limits(rank=rank))


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        (lambda core: core.generate(documents(1, 2), key=bytes(32)), {"added", "session_commitment"}),
        (lambda core: core.generate(documents(2, 1), key=KEY), {"added", "session_commitment"}),
        (
            lambda core: core.generate([document(1), replace(document(2), name="other")], key=KEY),
            {"added", "session_commitment"},
        ),
        (lambda core: core.generate(documents(1, 2), key=KEY, decay=0.5), {"decay", "state_sha256", "weights_sha256"}),
        (lambda core: core.generate(documents(1, 3), key=KEY), {"added", "state_sha256", "weights_sha256", "norms"}),
        (lambda core: changed_generator(core.base).generate(documents(1, 2), key=KEY), {"generator", "weights_sha256"}),
        (lambda core: changed_dtype(core.base).generate(documents(1, 2), key=KEY), {"environment", "weights_sha256"}),
    ],
    ids=["key", "order", "name", "decay", "text", "generator", "dtype"],
)
def test_what_the_adapter_depends_on_changes_its_digest(
    core: GenerationCore, change: Callable[[GenerationCore], Session], fields: set[str]
) -> None:
    before = core.generate(documents(1, 2), key=KEY).adapter.manifest
    after = change(core).adapter.manifest

    assert after.digest != before.digest
    assert fields <= set(differences(before.identity, after.identity))


def test_another_number_of_threads_is_another_identity(core: GenerationCore) -> None:
    with threads(1):
        before = core.generate(documents(1), key=KEY).adapter.manifest
    with threads(2):
        after = core.generate(documents(1), key=KEY).adapter.manifest

    assert (before.identity.environment.threads, after.identity.environment.threads) == (1, 2)
    assert before.digest != after.digest


def test_a_drawn_key_differs_from_call_to_call(core: GenerationCore) -> None:
    first, second = (core.generate(documents(1)) for _ in range(2))

    assert first.key != second.key
    assert first.adapter.digest != second.adapter.digest
    assert weights(first) == weights(second)


def test_a_commitment_binds_name_place_text_and_key(core: GenerationCore) -> None:
    chunk = core.chunks(documents(1))[0]
    same = commit_chunk(KEY, chunk)

    assert commit_chunk(KEY, replace(chunk)) == same
    others = [
        commit_chunk(bytes(32), chunk),
        commit_chunk(KEY, replace(chunk, document="x")),
        commit_chunk(KEY, replace(chunk, index=1)),
        commit_chunk(KEY, replace(chunk, text=chunk.text + " ")),
    ]
    assert len({same, *others}) == 5


def test_generating_leaves_random_numbers_and_the_base_as_they_were(core: GenerationCore) -> None:
    before = {name: tensor.clone() for name, tensor in core.base.model.state_dict().items()}
    state = torch.get_rng_state()

    first = core.generate(documents(1, 2), key=KEY)
    core.erase(core.extend(first, documents(3)), commitments(first, 1))

    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in core.base.model.state_dict().items())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in core.base.model.modules())


def test_a_core_is_the_same_from_its_generators_file(core: GenerationCore, tmp_path: Path) -> None:
    save_generator(core.generator, tmp_path / "g.safetensors", dtype=torch.float32)

    loaded = load_core(core.base, tmp_path / "g.safetensors")

    assert loaded.generate(documents(1), key=KEY).adapter.digest == core.generate(documents(1), key=KEY).adapter.digest


# ------------------------------------------------------------------------------------------------------------- streams


def test_an_extended_adapter_names_its_parent_and_what_it_added(core: GenerationCore) -> None:
    first = core.generate(documents(1, 2), key=KEY)
    second = core.extend(first, documents(3))
    identity = second.adapter.manifest.identity

    assert first.adapter.manifest.identity.parent is None
    assert first.adapter.manifest.identity.drift is None
    assert identity.parent == first.adapter.digest
    assert [chunk.commitment for chunk in identity.added] == commitments(second, 3)
    assert identity.erased == ()
    assert (identity.chunk_count, identity.token_count) == (3, second.state.tokens)
    assert second.key == first.key


def test_an_erased_adapter_names_its_parent_and_what_went(core: GenerationCore) -> None:
    first = core.generate(documents(1, 2, 3), key=KEY)
    names = commitments(first, 3, 1)

    second = core.erase(first, [names[0][:8], names[1]])

    identity = second.adapter.manifest.identity
    assert identity.parent == first.adapter.digest
    assert identity.erased == tuple(names)
    assert identity.added == ()
    assert list(second.places) == list(second.chunk_states) == commitments(first, 2)


def test_extending_is_generating_the_whole(core: GenerationCore) -> None:
    whole = core.generate(documents(1, 2, 3), key=KEY)
    parts = core.extend(core.generate(documents(1), key=KEY), documents(2, 3))

    assert weights(parts) == weights(whole)
    changed = differences(whole.adapter.manifest.identity, parts.adapter.manifest.identity)
    assert set(changed) == {"parent", "added", "drift"}


@settings(max_examples=25)
@given(st.data())
def test_erasing_gives_the_bytes_that_never_saw_the_chunks(core: GenerationCore, data: st.DataObject) -> None:
    """Whatever the split, the order of coming and the order of going."""
    kept = data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=4, unique=True))
    gone = data.draw(st.lists(st.integers(31, 60), min_size=1, max_size=4, unique=True))
    stream = data.draw(st.permutations(kept + gone))
    cut = data.draw(st.integers(1, len(stream)))
    steps = data.draw(st.integers(1, len(gone)))

    session = core.generate(documents(*stream[:cut]), key=KEY)
    for number in stream[cut:]:
        session = core.extend(session, documents(number))
    session = core.erase(session, commitments(session, *gone[:steps]))
    if gone[steps:]:
        session = core.erase(session, commitments(session, *gone[steps:]))
    never = core.generate(documents(*data.draw(st.permutations(kept))), key=KEY)

    assert weights(session) == weights(never)
    assert session.state.sha256() == never.state.sha256()
    changed = differences(session.adapter.manifest.identity, never.adapter.manifest.identity)
    assert set(changed) <= {"parent", "added", "erased", "drift", "session_commitment"}


@settings(max_examples=15)
@given(st.permutations(range(5)))
def test_the_order_of_documents_changes_no_bit_of_the_weights(core: GenerationCore, order: list[int]) -> None:
    straight = core.generate(documents(*range(5)), key=KEY)
    mixed = core.generate(documents(*order), key=KEY)

    assert mixed.state.sha256() == straight.state.sha256()
    assert weights(mixed) == weights(straight)


def test_merging_two_sessions_states_is_generating_their_documents(core: GenerationCore) -> None:
    one, two = core.generate(documents(1, 2), key=KEY), core.generate(documents(3), key=KEY)
    whole = core.generate(documents(3, 1, 2), key=KEY)

    assert one.state.merge(two.state).sha256() == two.state.merge(one.state).sha256() == whole.state.sha256()


@settings(max_examples=10)
@given(st.floats(0.05, 0.99), st.lists(st.integers(0, 20), min_size=2, max_size=5, unique=True))
def test_a_decaying_state_weighs_chunks_by_their_age_and_forgets_exactly(
    core: GenerationCore, decay: float, numbers: list[int]
) -> None:
    whole = core.generate(documents(*numbers), key=KEY, decay=decay)
    states = [whole.chunk_states[name].state_NKV.double() for name in commitments(whole, *numbers)]
    weighted = sum((decay ** (len(states) - 1 - age) * state for age, state in enumerate(states)), start=0 * states[0])

    # every step rounds to the grid once
    torch.testing.assert_close(whole.state.value(), weighted, atol=len(numbers) * 2.0**-GRID_BITS, rtol=1e-12)
    for gone in numbers:
        erased = core.erase(whole, commitments(whole, gone))
        never = core.generate(documents(*(n for n in numbers if n != gone)), key=KEY, decay=decay)
        assert erased.state.sha256() == never.state.sha256()
        assert weights(erased) == weights(never)


@pytest.mark.parametrize("decay", [0.0, -1.0, 1.01, math.nan, math.inf])
def test_a_decay_out_of_bounds_is_refused(core: GenerationCore, decay: float) -> None:
    with pytest.raises(InputError, match="decay must lie in"):
        core.generate(documents(1), decay=decay)


@pytest.mark.slow
def test_a_stream_of_a_thousand_chunks_stays_bounded_and_costs_the_same(
    base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms never pass ``scale |output| |input|``; the last chunk takes the operations that an early one took."""
    core = GenerationCore(base, tiny_generator(base))
    encoded: list[int] = []
    bare = core.encode

    def counted(token_ids: Sequence[int]) -> Tensor:
        encoded.append(len(token_ids))
        return bare(token_ids)

    monkeypatch.setattr(core, "encode", counted)
    bounds = spectral_bounds(core.generator)
    session = core.generate(documents(0), key=KEY)
    operations, changes = [], []
    for number in range(1, 1000):
        encoded.clear()
        counter = FlopCounterMode(display=False)
        with counter if number % 50 == 0 else nullcontext():  # counting is slow
            after = core.extend(session, documents(number))
        identity = after.adapter.manifest.identity
        assert identity.parent == session.adapter.digest
        assert identity.chunk_count == number + 1
        assert encoded == [24]
        if number % 50 == 0:
            operations.append(counter.get_total_flops())
        for path, norms in identity.norms.items():
            assert norms.spectral <= bounds[path] * (1 + 1e-5)
            assert norms.frobenius <= bounds[path] * math.sqrt(core.generator.config.rank) * (1 + 1e-5)
        assert identity.drift is not None
        assert -1 <= identity.drift["cosine"] <= 1
        changes.append(identity.drift["change"])
        session = after

    assert operations[0] > 0
    assert set(operations) == {operations[0]}
    assert len(session.state.entries) == len(session.chunk_states) == 1000
    assert sum(changes[-100:]) < sum(changes[:100])  # a chunk moves an old stream less than a young one
    assert drift_by_deltas(core, session) == pytest.approx(session.adapter.manifest.identity.drift, rel=1e-3, abs=1e-5)


def spectral_bounds(generator: Generator) -> dict[str, float]:
    """By path: scale |output|_2 |input|_2, which no delta passes (|M|_2 = 1)."""
    tensors = dict(generator.named_site_tensors())
    return {
        site.path: generator.config.scale
        * float(torch.linalg.matrix_norm(tensors[f"{site.name}.output"], 2))
        * float(torch.linalg.matrix_norm(tensors[f"{site.name}.input"], 2))
        for site in generator.sites
    }


def drift_by_deltas(core: GenerationCore, session: Session) -> dict[str, float]:
    """The last step's drift from dense deltas, for comparison only."""
    last = session.state.entries[-1].commitment
    before = core.erase(session, [last]).adapter.pairs
    old = torch.cat([before[path].delta().double().flatten() for path in sorted(before)])
    new = torch.cat([session.adapter.pairs[path].delta().double().flatten() for path in sorted(before)])
    return {
        "cosine": float(torch.nn.functional.cosine_similarity(old, new, dim=0)),
        "change": float((new - old).norm()),
        "norm_before": float(old.norm()),
        "norm_after": float(new.norm()),
    }


def test_progress_counts_every_chunk(core: GenerationCore) -> None:
    told: list[tuple[int, int]] = []

    core.generate(documents(1, 2, 3), progress=lambda done, total: told.append((done, total)))

    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_pairs_for_measuring_are_those_of_the_adapter(core: GenerationCore) -> None:
    session = core.generate(documents(1, 2), key=KEY)
    pairs = core.pairs_of([chunk.token_ids for chunk in core.chunks(documents(1, 2))])

    for path, pair in session.adapter.pairs.items():
        torch.testing.assert_close(pairs[path].delta(), pair.delta(), atol=1e-5, rtol=1e-4)


# ---------------------------------------------------------------------------------------------------------- sequential


def test_a_later_chunk_is_encoded_under_the_adapter_of_the_earlier(sequential: GenerationCore) -> None:
    first, second = (chunk.token_ids for chunk in sequential.chunks(documents(1, 2)))
    session = sequential.generate(documents(1, 2), key=KEY)
    one, two = (session.chunk_states[entry.commitment].state_NKV for entry in session.state.entries)

    torch.testing.assert_close(one, sequential.encode(first), atol=1e-6, rtol=1e-6)
    alone = sequential.generate(documents(1), key=KEY)
    with applied(sequential.base, alone.adapter.pairs), torch.no_grad():
        adapted = encode(sequential.base, sequential.generator, torch.tensor([second]))[0]
    torch.testing.assert_close(two, adapted, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(two, sequential.encode(second), atol=1e-4, rtol=1e-3)


def test_a_sequential_stream_is_extended_exactly(sequential: GenerationCore) -> None:
    whole = sequential.generate(documents(1, 2, 3), key=KEY)
    parts = sequential.extend(sequential.generate(documents(1, 2), key=KEY), documents(3))

    assert weights(parts) == weights(whole)
    assert parts.state.sha256() == whole.state.sha256()
    assert weights(sequential.generate(documents(3, 2, 1), key=KEY)) != weights(whole)


def test_erasing_from_a_sequential_stream_is_refused_with_the_reason(sequential: GenerationCore) -> None:
    session = sequential.generate(documents(1, 2), key=KEY)

    with pytest.raises(InputError, match="exact only with independent encoding: generate again"):
        sequential.erase(session, commitments(session, 1))


# ------------------------------------------------------------------------------------------------------------- refusals


def test_a_generator_of_another_base_is_refused(base: BaseModel) -> None:
    with pytest.raises(MismatchError, match="made for base"):
        GenerationCore(base, tiny_generator(tiny_base(seed=5)))


def test_a_session_of_another_generator_is_refused(core: GenerationCore) -> None:
    session = changed_generator(core.base).generate(documents(1), key=KEY)

    with pytest.raises(MismatchError, match="was made by generator"):
        core.extend(session, documents(2))
    with pytest.raises(MismatchError, match="was made by generator"):
        core.erase(session, ["0" * 8])


def test_a_chunk_counts_once(core: GenerationCore) -> None:
    session = core.generate(documents(1, 2), key=KEY)

    with pytest.raises(MismatchError, match="1 of these chunks are in the session already"):
        core.extend(session, documents(3, 1))
    with pytest.raises(ContextError, match="distinct names"):
        core.generate(documents(1, 1))


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_a_key_of_another_length_is_refused(core: GenerationCore, key: bytes) -> None:
    with pytest.raises(InputError, match="the key must have 32 bytes"):
        core.generate(documents(1), key=key)


def test_a_context_over_the_limit_is_refused_before_the_base_runs(base: BaseModel) -> None:
    core = GenerationCore(base, tiny_generator(base), limits=Limits(context_tokens=47))

    with pytest.raises(ContextError, match="at most 47 tokens, got 48"):
        core.generate(documents(1, 2))
    session = core.generate(documents(1))
    for number in (2, 3):  # a stream has no limit
        session = core.extend(session, documents(number))
    assert session.state.tokens == 72


def test_a_limited_rank_says_what_it_lost(base: BaseModel) -> None:
    whole, wide, cut = (limited(base, rank).generate(documents(1, 2), key=KEY).adapter for rank in (None, 99, 8))

    assert wide.digest == whole.digest
    assert (whole.manifest.identity.rank, cut.manifest.identity.rank) == (16, 8)
    changed = differences(whole.manifest.identity, cut.manifest.identity)
    assert set(changed) == {"rank", "weights_sha256", "config_sha256", "norms"}
    for path, norms in cut.manifest.identity.norms.items():
        lost = float((whole.pairs[path].delta() - cut.pairs[path].delta()).norm())
        assert norms.lost == pytest.approx(lost, rel=1e-4)
        assert norms.lost > 0
        assert whole.manifest.identity.norms[path].lost == 0


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ([], InputError, "name at least one chunk"),
        (["0000000"], UnknownChunkError, "at least 8 digits"),
        (["0" * 64], UnknownChunkError, "must name one chunk of the session, it names 0"),
    ],
)
def test_chunks_are_erased_by_names_that_are_known(
    core: GenerationCore, names: Sequence[str], error: type[Exception], message: str
) -> None:
    session = core.generate(documents(1, 2), key=KEY)

    with pytest.raises(error, match=message):
        core.erase(session, names)


def test_a_beginning_that_two_chunks_share_is_refused(core: GenerationCore) -> None:
    session = core.generate(documents(1, 2, 3), key=KEY)
    first, second, _ = session.state.entries
    twin = replace(second, commitment=first.commitment[:8] + second.commitment[8:])
    shared = replace(session, state=replace(session.state, entries=(first, twin)))

    with pytest.raises(UnknownChunkError, match="it names 2"):
        core.erase(shared, [first.commitment[:8]])


def test_the_last_chunk_stays(core: GenerationCore) -> None:
    session = core.generate(documents(1, 2), key=KEY)

    with pytest.raises(InputError, match="leaves no adapter: retire it"):
        core.erase(session, [entry.commitment for entry in session.state.entries])


def test_a_state_of_another_shape_is_refused(core: GenerationCore) -> None:
    session = core.generate(documents(1), key=KEY)
    cut = replace(session, state=replace(session.state, total_NKV=session.state.total_NKV[:, :-1]))

    with pytest.raises(MismatchError, match="a session's state must be"):
        core.extend(cut, documents(2))


@pytest.mark.parametrize("name", ["key_NKD", "norm_ND", "value_NVD"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_not_finite_give_an_error_and_no_adapter(base: BaseModel, name: str, bad: float) -> None:
    generator = tiny_generator(base)
    with torch.no_grad():
        getattr(generator, name)[1, 0] = bad

    with pytest.raises(NumericalError, match="must be finite"):
        GenerationCore(base, generator).generate(documents(1))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_damaged_base_gives_an_error_and_no_adapter(bad: float) -> None:
    damaged = tiny_base()
    core = GenerationCore(damaged, tiny_generator(damaged))
    with torch.no_grad():
        damaged.model.get_input_embeddings().weight[core.chunks(documents(1))[0].token_ids[5]] = bad

    with pytest.raises(NumericalError, match="must be finite"):
        core.generate(documents(1))
