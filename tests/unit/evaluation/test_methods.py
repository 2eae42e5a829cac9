"""Every method takes a document in under one protocol, and leaves the base as it was."""

from dataclasses import replace

import pytest

from adapters_core.data.documents import Document
from adapters_core.errors import ContextError, InputError
from adapters_core.evaluation.methods import (
    AdapterCache,
    GeneratedAdapter,
    InPrompt,
    NoContext,
    derangement,
)
from adapters_core.evaluation.scoring import answer_nll
from adapters_core.modeling.lora import applied
from tests.tiny_suite import tiny_core, tiny_document, tiny_suite

CORE = tiny_core()
SUITE = tiny_suite()
KEY = bytes(32)


def test_an_adapter_of_nothing_answers_like_no_context() -> None:
    document = SUITE.documents[0]
    with NoContext(base=CORE.base).adapt(document) as bare:
        expected = bare.score(document.questions)

    with GeneratedAdapter(cache=AdapterCache(source=CORE, key=KEY)).adapt(document) as adapted:
        emptied = replace(adapted, pairs={})
        assert emptied.score(document.questions) == expected
        assert adapted.score(document.questions) != expected


def test_the_adapter_is_the_one_that_the_core_generates() -> None:
    document = SUITE.documents[0]
    session = CORE.generate([Document(name=document.name, text=document.text)], key=KEY)

    with GeneratedAdapter(cache=AdapterCache(source=CORE, key=KEY)).adapt(document) as adapted:
        found = adapted.score(document.questions)
        assert adapted.adapter is not None
        assert adapted.adapter.digest == session.adapter.digest
        assert adapted.nbytes == session.adapter.nbytes > 0
        assert adapted.seconds > 0

    with applied(CORE.base, session.adapter.pairs):
        assert found == answer_nll(CORE.base, [adapted.query(question) for question in document.questions])


def test_a_context_in_the_prompt_is_read_once_and_scored_as_if_read_every_time() -> None:
    document = SUITE.documents[1]

    with InPrompt(base=CORE.base).adapt(document) as adapted:
        shared = adapted.score(document.questions)
        plain = [answer_nll(CORE.base, [adapted.query(question)], share=False)[0] for question in document.questions]

    assert shared == pytest.approx(plain, abs=2e-5)


def test_the_prompt_holds_the_whole_context() -> None:
    document = SUITE.documents[1]
    tokenizer = CORE.base.require_tokenizer()

    with InPrompt(base=CORE.base).adapt(document) as adapted:
        text = tokenizer.decode(adapted.prompt(document.questions[0]))

    assert document.text in text
    assert document.questions[0].question in text


def test_a_prompt_that_does_not_fit_the_window_is_refused() -> None:
    document = replace(SUITE.documents[0], text="long " * 200)

    with InPrompt(base=CORE.base).adapt(document) as adapted, pytest.raises(ContextError, match="within 512 tokens"):
        adapted.score(document.questions)


@pytest.mark.parametrize("count", range(2, 9))
def test_the_control_gives_every_document_another_one_and_uses_each_once(count: int) -> None:
    documents = [tiny_document(f"D{i}", "a fact") for i in range(count)]

    found = derangement(documents)

    assert all(found[document.name].name != document.name for document in documents)
    assert len({stand_in.name for stand_in in found.values()}) == count


def test_the_control_refuses_a_single_document() -> None:
    with pytest.raises(InputError, match="at least 2 documents, got 1"):
        derangement(SUITE.documents[:1])


def test_the_control_is_the_other_document_s_adapter() -> None:
    cache = AdapterCache(source=CORE, key=KEY)
    first, second = SUITE.documents[:2]
    wrong = GeneratedAdapter(cache=cache, name="wrong", stand_ins=derangement((first, second)))

    with wrong.adapt(first) as control, GeneratedAdapter(cache=cache).adapt(second) as right:
        assert control.adapter is right.adapter


def test_a_full_cache_generates_again_with_the_same_digest() -> None:
    cache = AdapterCache(source=CORE, key=KEY, limit_bytes=1)
    before = cache.get(SUITE.documents[0])[0]
    cache.get(SUITE.documents[1])
    again = cache.get(SUITE.documents[0])[0]

    assert again is not before
    assert again.digest == before.digest
