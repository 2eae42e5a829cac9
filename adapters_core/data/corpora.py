"""Corpora: text to train on, one JSON object a line with ``source``, ``id`` and ``text``."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapters_core.data.packed import open_packed
from adapters_core.errors import ConfigError, InputError


@dataclass(frozen=True, kw_only=True)
class CorpusEntry:
    """A text and where it is from."""

    source: str
    id: str
    """Distinct within the source."""
    text: str


def read_corpus(path: Path) -> Iterator[CorpusEntry]:
    """Read a corpus line by line (plain, ``.gz`` or ``.xz``), never whole.

    Raises:
        InputError: the file is missing, or a line is not an object with the three texts (with its number).
        IntegrityError: packed bytes are damaged or cut short.
        StorageError: the operating system refuses to read.
    """
    with open_packed(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                entry = json.loads(line)
                values = {name: entry[name] for name in ("source", "id", "text")}
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise InputError(f"{path.name} line {number} must be an object with source, id and text") from error
            if wrong := [name for name, value in values.items() if not _is_text(value)]:
                raise InputError(f"{path.name} line {number}: {wrong} must be valid Unicode texts that are not empty")
            yield CorpusEntry(**values)


def pack_entries(
    entries: Iterable[CorpusEntry], *, min_size: int, measure: Callable[[str], int] = len, separator: str = "\n\n"
) -> Iterator[CorpusEntry]:
    """Put short entries of one source together until they reach a size, in their order.

    Sources may alternate: each has an entry of its own in the making. What is left at the end comes last, shorter.

    Args:
        entries: any number, read as they are needed.
        min_size: least size of an entry that is given out before the end.
        measure: size of a text, such as its number of tokens; characters by default.
        separator: put between texts.

    Raises:
        ConfigError: ``min_size`` is below 1.
    """
    if min_size < 1:
        raise ConfigError(f"min_size must be at least 1, got {min_size}")
    waiting: dict[str, list[CorpusEntry]] = defaultdict(list)
    sizes: Counter[str] = Counter()
    for entry in entries:
        waiting[entry.source].append(entry)
        sizes[entry.source] += measure(entry.text)
        if sizes[entry.source] >= min_size:
            yield _join(waiting.pop(entry.source), separator)
            del sizes[entry.source]
    for left in waiting.values():
        yield _join(left, separator)


def _is_text(value: object) -> bool:
    """Whether this is a text that can be written as UTF-8: JSON can hold halves of surrogate pairs."""
    return isinstance(value, str) and bool(value) and value.encode(errors="replace").decode() == value


def _join(entries: list[CorpusEntry], separator: str) -> CorpusEntry:
    first = entries[0]
    label = first.id if len(entries) == 1 else f"{first.id}+{len(entries) - 1}"
    return CorpusEntry(source=first.source, id=label, text=separator.join(entry.text for entry in entries))
