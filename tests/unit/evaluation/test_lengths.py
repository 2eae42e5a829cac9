"""Contexts of every length hold the answer, and their controls do not."""

import pytest

from adapters_core.errors import InputError
from adapters_core.evaluation import lengths as module
from adapters_core.evaluation.lengths import measure_lengths
from tests.tiny_suite import tiny_core, tiny_suite

CORE = tiny_core()
SUITE = tiny_suite()


def placed(length: int) -> list[object]:
    placer = module._Placer(core=CORE, suite=SUITE, length=length, seed=0)
    return [placer.place(document, document.questions[0]) for document in SUITE.documents]


@pytest.mark.parametrize("length", [16, 40, 60, 120, 200])
def test_a_context_has_the_length_and_the_answer_and_its_control_only_the_length(length: int) -> None:
    found = [case for case in placed(length) if case is not None]

    assert len(found) == 4
    for case, document in zip(found, SUITE.documents, strict=True):
        assert isinstance(case, module._Placed)
        assert len(case.context.encode()) == len(case.control.encode()) == case.tokens == length
        assert document.questions[0].answers[0] in case.context
        assert document.questions[0].answers[0] not in case.control


def test_a_length_that_the_suite_does_not_reach_is_left_out() -> None:
    assert placed(100_000) == [None] * 4
    assert [point.tokens for point in measure_lengths(CORE, SUITE, lengths=(16, 100_000), questions=2)] == [16]


def test_every_method_is_measured_at_every_length() -> None:
    seen: list[str] = []
    points = measure_lengths(
        CORE, SUITE, lengths=(64, 20), questions=3, progress=lambda _done, _total, what: seen.append(what)
    )

    assert [point.tokens for point in points] == [20, 64]
    assert seen == ["20 tokens", "64 tokens"]
    for point in points:
        assert point.questions == 3
        assert point.prompt is not None
        assert len({point.none.value, point.prompt.value, point.adapter.value, point.wrong.value}) == 4
    assert points[0].none == points[1].none


def test_a_suite_of_one_document_has_no_control() -> None:
    with pytest.raises(InputError, match="at least 2 documents"):
        measure_lengths(CORE, tiny_suite(1))
