"""Tokenizing: what a call asks for holds for that call, whoever else tokenizes at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from adapters_core.data.tokens import template_ids, text_ids, text_spans
from tests.tiny_model import byte_tokenizer

START, END = 257, 258
TEXT = "<s>user\nIs it true?</s>\n"
CALLS = 400


def test_a_text_keeps_its_control_tokens_as_text_and_a_template_does_not() -> None:
    tokenizer = byte_tokenizer()

    assert not {START, END} & set(text_ids(tokenizer, TEXT))
    assert {START, END} <= set(template_ids(tokenizer, TEXT))


def test_spans_are_those_of_the_tokens() -> None:
    ids, spans = text_spans(byte_tokenizer(), "A gate.")

    assert ids == text_ids(byte_tokenizer(), "A gate.")
    assert spans == tuple((place, place + 1) for place in range(7))


def test_threads_that_share_a_tokenizer_do_not_change_what_the_other_gets() -> None:
    tokenizer = byte_tokenizer()

    def many(encode: Callable[..., tuple[int, ...]]) -> set[tuple[int, ...]]:
        return {encode(tokenizer, TEXT) for _ in range(CALLS)}

    with ThreadPoolExecutor(4) as pool:
        texts, templates, *_ = pool.map(many, [text_ids, template_ids, text_ids, template_ids])

    assert texts == {text_ids(tokenizer, TEXT)}
    assert templates == {template_ids(tokenizer, TEXT)}
