"""Answers, norms, costs and reports: what is missing stays missing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.comparison.answers import answer_rows
from adapters_core.comparison.costs import cost_rows
from adapters_core.comparison.norms import layer_of, norm_rows
from adapters_core.comparison.records import Cost
from adapters_core.comparison.reports import SCHEMA, document_of, read_findings
from adapters_core.errors import IntegrityError
from tests.factories.candidates import candidate, said

SECONDS = st.floats(0.001, 1000)


def test_answers_are_set_against_the_first_candidates() -> None:
    rows = answer_rows([candidate("a", said(["ten days", "yes"])), candidate("b", said(["five days", "yes"]))])

    assert [row.differs for row in rows] == [True, False]
    assert [(piece.kind, piece.text) for piece in rows[0].cells[1].pieces] == [
        ("removed", "ten"),
        ("added", "five"),
        ("same", " days"),
    ]


def test_only_differences_leaves_out_what_all_say_alike() -> None:
    candidates = [candidate("a", said(["ten", "yes"])), candidate("b", said(["five", "yes"]))]

    assert [row.question.id for row in answer_rows(candidates, only_differences=True)] == ["doc-1"]


def test_a_question_that_was_not_asked_is_no_difference() -> None:
    (row,) = answer_rows([candidate("a", said(["ten"])), candidate("b")])

    assert [cell.asked for cell in row.cells] == [True, False]
    assert not row.differs


def test_norms_go_by_layer_and_say_what_differs() -> None:
    first = candidate("a", norms={"model.layers.10.o_proj": 2.0, "model.layers.2.o_proj": 1.0})
    second = candidate("b", norms={"model.layers.10.o_proj": 2.5})

    rows = norm_rows([first, second])

    assert [(row.layer, row.site, row.norms) for row in rows] == [
        (2, "o_proj", (1.0, None)),
        (10, "o_proj", (2.0, 2.5)),
    ]
    assert [row.differences for row in rows] == [(0.0, None), (0.0, 0.5)]


def test_a_path_without_a_number_has_no_layer() -> None:
    assert layer_of("lm_head") is None


@given(once=SECONDS, each=SECONDS, prompt=SECONDS)
def test_from_the_break_even_on_an_adapter_is_cheaper_and_before_it_is_not(
    once: float, each: float, prompt: float
) -> None:
    one = candidate("a", cost=Cost(adapt_seconds=once, query_seconds=each))

    (row,) = cost_rows([one], {"a": Cost(adapt_seconds=0.0, query_seconds=prompt)})

    assert row.known
    if row.break_even is None:
        assert each >= prompt
    else:
        count = row.break_even
        assert once + count * each <= count * prompt * (1 + 1e-9)
        assert count == 1 or once + (count - 1) * each >= (count - 1) * prompt * (1 - 1e-9)


def test_without_a_measurement_there_is_no_break_even() -> None:
    prompt, cost = Cost(adapt_seconds=0.0, query_seconds=1.0), Cost(adapt_seconds=1.0, query_seconds=0.5)
    rows = cost_rows([candidate("a"), candidate("b", cost=cost), candidate("none", kind="baseline")], {"a": prompt})

    assert [(row.known, row.break_even) for row in rows] == [(False, None)] * 3


def test_each_adapter_breaks_even_with_its_own_context_in_the_prompt() -> None:
    cost = Cost(adapt_seconds=10.0, query_seconds=1.0)
    prompts = {"a": Cost(adapt_seconds=0.0, query_seconds=2.0), "b": Cost(adapt_seconds=0.0, query_seconds=11.0)}

    rows = cost_rows([candidate("a", cost=cost), candidate("b", cost=cost)], prompts)

    assert [row.break_even for row in rows] == [11, 2]
    assert [row.prompt for row in rows] == list(prompts.values())


def report(**more: Any) -> dict[str, Any]:
    row = {"question": "c1-1", "method": "adapter", "nll": 1.5, "f1": None, "exact_match": None, "contains": 1.0}
    return {
        "schema": SCHEMA,
        "base": "b" * 64,
        "rows": [row],
        "general": [{**row, "question": "g-1"}],
        "cost": {"seconds": 3.0, "answer_seconds": {"adapter": 0.5}},
        **more,
    }


def test_a_report_gives_its_questions_with_the_texts_of_the_vault() -> None:
    found = read_findings(json.dumps(report()).encode(), {("c1-1", "adapter"): "ten days"})

    assert [(one.question.suite, one.question.id, one.text) for one in found.answers] == [
        ("context", "c1-1", "ten days"),
        ("general", "g-1", None),
    ]
    assert found.answers[0].values == {"nll": 1.5, "contains": 1.0}
    assert found.answer_seconds == {"adapter": 0.5}


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b"{}", json.dumps(report(schema="other")).encode(), json.dumps(report(rows=3)).encode()],
)
def test_what_is_no_report_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="evaluation report"):
        read_findings(content, {})


def test_the_document_of_a_question_is_what_its_id_begins_with() -> None:
    assert [document_of(name) for name in ("abcd-12", "plain")] == ["abcd", "plain"]
