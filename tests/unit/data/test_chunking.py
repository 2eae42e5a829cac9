"""Chunks lose nothing, repeat nothing and end at handsome places."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from adapters_core.data.chunking import Chunk, Document, chunk_documents
from adapters_core.errors import ConfigError, ContextError, UnsupportedModelError


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token for each byte: a wide character is several tokens of one span."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One token for each word, none for white space, every word unknown."""
    tokenizer = Tokenizer(models.WordLevel(vocab={"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


BYTES, WORDS = byte_tokenizer(), word_tokenizer()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=2, max_size=300).filter(lambda text: text.strip())


def chunk_text(text: str, chunk_tokens: int) -> tuple[Chunk, ...]:
    return chunk_documents([Document(name="d", text=text)], BYTES, chunk_tokens=chunk_tokens)


@settings(deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=3), chunk_tokens=st.integers(8, 64))
@example(texts=["\U0001f600" * 14], chunk_tokens=8)
def test_chunks_put_together_are_the_tokenization_and_the_text(texts: list[str], chunk_tokens: int) -> None:
    documents = [Document(name=str(place), text=text) for place, text in enumerate(texts)]

    chunks = chunk_documents(documents, BYTES, chunk_tokens=chunk_tokens)

    for document in documents:
        own = [chunk for chunk in chunks if chunk.document == document.name]
        encoding = BYTES(document.text, add_special_tokens=False, return_offsets_mapping=True)
        assert list(itertools.chain.from_iterable(chunk.token_ids for chunk in own)) == encoding["input_ids"]
        assert list(itertools.chain.from_iterable(chunk.token_spans for chunk in own)) == encoding["offset_mapping"]
        assert "".join(chunk.text for chunk in own) == document.text
        assert [chunk.index for chunk in own] == list(range(len(own)))
    assert [chunk.document for chunk in chunks] == sorted(chunk.document for chunk in chunks)


@settings(deadline=None)
@given(text=TEXTS, chunk_tokens=st.integers(8, 64))
def test_no_chunk_has_a_single_token_or_more_than_the_limit_and_none_cuts_a_character(
    text: str, chunk_tokens: int
) -> None:
    for chunk in chunk_text(text, chunk_tokens):
        assert 2 <= len(chunk.token_ids) <= chunk_tokens
        assert bytes_of(chunk) == chunk.text.encode()
        assert all(chunk.start <= start < end <= chunk.end for start, end in chunk.token_spans)


def bytes_of(chunk: Chunk) -> bytes:
    letters = "".join(BYTES.convert_ids_to_tokens(list(chunk.token_ids)))
    return "".join(BYTES.backend_tokenizer.decoder.decode([letters])).encode()


@settings(deadline=None)
@given(words=st.integers(2, 3000), chunk_tokens=st.integers(3, 128))
def test_chunks_are_of_even_length(words: int, chunk_tokens: int) -> None:
    chunks = chunk_documents([Document(name="d", text="wort " * words)], WORDS, chunk_tokens=chunk_tokens)
    lengths = [len(chunk.token_ids) for chunk in chunks]

    assert sum(lengths) == words
    assert max(lengths) - min(lengths) <= 1


def test_a_cut_meets_the_end_of_a_sentence_near_the_even_place() -> None:
    text = "The first sentence is here, as it was. The second one is about as long as it. And then a third one."

    assert [chunk.text for chunk in chunk_text(text, 64)] == [
        "The first sentence is here, as it was. ",
        "The second one is about as long as it. And then a third one.",
    ]


def test_a_cut_prefers_a_paragraph_to_a_sentence_nearer_by() -> None:
    text = "a" * 57 + ".\n\n" + "B" * 4 + ". " + "C" * 60

    assert [chunk.text for chunk in chunk_text(text, 100)] == ["a" * 57 + ".\n\n", "BBBB. " + "C" * 60]


def test_a_cut_without_a_sentence_falls_between_words() -> None:
    assert {chunk.text.strip()[:5] for chunk in chunk_text("words " * 40, 50)} == {"words"}


def test_a_document_that_fits_is_one_chunk() -> None:
    (chunk,) = chunk_text("A. B. C.", 8)

    assert (chunk.start, chunk.end, chunk.text, len(chunk.token_ids)) == (0, 8, "A. B. C.", 8)


def test_characters_without_a_token_stay_in_the_text() -> None:
    text = "  a b \n\n c d  "

    chunks = chunk_documents([Document(name="d", text=text)], WORDS, chunk_tokens=2)

    assert [chunk.text for chunk in chunks] == ["  a b", " \n\n c d  "]


def test_a_document_of_one_token_is_refused() -> None:
    documents = [Document(name="long", text="ab"), Document(name="short", text="x")]

    with pytest.raises(ContextError, match="'short' must have at least 2 tokens, got 1"):
        chunk_documents(documents, BYTES, chunk_tokens=8)


def test_a_context_over_the_limit_is_refused_with_limit_and_length() -> None:
    documents = [Document(name="a", text="x" * 6), Document(name="b", text="y" * 5)]

    assert len(chunk_documents(documents, BYTES, chunk_tokens=8, max_tokens=11)) == 2
    with pytest.raises(ContextError, match="at most 10 tokens, got 11"):
        chunk_documents(documents, BYTES, chunk_tokens=8, max_tokens=10)


@pytest.mark.parametrize(
    ("text", "chunk_tokens"), [("abc", 2), ("稟議書", 2), ("\U0001f600" * 3, 3), ("a稟", 3), ("稟a", 3)]
)
def test_a_document_that_no_cut_fits_is_refused(text: str, chunk_tokens: int) -> None:
    with pytest.raises(ContextError, match="raise chunk_tokens"):
        chunk_text(text, chunk_tokens)


def test_no_document_and_two_of_one_name_are_refused() -> None:
    with pytest.raises(ContextError, match="at least one document"):
        chunk_documents([], BYTES, chunk_tokens=8)
    with pytest.raises(ContextError, match=r"distinct names, got \['a'\]"):
        chunk_documents([Document(name="a", text="one")] * 2, BYTES, chunk_tokens=8)


def test_chunk_size_and_tokenizer_are_checked() -> None:
    with pytest.raises(ConfigError, match="at least 2, got 1"):
        chunk_text("abc", 1)
    with pytest.raises(UnsupportedModelError, match="fast tokenizer"):
        chunk_documents([Document(name="a", text="one")], object(), chunk_tokens=8)  # type: ignore[arg-type]
