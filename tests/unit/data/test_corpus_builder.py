"""A corpus is built from installed documentation, the same on every machine, whole or not at all."""

import gzip
import json
import sysconfig
from pathlib import Path

import pytest

from adapters_core.data import corpus_builder
from adapters_core.data.corpora import read_corpus
from adapters_core.data.corpus_builder import (
    PUBLIC_SOURCES,
    TRAIN,
    VALIDATION,
    CorpusSource,
    build_corpus,
    find_sources,
)
from adapters_core.errors import ConfigError, InputError, StorageError

LONG = "This sentence has enough words to be kept as prose"


def source(name: str, form: corpus_builder.Format, pattern: str) -> CorpusSource:
    return CorpusSource(name=name, package=f"apt:{name}", licence="MIT", format=form, pattern=pattern)


HTML = source("pages", "html", "doc/*.html")
JSON = source("service", "described", "api/*.json*")
DICT = source("words", "dictd", "dict/w.index")


def install(root: Path) -> Path:
    for folder in ("doc", "api", "dict"):
        (root / folder).mkdir(parents=True)
    for number in range(40):
        (root / "doc" / f"{number:02d}.html").write_text(f"<p>{LONG} {number}.</p><p>{LONG} everywhere.</p>")
    (root / "doc" / "latin.html").write_bytes(b"<p>\xe9</p>")
    (root / "api" / "a.json").write_text(json.dumps({"documentation": f"<p>{LONG} \ud800</p>"}))
    (root / "api" / "b.json.gz").write_bytes(gzip.compress(json.dumps({"description": LONG}).encode()))
    (root / "api" / "c.json").write_text("{")
    (root / "dict" / "w.dict").write_text(f"one: {LONG}" + f"two: {LONG}")
    size = len(f"one: {LONG}")
    (root / "dict" / "w.index").write_text(
        f"word\tA\t{chr(65)}{'+/'[0:0]}{digits(size)}\nword\t{digits(size)}\t{digits(size)}\n"
    )
    return root


def digits(value: int) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return alphabet[value // 64] + alphabet[value % 64]


def test_every_text_is_in_exactly_one_of_the_two_files(tmp_path: Path) -> None:
    found = find_sources([install(tmp_path / "root")], [HTML, JSON, DICT])

    report = build_corpus(found, tmp_path / "out", validation_share=0.3)

    train, validation = (list(read_corpus(tmp_path / "out" / name)) for name in (TRAIN, VALIDATION))
    assert report.entries == {"pages": 40, "service": 2, "words": 2}
    assert len(train) + len(validation) == 44
    assert report.validation_entries == len(validation)
    assert 5 <= len(validation) <= 22
    assert not {entry.id for entry in train} & {entry.id for entry in validation}
    assert report.characters["service"] == sum(len(e.text) for e in train + validation if e.source == "service")
    assert sorted(report.skipped) == ["api/c.json", "doc/latin.html"]
    assert {entry.id for entry in train + validation if entry.source == "words"} == {"word", "word#2"}


def test_a_paragraph_comes_once_in_a_source(tmp_path: Path) -> None:
    build_corpus(find_sources([install(tmp_path / "root")], [HTML]), tmp_path / "out", validation_share=0)

    texts = [entry.text for entry in read_corpus(tmp_path / "out" / TRAIN)]
    assert sum(text.count("everywhere") for text in texts) == 1
    assert list(read_corpus(tmp_path / "out" / VALIDATION)) == []


def test_two_builds_of_the_same_documentation_are_byte_for_byte_the_same(tmp_path: Path) -> None:
    for name in ("first", "second"):
        build_corpus(find_sources([install(tmp_path / name / "root")], [HTML, JSON]), tmp_path / name)

    for file in (TRAIN, VALIDATION):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_sources_are_found_where_they_are_installed(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "doc").mkdir(parents=True)
    (first / "doc" / "a.html").write_text("<p>x</p>")
    install(second)

    assert find_sources([first, second], [HTML, DICT]) == ((HTML, first), (DICT, second))
    with pytest.raises(InputError, match=r"no source is installed below .*install some of apt:words"):
        find_sources([first], [DICT])


def test_a_corpus_without_text_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    found = find_sources([install(tmp_path / "root")], [HTML])

    with pytest.raises(InputError, match="no text was found"):
        build_corpus(found, tmp_path / "out", min_characters=10_000)
    with pytest.raises(ConfigError, match="must lie in"):
        build_corpus(found, tmp_path / "out", validation_share=1)
    assert not (tmp_path / "out").exists()


def test_a_write_that_fails_leaves_the_old_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_sources([install(tmp_path / "root")], [HTML])
    build_corpus(found, tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}

    def fill_disk(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("adapters_core.data.corpus_builder.json.dumps", fill_disk)
    with pytest.raises(StorageError, match="No space left"):
        build_corpus(found, tmp_path / "out")
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


def test_public_sources_are_distinct_and_say_what_to_install() -> None:
    assert len({each.name for each in PUBLIC_SOURCES}) == len(PUBLIC_SOURCES) >= 10
    assert all(each.package.startswith(("apt:", "pip:")) and each.licence for each in PUBLIC_SOURCES)


def test_documentation_that_is_installed_here_gives_prose(tmp_path: Path) -> None:
    site_packages = Path(sysconfig.get_path("purelib"))
    sources = [source("sklearn", "rst", "sklearn/datasets/descr/*.rst"), source("numpy", "rst", "numpy/**/*.rst")]

    report = build_corpus(find_sources([site_packages], sources), tmp_path, validation_share=0)

    texts = [entry.text for entry in read_corpus(tmp_path / TRAIN)]
    assert sum(report.characters.values()) > 500
    assert all("::" not in text and "``" not in text for text in texts)
