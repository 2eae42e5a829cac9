"""Pictures of every page in both languages, for the documentation: ``python -m tests.screenshots docs/screenshots``.

They show an installation that was made for it, with people who exist nowhere (tests/showroom_story.py).
"""

import argparse
import io
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browsers import HEIGHT, WIDTH, at_desk, open_browser, sign_in
from tests.cast import PASSWORD
from tests.showroom import Showroom, Sight, open_showroom
from tests.showroom_acts import ACTS

LANGUAGES = {"ja": "日本語", "en": "English"}
TALLEST = 1700
"""Pixels of a picture: of a longer page its beginning says what it is like."""
COLOURS = 64
PARTS: Mapping[str, Mapping[str, str]] = {
    "adapter": {
        "adapter-attribution": "attribution-title",
        "adapter-norms": "norms-title",
        "adapter-answers": "answers-title",
    },
    "comparison": {
        "comparison-answers": "answers",
        "comparison-changes": "changes",
        "comparison-costs": "costs",
    },
}
"""Page -> names of pictures of parts that lie below what its own shows, and the ids of their headings."""


def main(arguments: list[str]) -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go, one folder a language")
    parser.add_argument("--only", nargs="*", help="names of pages; all of them otherwise")
    parser.add_argument("--languages", nargs="*", default=list(LANGUAGES), choices=list(LANGUAGES))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, open_showroom(Path(folder)) as showroom, open_browser() as browser:
        wanted = [one for one in showroom.sights if not given.only or one.name in given.only]
        for language in given.languages:
            take(browser, showroom, language, wanted, given.folder / language)
    if not given.only:
        names = [name for one in wanted for name in (one.name, *PARTS.get(one.name, ()), *ACTS.get(one.name, ())[:1])]
        (given.folder.parent / f"{given.folder.name}.md").write_text(index(names, given.folder.name), encoding="utf-8")


def take(browser: Browser, showroom: Showroom, language: str, sights: list[Sight], folder: Path) -> None:
    """The pages in one language."""
    folder.mkdir(parents=True, exist_ok=True)
    for member in dict.fromkeys(one.member for one in sights):
        with desk_of(browser, showroom.address, language, member) as page:
            for sight in (one for one in sights if one.member == member):
                page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
                page.goto(sight.address)
                picture(page, folder / f"{sight.name}.png")
                for name, heading in PARTS.get(sight.name, {}).items():
                    part(page, heading, folder / f"{name}.png")
                if sight.name in ACTS:
                    name, act = ACTS[sight.name]
                    act(page)
                    picture(page, folder / f"{name}.png")
                    page.emulate_media(media="screen")


def picture(page: Page, path: Path) -> None:
    """What the page shows now, as tall as it is: what sticks to the window's edge then lies where it belongs."""
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": WIDTH, "height": min(int(height), TALLEST)})
    keep(path, page.screenshot())


def keep(path: Path, png: bytes) -> None:
    """Write a picture, and say so."""
    path.write_bytes(small(png))
    sys.stdout.write(f"{path} {path.stat().st_size // 1024} KiB\n")
    sys.stdout.flush()


def part(page: Page, heading: str, path: Path) -> None:
    """The section of a page that a heading names, from its beginning."""
    section = page.locator(f"section[aria-labelledby={heading}]")
    section.scroll_into_view_if_needed()
    drawn = Image.open(io.BytesIO(section.screenshot()))
    kept = io.BytesIO()
    drawn.crop((0, 0, drawn.width, min(drawn.height, TALLEST))).save(kept, "PNG")
    keep(path, kept.getvalue())


@contextmanager
def desk_of(browser: Browser, address: str, language: str, member: str | None) -> Iterator[Page]:
    """A page in which somebody is signed in."""
    with at_desk(browser, address, language) as context:
        page = context.new_page()
        if member:
            sign_in(page, member, PASSWORD)
        yield page


def small(png: bytes) -> bytes:
    """The same picture in few colours."""
    with Image.open(io.BytesIO(png)) as whole:
        drawn = whole.convert("RGB")
    file = io.BytesIO()
    drawn.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def index(names: list[str], folder: str) -> str:
    """A page in Markdown that shows all of them, a row a page."""
    rows = []
    for name in names:
        pictures = (f"{folder}/{code}/{name}.png" for code in LANGUAGES)
        rows.append(" | ".join([f"| {name}", *(f"[![{name}]({one})]({one})" for one in pictures)]) + " |")
    head = ["# Every page", "", "`make screenshots` takes them anew. The people and documents are made up.", ""]
    head += ["| | " + " | ".join(LANGUAGES.values()) + " |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    main(sys.argv[1:])
