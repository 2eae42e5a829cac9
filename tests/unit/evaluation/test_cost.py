"""Costs are counted on the same documents and questions, and break-even is never where it is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.data.documents import Document
from adapters_core.errors import InputError
from adapters_core.evaluation.cost import break_even, measure_cost
from adapters_core.evaluation.flops import body_flops, head_flops
from tests.tiny_suite import tiny_core, tiny_suite

CORE = tiny_core()
SUITE = tiny_suite()
COSTS = st.floats(0, 1e3)


@given(adapt=st.integers(0, 10**6), query=st.integers(0, 10**4), prompt=st.integers(0, 10**4))
def test_break_even_is_the_first_count_of_questions_that_is_cheaper(adapt: int, query: int, prompt: int) -> None:
    n = break_even(adapt, query, prompt)

    if n is None:
        assert query >= prompt
        return
    assert n >= 1
    assert adapt + n * query < n * prompt
    assert n == 1 or adapt + (n - 1) * query >= (n - 1) * prompt


@given(adapt=COSTS, query=COSTS, prompt=COSTS)
def test_break_even_of_measured_costs_is_right_within_rounding(adapt: float, query: float, prompt: float) -> None:
    n = break_even(adapt, query, prompt)

    assert (n is None) == (query >= prompt)
    if n is not None and n < 1e9:
        assert adapt + n * query <= n * prompt * (1 + 1e-9) + 1e-9


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
    row = found.row("adapter")
    assert row.break_even_flops == break_even(row.adapt_flops, row.query_flops, found.row("prompt").query_flops)


def test_a_cost_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="needs documents"):
        measure_cost(CORE, [])
    with pytest.raises(InputError, match="at least 1 repeat"):
        measure_cost(CORE, SUITE.documents, repeats=0)
    with pytest.raises(InputError, match="was not measured"):
        measure_cost(CORE, SUITE.documents[:1], repeats=1).row("lora")
