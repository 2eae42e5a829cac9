"""Perplexity of a text does not depend on how it is cut into windows, and controls stand beside every adapter."""

import math

import pytest
import torch

from adapters_core.data.documents import Document
from adapters_core.errors import InputError
from adapters_core.evaluation.perplexity import ids_nll, measure_perplexity, text_nll
from adapters_core.modeling.lora import applied
from tests.tiny_suite import FACTS, tiny_core, tiny_document

CORE = tiny_core()
DOCUMENTS = [Document(name=name, text=tiny_document(name, fact).text) for name, fact in FACTS]


def plain(ids: list[int]) -> float:
    with torch.no_grad():
        logs = CORE.base.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].log_softmax(-1)
    return -sum(float(logs[i, token]) for i, token in enumerate(ids[1:])) / (len(ids) - 1)


def test_the_nll_of_a_text_is_as_defined() -> None:
    ids = list(DOCUMENTS[0].text.encode())[:60]

    assert ids_nll(CORE.base, tuple(ids)) == pytest.approx(plain(ids), abs=2e-5)


def test_windows_predict_every_token_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters_core.evaluation.perplexity._WINDOW", 10)
    ids = list(range(60, 95))

    pieces = [ids[start : start + 10] for start in (0, 9, 18, 27)]
    expected = sum(plain(piece) * (len(piece) - 1) for piece in pieces) / 34
    assert ids_nll(CORE.base, tuple(ids)) == pytest.approx(expected, abs=2e-5)


def test_a_text_of_one_token_has_no_perplexity() -> None:
    with pytest.raises(InputError, match="at least one token"):
        text_nll(CORE.base, ["a"])


def test_reconstruction_and_completion_come_with_their_controls() -> None:
    found = measure_perplexity(CORE, DOCUMENTS, context_tokens=40, target_tokens=10)

    measured = {(s.task, s.method) for s in found.summaries}
    assert measured == {
        *(("reconstruction", method) for method in ("none", "adapter", "wrong")),
        *(("completion", method) for method in ("none", "prompt", "adapter", "wrong")),
    }
    assert {row.tokens for row in found.rows if row.task == "completion"} == {10}
    assert {row.tokens for row in found.rows if row.task == "reconstruction"} == {39}
    for summary in found.summaries:
        assert summary.perplexity == math.exp(summary.nll.value)
        assert found.summary(summary.task, summary.method) is summary


def test_completion_predicts_the_same_tokens_with_the_context_before_them() -> None:
    found = measure_perplexity(CORE, DOCUMENTS[:2], context_tokens=20, target_tokens=6)
    ids = list(DOCUMENTS[0].text.encode("utf-8"))
    tokens = CORE.base.require_tokenizer()(DOCUMENTS[0].text, add_special_tokens=False)["input_ids"]
    assert len(tokens) == len(ids)

    with torch.no_grad():
        logs = CORE.base.model(input_ids=torch.tensor([tokens[:27]]), use_cache=False).logits[0].log_softmax(-1)
    expected = -sum(float(logs[i - 1, tokens[i]]) for i in range(21, 27)) / 6
    [row] = [r for r in found.rows if (r.document, r.task, r.method) == (DOCUMENTS[0].name, "completion", "prompt")]
    assert row.nll == pytest.approx(expected, abs=2e-5)


def test_reconstruction_runs_the_context_under_its_own_adapter() -> None:
    found = measure_perplexity(CORE, DOCUMENTS[:2], context_tokens=20, target_tokens=6)
    context = DOCUMENTS[0].text[:20]
    pairs = CORE.generate([Document(name=DOCUMENTS[0].name, text=context)], key=bytes(32)).adapter.pairs

    ids = CORE.base.require_tokenizer()(context, add_special_tokens=False)["input_ids"]
    with applied(CORE.base, pairs):
        expected = plain(ids)
    [row] = [
        r for r in found.rows if (r.document, r.task, r.method) == (DOCUMENTS[0].name, "reconstruction", "adapter")
    ]
    assert row.nll == pytest.approx(expected, abs=2e-5)


def test_documents_that_are_too_short_are_named_and_a_single_one_is_refused() -> None:
    short = Document(name="short", text="Too short.")

    assert measure_perplexity(CORE, [*DOCUMENTS[:2], short]).left_out == ("short",)
    with pytest.raises(InputError, match="at least 2 documents"):
        measure_perplexity(CORE, [DOCUMENTS[0], short])
    with pytest.raises(InputError, match="not measured"):
        measure_perplexity(CORE, DOCUMENTS[:2]).summary("completion", "lora")
