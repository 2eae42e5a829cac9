"""Prose is taken out of documentation; code, tables and navigation are left behind."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.data.extraction import (
    described_paragraphs,
    dictd_articles,
    html_paragraphs,
    pod_paragraphs,
    rst_paragraphs,
    text_paragraphs,
)
from adapters_core.errors import InputError, IntegrityError

LONG = "This is a sentence of more than six words"
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def number(value: int) -> str:
    digits = DIGITS[value % 64]
    while value := value // 64:
        digits = DIGITS[value % 64] + digits
    return digits


@pytest.mark.parametrize(
    ("html", "paragraphs"),
    [
        (f"<p>{LONG} &amp; <b>bold</b>\n words.</p><p>Too short.</p>", [f"{LONG} & bold words."]),
        (f"<nav><p>{LONG}</p></nav><p>{LONG}</p>", [LONG]),
        (f"<pre>{LONG}</pre><table><tr><td>{LONG}</td></tr></table><li>{LONG}<li>{LONG} too", [LONG, f"{LONG} too"]),
        (f"<script>if (a < b) {LONG}</script><h1>{LONG}¶</h1>", [LONG]),
        (f"<div>{LONG}<div>{LONG} inside</div></div>", [LONG, f"{LONG} inside"]),
        (f"<p>{LONG}</p></nav></p>", [LONG]),
        (f"{LONG} <!-- {LONG} -->", [LONG]),
    ],
)
def test_paragraphs_of_a_page(html: str, paragraphs: list[str]) -> None:
    assert html_paragraphs(html) == paragraphs


@given(st.text())
def test_any_text_can_be_read_as_a_page(text: str) -> None:
    for paragraph in html_paragraphs(text):
        assert len(paragraph.split()) >= 6


def test_paragraphs_of_restructured_text() -> None:
    text = (
        f"Title of the page which is long enough\n======================================\n\n{LONG} with :func:`~a.b`\n"
        f"and ``code`` and a `link <x>`_.\n\n.. note::\n   {LONG}\n\n   {LONG}\n\n{LONG}::\n\n   {LONG} as code\n\n"
        f"{LONG}.\n"
    )

    assert rst_paragraphs(text) == [
        "Title of the page which is long enough",
        f"{LONG} with a.b and code and a link.",
        LONG,
        f"{LONG}.",
    ]


def test_paragraphs_of_pod() -> None:
    told = f"{LONG} with C<code>, B<I<both>>, C<< a > b >> and L<a page|perlfunc>."
    text = f"code();\n\n=head1 NAME\n\n{told}\n\n  {LONG}\n\n=cut\n\n{LONG}\n"

    assert pod_paragraphs(text) == [f"{LONG} with code, both, a > b and a page."]


def test_paragraphs_of_plain_text() -> None:
    assert text_paragraphs(f"{LONG}\ngoing on.\n \nShort.\n\n{LONG}") == [f"{LONG} going on.", LONG]


def test_descriptions_are_found_anywhere_in_their_order() -> None:
    value = {
        "documentation": f"<p>{LONG}</p>",
        "shapes": [
            {"description": f"{LONG} second"},
            {"description": 7},
            {"documentation": {"documentation": "short"}},
        ],
        "title": LONG,
    }

    assert list(described_paragraphs(value)) == [LONG, f"{LONG} second"]


def test_articles_of_a_dictionary_come_once_and_without_its_own_entries(tmp_path: Path) -> None:
    data = "metaÄpfel n 1: a fruitberry n 1:\r\n  another".encode()
    lines = [("00-database-info", 0, 4), ("apple", 4, 19), ("berry", 23, 100), ("berries", 23, 100)]
    index = tmp_path / "d.index"
    index.write_text("".join(f"{name}\t{number(start)}\t{number(size)}\n" for name, start, size in lines))
    (tmp_path / "d.dict").write_bytes(data)

    assert list(dictd_articles(index)) == [("apple", "Äpfel n 1: a fruit"), ("berry", "berry n 1: another")]
    (tmp_path / "d.dict").rename(tmp_path / "plain")
    (tmp_path / "d.dict.dz").write_bytes(gzip.compress(data))
    assert len(list(dictd_articles(index))) == 2


def test_a_dictionary_that_is_missing_or_malformed_is_refused(tmp_path: Path) -> None:
    index = tmp_path / "d.index"
    index.write_text("apple\tA\n")

    with pytest.raises(InputError, match=r"must lie beside .*found none"):
        list(dictd_articles(index))
    (tmp_path / "d.dict").write_text("text")
    with pytest.raises(InputError, match="line 1 must be headword, offset and length"):
        list(dictd_articles(index))
    (tmp_path / "d.dict").unlink()
    (tmp_path / "d.dict.dz").write_bytes(b"no gzip")
    with pytest.raises(IntegrityError):
        list(dictd_articles(index))
