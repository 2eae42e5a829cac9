"""Prose out of documentation files: HTML, reStructuredText, POD, dictd dictionaries, JSON service descriptions.

Each function takes text (dictd: two files) and gives paragraphs. Code, tables of contents and navigation are left out:
a corpus of prose is wanted, not a rendering.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from adapters_core.data.packed import open_packed
from adapters_core.errors import InputError

_BLOCKS = frozenset(re.findall(r"\w+", "p li dd dt td th div section article blockquote br h1 h2 h3 h4 h5 h6 body"))
_SKIPPED = frozenset(re.findall(r"\w+", "script style nav pre head header footer aside form table svg"))
_POD_CODE = re.compile(r"[A-Z]<<+\s+([^|]*?)(?:\|.*?)?\s+>>+|[A-Z]<([^<>|]*)(?:\|[^<>]*)?>")
_RST_ROLE = re.compile(r":[\w:-]+:`~?([^`<]*)(?:<[^>]*>)?`|``?([^`]+?)(?:\s*<[^>]*>)?``?_{0,2}")
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_LEAST_WORDS = 6


def _prose(paragraph: str) -> str | None:
    """The paragraph on one line, or None where it is too short to be prose."""
    text = " ".join(paragraph.split())
    return text if len(text.split()) >= _LEAST_WORDS else None


class _Prose(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.paragraphs: list[str] = []
        self._buffer: list[str] = []
        self._skipping: list[str] = []

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag in _SKIPPED:
            self.flush()
            self._skipping.append(tag)
        elif tag in _BLOCKS:
            self.flush()

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipping:
            del self._skipping[self._skipping.index(tag) :]
        if tag in _BLOCKS:
            self.flush()

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self._buffer.append(data)

    def flush(self) -> None:
        """End a paragraph."""
        if text := _prose("".join(self._buffer).replace("¶", "")):
            self.paragraphs.append(text)
        self._buffer.clear()


def html_paragraphs(text: str) -> list[str]:
    """Paragraphs of an HTML page, without its code, tables and navigation."""
    parser = _Prose()
    parser.feed(text)
    parser.close()
    parser.flush()
    return parser.paragraphs


def rst_paragraphs(text: str) -> list[str]:
    """Paragraphs of reStructuredText: no directives, no literal blocks, no underlines, roles as their text."""
    kept = []
    literal = False
    for block in re.split(r"\n[ \t]*\n", text.expandtabs()):
        indented = block.lstrip("\n").startswith(" ")
        literal = literal and indented
        if not literal and not re.match(r"\s*\.\. |\s*[=\-~^\"'*+#`]{4,}", block):
            lines = [line for line in block.splitlines() if not re.fullmatch(r"\s*[=\-~^\"'*+#`.]{3,}\s*", line)]
            prose = _prose(_RST_ROLE.sub(lambda match: match.group(1) or match.group(2) or "", "\n".join(lines)))
            kept += [prose.removesuffix("::").replace("**", "")] if prose else []
        literal = literal or block.rstrip().endswith("::") or bool(re.match(r"\s*\.\. ", block))
    return kept


def pod_paragraphs(text: str) -> list[str]:
    """Paragraphs of Perl's POD: no commands, no verbatim blocks, formatting codes as their text."""
    within = False
    kept = []
    for block in re.split(r"\n\s*\n", text):
        if block.startswith("="):
            within = not block.startswith("=cut")
        elif within and not block.startswith((" ", "\t")):
            plain = block
            while (inner := _POD_CODE.sub(r"\1\2", plain)) != plain:
                plain = inner
            kept += [prose] if (prose := _prose(plain)) else []
    return kept


def text_paragraphs(text: str) -> list[str]:
    """Paragraphs of plain text, parted by blank lines."""
    return [prose for block in re.split(r"\n\s*\n", text) if (prose := _prose(block))]


def described_paragraphs(value: object) -> Iterator[str]:
    """Texts under ``documentation`` (HTML) and ``description`` (plain) anywhere in a JSON value, in its order."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and name == "documentation":
                yield from html_paragraphs(inner)
            elif isinstance(inner, str) and name == "description":
                yield from text_paragraphs(inner)
            else:
                yield from described_paragraphs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from described_paragraphs(inner)


def dictd_articles(index: Path) -> Iterator[tuple[str, str]]:
    """Headword and article of each entry of a dictd dictionary, an article once.

    The index has a line an entry: headword, offset and length as base-64 numbers, parted by tabs. The articles lie
    beside it in ``NAME.dict`` or ``NAME.dict.dz`` (which gzip unpacks).

    Raises:
        InputError: there is no dictionary beside the index, or a line of the index is malformed.
        IntegrityError: the packed dictionary is damaged.
    """
    plain = index.with_suffix(".dict")
    packed = index.with_suffix(".dict.dz")
    if not (plain.is_file() or packed.is_file()):
        raise InputError(f"a dictionary {plain.name} or {packed.name} must lie beside {str(index)!r}, found none")
    with open_packed(plain if plain.is_file() else packed, newline="") as stream:
        articles = stream.read().encode()
    with open_packed(index) as stream:
        lines = stream.read().splitlines()
    told = set()
    for number, line in enumerate(lines, 1):
        try:
            headword, *place = line.split("\t")
            start, length = map(_number, place)
        except ValueError as error:
            raise InputError(f"{str(index)!r} line {number} must be headword, offset and length: {error}") from error
        if start not in told and not headword.startswith("00"):
            told.add(start)
            yield headword, " ".join(articles[start : start + length].decode(errors="replace").split())


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * len(_DIGITS) + _DIGITS.index(digit)
    return value
