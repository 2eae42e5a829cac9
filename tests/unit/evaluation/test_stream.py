"""A stream dilutes what it holds, and erasing leaves nothing behind."""

import pytest

from adapters_core.data.documents import Document
from adapters_core.errors import InputError
from adapters_core.evaluation.methods import NoContext
from adapters_core.evaluation.stream import measure_stream
from adapters_core.pipeline import GenerationCore
from tests.tiny_model import tiny_base, tiny_config, tiny_generator
from tests.tiny_suite import tiny_core, tiny_suite

CORE = tiny_core()
FACT = tiny_suite().documents[0]
FURTHER = [Document(name=f"note {i}", text=f"Note {i} of the day.") for i in range(12)]


def test_recall_is_measured_at_every_checkpoint() -> None:
    seen: list[int] = []
    found = measure_stream(
        CORE, FACT, FURTHER, checkpoints=(0, 1, 10), progress=lambda done, _total, _what: seen.append(done)
    )

    assert [point.chunks_after for point in found.points] == [0, 1, 10]
    assert len({point.nll for point in found.points}) == 3
    assert found.points[0].cosine is None
    assert all(point.cosine is not None and -1 <= point.cosine < 1 for point in found.points[1:])
    assert all(point.norm > 0 for point in found.points)
    assert seen == [1, 2, 3, 4]
    with NoContext(base=CORE.base).adapt(FACT) as bare:
        losses = bare.score(FACT.questions)
    assert found.base_nll == sum(losses) / len(losses)
    assert found.fact_chunks >= 2


def test_erasing_brings_recall_back_to_where_the_fact_was_never_seen() -> None:
    found = measure_stream(CORE, FACT, FURTHER, checkpoints=(0, 3))

    assert found.erased_exactly
    assert found.erased_nll == found.never_nll
    assert found.erased_nll != found.points[-1].nll


def test_recall_right_after_the_fact_is_that_of_its_adapter() -> None:
    found = measure_stream(CORE, FACT, FURTHER, checkpoints=(0, 1))
    again = measure_stream(CORE, FACT, FURTHER[::-1], checkpoints=(0, 1))

    assert found.points[0] == again.points[0]
    assert found.points[1].nll != again.points[1].nll


@pytest.mark.parametrize("checkpoints", [(), (1, 0), (0,), (0, 0, 1), (-1, 2), (0, 13)])
def test_checkpoints_that_do_not_rise_or_run_out_of_documents_are_refused(checkpoints: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="checkpoints must rise"):
        measure_stream(CORE, FACT, FURTHER, checkpoints=checkpoints)


def test_further_documents_of_several_chunks_are_refused() -> None:
    long = Document(name="long", text="This document is longer than a chunk of thirty-two bytes.")

    with pytest.raises(InputError, match="one chunk each"):
        measure_stream(CORE, FACT, [long], checkpoints=(1,))


def test_a_generator_that_encodes_sequentially_cannot_erase() -> None:
    base = tiny_base()
    core = GenerationCore(base, tiny_generator(base, tiny_config(encoding="sequential")))

    with pytest.raises(InputError, match="independent encoding"):
        measure_stream(core, FACT, FURTHER, checkpoints=(1,))
