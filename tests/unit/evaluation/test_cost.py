"""Costs are counted on the same documents and questions, and break-even is never where it is not."""

import pytest

from adapters_core.data.documents import Document
from adapters_core.errors import InputError
from adapters_core.evaluation.break_even import CostLine, crossing_point
from adapters_core.evaluation.cost import measure_cost
from adapters_core.evaluation.flops import body_flops, head_flops
from tests.tiny_suite import tiny_core, tiny_suite

CORE = tiny_core()
SUITE = tiny_suite()


def test_every_method_is_measured_on_the_same_documents() -> None:
    seen: list[int] = []
    found = measure_cost(CORE, SUITE.documents[:2], repeats=1, progress=lambda done, _total, _what: seen.append(done))

    assert [row.method for row in found.rows] == ["none", "prompt", "cached", "adapter"]
    assert seen == [1, 2]
    assert found.context_tokens == sum(len(d.text.encode()) for d in SUITE.documents[:2]) / 2
    for row in found.rows:
        assert row.query_seconds > 0
        assert (row.adapt_seconds > 0) == (row.method in ("cached", "adapter")) == (row.kept_bytes > 0)


def test_bytes_tokens_and_operations_are_those_of_the_shapes() -> None:
    document = SUITE.documents[0]
    found = measure_cost(CORE, [document], repeats=1)
    none, prompt, cached, adapter = found.rows

    question = f"{document.questions[0].question}\nAnswer with a short phrase."
    wrapping = len("user\n\nassistant\n") + 3  # <s>, </s>, <s>
    assert none.query_tokens == len(question) + wrapping
    assert prompt.query_tokens == none.query_tokens + len(document.text.encode()) + 2
    assert none.query_flops == body_flops(CORE.base, int(none.query_tokens)) + head_flops(CORE.base, 1)
    shared = prompt.query_tokens - cached.query_tokens
    assert cached.kept_bytes == 3 * 2 * 2 * 8 * 4 * shared  # layers, keys and values, heads, head size, bytes
    assert cached.adapt_flops + cached.query_flops == pytest.approx(prompt.query_flops)
    context = [Document(name=document.name, text=document.text)]
    assert adapter.kept_bytes == CORE.generate(context, key=bytes(32)).adapter.nbytes
    assert adapter.query_tokens == none.query_tokens
    assert adapter.query_flops > none.query_flops


def test_break_even_is_unknown_for_what_is_compared_with() -> None:
    found = measure_cost(CORE, SUITE.documents[:1], repeats=1)

    assert found.row("prompt").break_even_seconds is None
    assert found.row("none").break_even_flops is None
    row, prompt = found.row("adapter"), found.row("prompt")
    line = CostLine(method="adapter", once=row.adapt_flops, per_query=row.query_flops)
    assert row.break_even_flops == crossing_point(line, CostLine(method="p", once=0, per_query=prompt.query_flops))
    n = row.break_even_flops
    assert n is not None
    assert row.adapt_flops + n * row.query_flops < n * prompt.query_flops
    assert row.adapt_flops + (n - 1) * row.query_flops >= (n - 1) * prompt.query_flops


def test_a_cost_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="needs documents"):
        measure_cost(CORE, [])
    with pytest.raises(InputError, match="at least 1 repeat"):
        measure_cost(CORE, SUITE.documents, repeats=0)
    with pytest.raises(InputError, match="was not measured"):
        measure_cost(CORE, SUITE.documents[:1], repeats=1).row("lora")
