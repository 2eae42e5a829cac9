"""Sentences cover a text and end where a reader would end them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.data.sentences import sentence_spans

PIECES = st.sampled_from(
    ["Mr. ", "Sato", " 3.5", ". ", "! ", "。", "「はい。」", "と", "\n", "\n\n", "- item", "# Head\n", " ", "etc.) "]
)


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_spans_cover_the_text_without_gap_or_overlap(text: str) -> None:
    spans = sentence_spans(text)

    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)
    assert all(previous[1] == following[0] for previous, following in pairwise(spans))


@given(st.lists(PIECES).map("".join))
def test_no_sentence_is_blank_unless_the_text_is(text: str) -> None:
    spans = sentence_spans(text)

    assert not text.strip() or all(text[start:end].strip() for start, end in spans)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One. ", "Two! ", "Three? ", "Four"]),
        ("Mr. Sato paid 3.5 yen to J. Mori. He left.", ["Mr. Sato paid 3.5 yen to J. Mori. ", "He left."]),
        ('"Stop!" she said. "Why?"', ['"Stop!" she said. ', '"Why?"']),
        ("Tools, e.g. saws, are here. Ask.", ["Tools, e.g. saws, are here. ", "Ask."]),
        ("第一条。第二条！終わり", ["第一条。", "第二条！", "終わり"]),
        ("彼は「はい。」と言った。次。", ["彼は「はい。」と言った。", "次。"]),
        ("# Title\nBody one. Body two.", ["# Title\n", "Body one. ", "Body two."]),
        ("no stop here\n\nnew paragraph", ["no stop here\n\n", "new paragraph"]),
        ("See No. 4. then\n\nnext", ["See No. 4. then\n\n", "next"]),
        ("Items:\n- one\n- two\n2. three", ["Items:\n", "- one\n", "- two\n", "2. three"]),
        ("A line that\ngoes on. End.", ["A line that\ngoes on. ", "End."]),
        ("  Led by space. Next.", ["  Led by space. ", "Next."]),
        ("", []),
        ("   ", ["   "]),
    ],
)
def test_known_texts_are_cut_as_a_reader_would(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences
