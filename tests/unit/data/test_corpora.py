"""A corpus is a stream of lines, and packing short entries loses none of them."""

import gzip
import json
import lzma
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.data.corpora import CorpusEntry, pack_entries, read_corpus
from adapters_core.errors import ConfigError, InputError, IntegrityError

ENTRIES = st.lists(
    st.builds(
        CorpusEntry, source=st.sampled_from("abc"), id=st.text("xyz", min_size=1), text=st.text("uv ", min_size=1)
    )
)


def line(**changes: object) -> str:
    return json.dumps({"source": "s", "id": "1", "text": "One.", **changes})


def test_a_corpus_is_read_plain_and_packed(tmp_path: Path) -> None:
    content = (line(text="稟議") + "\n" + line(id="2", more=1) + "\n").encode()
    (tmp_path / "c.jsonl").write_bytes(content)
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(content))
    (tmp_path / "c.jsonl.xz").write_bytes(lzma.compress(content))

    for file in tmp_path.iterdir():
        assert list(read_corpus(file)) == [
            CorpusEntry(source="s", id="1", text="稟議"),
            CorpusEntry(source="s", id="2", text="One."),
        ]


def test_a_corpus_is_read_as_it_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text(line() + "\nno json\n")
    stream = read_corpus(file)

    assert next(stream).text == "One."
    with pytest.raises(InputError, match="line 2"):
        next(stream)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "line 2 must be an object with source, id and text"),
        ("", "line 2 must be an object"),
        ("[1]", "line 2 must be an object"),
        ("[" * 100_000, "line 2 must be an object"),
        ('{"source": "s", "id": "1"}', "line 2 must be an object"),
        (line(text=""), r"line 2: \['text'\] must be valid Unicode texts that are not empty"),
        (line(id=7), r"line 2: \['id'\]"),
        (line(text="\ud800"), r"line 2: \['text'\] must be valid Unicode"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, bad: str, message: str) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text(f"{line()}\n{bad}\n{line()}\n")

    with pytest.raises(InputError, match=message):
        list(read_corpus(file))


def test_a_corpus_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    whole = lzma.compress((line() + "\n").encode() * 10_000)
    file = tmp_path / "c.jsonl.xz"
    file.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(IntegrityError, match="cut short"):
        list(read_corpus(file))
    with pytest.raises(InputError, match="no file at"):
        list(read_corpus(tmp_path / "missing.jsonl"))


@given(entries=ENTRIES, size=st.integers(1, 30))
def test_packing_keeps_every_text_of_a_source_in_order(entries: list[CorpusEntry], size: int) -> None:
    packed = list(pack_entries(entries, min_size=size, separator="|"))

    for source in "abc":
        texts = [entry.text for entry in entries if entry.source == source]
        own = [entry for entry in packed if entry.source == source]
        assert "|".join(entry.text for entry in own) == "|".join(texts)
        assert all(len(entry.text.replace("|", "")) >= size for entry in own[:-1])


@given(entries=ENTRIES, size=st.integers(1, 30))
def test_packing_gives_an_entry_out_as_soon_as_it_is_long_enough(entries: list[CorpusEntry], size: int) -> None:
    lengths: dict[str, int] = defaultdict(int)
    for entry in pack_entries(entries, min_size=size, separator="|"):
        pieces = entry.text.split("|")
        assert sum(map(len, pieces[:-1])) < size
        lengths[entry.source] += len(pieces)
    assert sum(lengths.values()) == len(entries)


def test_packing_names_how_many_texts_there_are_and_can_count_words() -> None:
    entries = [CorpusEntry(source="s", id=str(number), text="two words") for number in range(5)]

    packed = list(pack_entries(entries, min_size=4, measure=lambda text: len(text.split())))

    assert [entry.id for entry in packed] == ["0+1", "2+1", "4"]
    assert packed[0].text == "two words\n\ntwo words"
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        list(pack_entries(entries, min_size=0))
