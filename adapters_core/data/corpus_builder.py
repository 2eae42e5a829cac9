"""Building a corpus from the documentation of installed packages.

No corpus comes with ours. A public user builds one:
``build_corpus(find_sources([Path("/"), site_packages]), out)``.
"""

import hashlib
import json
import lzma
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapters_core.data.corpora import CorpusEntry
from adapters_core.data.extraction import (
    described_paragraphs,
    dictd_articles,
    html_paragraphs,
    pod_paragraphs,
    rst_paragraphs,
    text_paragraphs,
)
from adapters_core.data.packed import open_packed, read_json
from adapters_core.errors import ConfigError, InputError
from adapters_core.storage import atomic_file

Format = Literal["html", "rst", "pod", "text", "described", "dictd"]
TRAIN, VALIDATION = "corpus-train.jsonl.xz", "corpus-validation.jsonl.xz"
_SHARES = 10_000


@dataclass(frozen=True, kw_only=True)
class CorpusSource:
    """Documentation files of a public package."""

    name: str
    package: str
    """What to install: ``apt:NAME`` or ``pip:NAME``."""
    licence: str
    format: Format
    pattern: str
    """Glob of the files, relative to the root of the system (apt) or to site-packages (pip)."""


def _apt(name: str, licence: str, form: Format, pattern: str) -> CorpusSource:
    return CorpusSource(name=name, package=f"apt:{name}", licence=licence, format=form, pattern=pattern)


PUBLIC_SOURCES = (
    _apt("dict-wn", "WordNet", "dictd", "usr/share/dictd/wn.index"),
    _apt("dict-jargon", "public domain", "dictd", "usr/share/dictd/jargon.index"),
    _apt("python3.11-doc", "PSF-2.0", "html", "usr/share/doc/python3.11/html/**/*.html"),
    _apt("postgresql-doc-15", "PostgreSQL", "html", "usr/share/doc/postgresql-doc-15/html/*.html"),
    _apt("erlang-doc", "Apache-2.0", "html", "usr/share/doc/erlang-doc/**/*.html"),
    _apt("racket-doc", "Apache-2.0 or MIT", "html", "usr/share/doc/racket/**/*.html"),
    _apt("python-django-doc", "BSD-3-Clause", "html", "usr/share/doc/python-django-doc/html/**/*.html"),
    _apt("rust-doc", "MIT or Apache-2.0", "html", "usr/share/doc/rust-doc/html/*/*.html"),
    _apt("apache2-doc", "Apache-2.0", "html", "usr/share/doc/apache2-doc/manual/en/**/*.html"),
    _apt("nodejs-doc", "MIT", "html", "usr/share/doc/nodejs/api/*.html"),
    _apt("perl-doc", "Artistic or GPL-1+", "pod", "usr/share/perl/5.*/pod/*.pod"),
    CorpusSource(
        name="botocore",
        package="pip:botocore",
        licence="Apache-2.0",
        format="described",
        pattern="botocore/data/**/service-2.json*",
    ),
    CorpusSource(
        name="google-api-discovery",
        package="pip:google-api-python-client",
        licence="Apache-2.0",
        format="described",
        pattern="googleapiclient/discovery_cache/documents/*.json",
    ),
)
"""Packages whose documentation may be used freely; each is read where it is installed."""


@dataclass(frozen=True, kw_only=True)
class CorpusReport:
    """What was built."""

    entries: dict[str, int]
    """Entries of each source, both files together."""
    characters: dict[str, int]
    skipped: tuple[str, ...]
    """Files that are no UTF-8 or do not parse."""
    validation_entries: int


def find_sources(
    roots: Sequence[Path], sources: Sequence[CorpusSource] = PUBLIC_SOURCES
) -> tuple[tuple[CorpusSource, Path], ...]:
    """The sources that are installed below one of the roots, each with the first root that has it.

    Raises:
        InputError: none is (the message names the packages).
    """
    found = []
    for source in sources:
        root = next((root for root in roots if next(root.glob(source.pattern), None)), None)
        if root is not None:
            found.append((source, root))
    if not found:
        packages = ", ".join(source.package for source in sources)
        raise InputError(f"no source is installed below {[str(root) for root in roots]}; install some of {packages}")
    return tuple(found)


def build_corpus(
    found: Sequence[tuple[CorpusSource, Path]], out: Path, *, validation_share: float = 0.01, min_characters: int = 40
) -> CorpusReport:
    """Build a training and a validation corpus from installed documentation.

    Paragraphs that a source has already given are dropped. Which entries go to validation is decided by a hash of
    source and id, so that another build on another machine agrees; their order is that of the hash.

    Args:
        found: sources and the roots they were found below.
        out: folder for ``corpus-train.jsonl.xz`` and ``corpus-validation.jsonl.xz``; each is replaced whole.
        validation_share: share of the entries that validate, in [0, 1).
        min_characters: shorter entries are left out.

    Raises:
        ConfigError: ``validation_share`` is out of its bounds.
        InputError: a dictionary is malformed, or no text was found.
        StorageError: reading or writing failed; nothing was replaced.
    """
    if not 0 <= validation_share < 1:
        raise ConfigError(f"validation_share must lie in [0, 1), got {validation_share}")
    skipped: list[str] = []
    entries = [
        entry
        for source, root in found
        for entry in _read_source(source, root, skipped)
        if len(entry.text) >= min_characters
    ]
    if not entries:
        raise InputError(f"no text was found in {[source.name for source, _ in found]}")
    entries.sort(key=_hash)
    limit = round(validation_share * _SHARES)
    validation = [entry for entry in entries if int(_hash(entry), 16) % _SHARES < limit]
    _write(out / TRAIN, [entry for entry in entries if int(_hash(entry), 16) % _SHARES >= limit])
    _write(out / VALIDATION, validation)
    return CorpusReport(
        entries=dict(Counter(entry.source for entry in entries)),
        characters={
            source.name: sum(len(entry.text) for entry in entries if entry.source == source.name) for source, _ in found
        },
        skipped=tuple(skipped),
        validation_entries=len(validation),
    )


def _hash(entry: CorpusEntry) -> str:
    return hashlib.sha256(f"{entry.source}\0{entry.id}".encode()).hexdigest()


def _read_source(source: CorpusSource, root: Path, skipped: list[str]) -> Iterator[CorpusEntry]:
    told: set[bytes] = set()
    for file in sorted(root.glob(source.pattern)):
        name = file.relative_to(root).as_posix()
        if source.format == "dictd":
            yield from _read_dictionary(source.name, file)
            continue
        try:
            paragraphs = _paragraphs(file, source.format)
        except InputError:
            skipped.append(name)
            continue
        fresh = []
        for paragraph in paragraphs:
            data = paragraph.encode(errors="replace")  # JSON can hold halves of surrogate pairs
            digest = hashlib.sha256(data).digest()
            if digest not in told:
                told.add(digest)
                fresh.append(data.decode())
        yield CorpusEntry(source=source.name, id=name, text="\n".join(fresh))


def _read_dictionary(name: str, index: Path) -> Iterator[CorpusEntry]:
    seen: Counter[str] = Counter()
    for headword, article in dictd_articles(index):
        seen[headword] += 1
        label = headword if seen[headword] == 1 else f"{headword}#{seen[headword]}"
        yield CorpusEntry(source=name, id=label, text=article)


def _paragraphs(file: Path, form: Format) -> list[str]:
    if form == "described":
        return list(described_paragraphs(read_json(file)))
    with open_packed(file) as stream:
        text = stream.read()
    readers = {"html": html_paragraphs, "rst": rst_paragraphs, "pod": pod_paragraphs, "text": text_paragraphs}
    return readers[form](text)


def _write(target: Path, entries: Sequence[CorpusEntry]) -> None:
    with atomic_file(target) as staging, lzma.open(staging, "wt", encoding="utf-8", preset=6) as stream:
        for entry in entries:
            line = {"source": entry.source, "id": entry.id, "text": entry.text}
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
