"""Chunks of several contexts in one padded pass (law 7)."""

import pytest
import torch

from adapters_core.data.documents import Document
from adapters_core.errors import InputError, MismatchError
from adapters_core.pipeline import GenerationCore
from tests.tiny_model import tiny_base, tiny_config, tiny_generator

KEY = bytes(32)
CONTEXTS = [
    [Document(name="long", text="The ferry leaves Oboro at seven. " * 5)],
    [Document(name="short", text="Tea costs 40 yen.")],
    [Document(name="a", text="Visitors sign in."), Document(name="b", text="Visitors sign out at the gate.")],
]


@pytest.fixture
def core() -> GenerationCore:
    base = tiny_base()
    return GenerationCore(base, tiny_generator(base))


def test_a_batched_adapter_is_the_one_generated_alone_up_to_rounding(core: GenerationCore) -> None:
    prepared = [core.prepare(documents, key=KEY) for documents in CONTEXTS]
    states = core.encode_many([chunk.token_ids for one in prepared for _, chunk in one.named])

    for one, documents in zip(prepared, CONTEXTS, strict=True):
        mine, states = states[: len(one.named)], states[len(one.named) :]
        batched, alone = core.complete(one, mine), core.generate(documents, key=KEY)

        assert batched.adapter.manifest.observation.batched
        assert not alone.adapter.manifest.observation.batched
        assert [e.commitment for e in batched.state.entries] == [e.commitment for e in alone.state.entries]
        for path, pair in alone.adapter.pairs.items():
            delta = pair.delta()
            error = (batched.adapter.pairs[path].delta() - delta).norm() / delta.norm()
            assert float(error) < 1e-4, path


def test_chunks_of_other_contexts_in_the_batch_leave_no_trace(core: GenerationCore) -> None:
    chunk, *others = [c.token_ids for documents in CONTEXTS for c in core.chunks(documents)]

    torch.testing.assert_close(core.encode_many([chunk, *others])[0], core.encode(chunk), rtol=1e-4, atol=1e-5)


def test_extending_in_a_batch_names_the_parent(core: GenerationCore) -> None:
    first = core.generate(CONTEXTS[0], key=KEY)
    prepared = core.prepare(CONTEXTS[1], session=first)

    extended = core.complete(prepared, core.encode_many([chunk.token_ids for _, chunk in prepared.named]))

    assert extended.adapter.manifest.identity.parent == first.adapter.digest
    assert len(extended.state.entries) == len(first.state.entries) + 1
    with pytest.raises(MismatchError, match="in the session already"):
        core.prepare(CONTEXTS[1], session=extended)


def test_sequential_chunks_are_not_encoded_in_batches() -> None:
    base = tiny_base()
    core = GenerationCore(base, tiny_generator(base, tiny_config(encoding="sequential")))

    with pytest.raises(InputError, match="independent encoding"):
        core.encode_many([(1, 2), (3, 4)])
