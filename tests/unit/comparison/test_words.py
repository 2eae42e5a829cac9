"""Differences word by word: nothing of either text is lost, in any script."""

from hypothesis import given
from hypothesis import strategies as st

from adapters_core.comparison.words import LONGEST, Piece, differences, words

TEXTS = st.text(alphabet=st.sampled_from("ab 日本語ひらカナー。、\n1,.é🙂"), max_size=60)


def joined(pieces: tuple[Piece, ...], *kinds: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind in kinds)


@given(TEXTS)
def test_the_words_of_a_text_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text


@given(TEXTS, TEXTS)
def test_pieces_give_back_both_texts(before: str, after: str) -> None:
    pieces = differences(before, after)

    assert joined(pieces, "same", "removed") == before
    assert joined(pieces, "same", "added") == after
    assert all(piece.text for piece in pieces)


@given(TEXTS)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert {piece.kind for piece in differences(text, text)} <= {"same"}


def test_one_word_of_a_sentence_is_marked_and_no_more() -> None:
    pieces = differences("The allowance is 3,000 yen.", "The allowance is 5,000 yen.")

    assert [(piece.kind, piece.text) for piece in pieces] == [
        ("same", "The allowance is "),
        ("removed", "3,000"),
        ("added", "5,000"),
        ("same", " yen."),
    ]


def test_japanese_is_marked_by_runs_of_one_script() -> None:
    pieces = differences("日当は三千円とする。", "日当は五千円とする。")

    assert joined(pieces, "removed") == "三千円"
    assert joined(pieces, "added") == "五千円"


def test_long_texts_share_their_beginning_and_end() -> None:
    long = "word " * LONGEST
    pieces = differences(long + "one " + long, long + "two " + long)

    assert [(piece.kind, piece.text) for piece in pieces if piece.kind != "same"] == [
        ("removed", "one"),
        ("added", "two"),
    ]
