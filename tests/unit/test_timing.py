"""Times of generation: of what is said to be timed, and in the ratios that are printed."""

import pytest

from adapters_core.errors import ContextError
from adapters_core.pipeline import GenerationCore
from adapters_core.timing import GenerationTime, document_of, generation_ratios, seconds
from tests.tiny_model import tiny_base, tiny_generator


@pytest.fixture(scope="module")
def core() -> GenerationCore:
    base = tiny_base()
    return GenerationCore(base, tiny_generator(base))


@pytest.mark.parametrize("tokens", [2, 33, 500])
def test_a_document_has_the_tokens_asked_for_and_is_always_the_same(core: GenerationCore, tokens: int) -> None:
    document = document_of(core, tokens)

    assert sum(len(chunk.token_ids) for chunk in core.chunks([document])) == tokens
    assert document == document_of(core, tokens)
    assert document_of(core, 600).text.startswith(document.text)


def test_a_row_for_every_length_with_its_three_times(core: GenerationCore) -> None:
    rows = generation_ratios(core, (8, 40), repeats=2)

    assert [row.tokens for row in rows] == [8, 40]
    assert all(min(row.body_s, row.adapter_s, row.recorded_s) > 0 for row in rows)


def test_ratios_are_against_the_bare_body() -> None:
    row = GenerationTime(tokens=8, body_s=2.0, adapter_s=3.0, recorded_s=5.0)

    assert (row.ratio, row.recorded_ratio) == (1.5, 2.5)
    assert row.to_json() == {
        "tokens": 8,
        "body_s": 2.0,
        "adapter_s": 3.0,
        "recorded_s": 5.0,
        "ratio": 1.5,
        "recorded_ratio": 2.5,
    }


def test_the_call_is_made_once_and_its_errors_are_not_hidden(core: GenerationCore) -> None:
    calls: list[int] = []

    assert seconds(lambda: calls.append(1)) >= 0
    assert calls == [1]
    with pytest.raises(ContextError):
        seconds(lambda: core.chunks([]))
