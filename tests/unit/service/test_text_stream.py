import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.service.text_stream import TextStream
from tests.tiny_model import byte_tokenizer

TOKENIZER = byte_tokenizer()


def ids(text: str) -> list[int]:
    return list(TOKENIZER(text, add_special_tokens=False)["input_ids"])


def stream(token_ids: list[int], *stop: str) -> tuple[list[str], bool]:
    text = TextStream(TOKENIZER, stop)
    pieces = []
    for token_id in token_ids:
        pieces.append(text.push(token_id))
        if text.stopped:
            return pieces, True
    return [*pieces, text.finish()], False


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_the_pieces_put_together_are_the_text(text: str) -> None:
    pieces, stopped = stream(ids(text))

    assert "".join(pieces) == text
    assert not stopped


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_an_answer_ends_before_the_first_stop_string(text: str, stops: list[str]) -> None:
    pieces, stopped = stream(ids(text), *stops)
    ends = [place + len(stop) for stop in stops if (place := text.find(stop)) >= 0]
    seen = text[: min(ends)] if ends else text  # up to the character that completes the first stop string
    starts = [place for stop in stops if (place := seen.find(stop)) >= 0]

    assert stopped == bool(ends)
    assert "".join(pieces) == (seen[: min(starts)] if starts else text)


def test_no_half_character_is_shown() -> None:
    pieces, _ = stream(ids("稟議"))

    assert pieces == ["", "", "稟", "", "", "議", ""]


def test_text_that_may_begin_a_stop_string_is_held_back() -> None:
    pieces, stopped = stream(ids("one END of"), "END.")

    assert pieces == ["o", "n", "e", " ", "", "", "", "END ", "o", "f", ""]
    assert not stopped


def test_bytes_that_form_no_character_are_shown_in_the_end() -> None:
    broken = ids("稟")[:2]

    assert "".join(stream([*broken, *ids("abcdefghij")])[0]).endswith("abcdefghij")
    assert "\N{REPLACEMENT CHARACTER}" in "".join(stream(broken)[0])


@pytest.mark.parametrize("special", ["</s>", "<s>", "<pad>"])
def test_special_tokens_are_no_text(special: str) -> None:
    assert stream([*ids("a"), TOKENIZER.convert_tokens_to_ids(special), *ids("b")])[0] == ["a", "", "b", ""]
