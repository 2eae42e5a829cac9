"""Every page in both languages: no fault that axe finds, and usable with the keyboard alone."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import pairwise

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browsers import at_desk, sign_in
from tests.cast import CAST, PASSWORD
from tests.showroom import Showroom, Sight
from tests.showroom_acts import ACTS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PEOPLE = {member.email: member for member in CAST}


@pytest.fixture(scope="module")
def desks(showroom: Showroom, browser: Browser) -> Iterator[Mapping[str | None, Page]]:
    """Mail address -> a page in which its owner is signed in; None -> one in which nobody is."""
    with ExitStack() as stack:
        found: dict[str | None, Page] = {}
        for member in dict.fromkeys(one.member for one in showroom.sights):
            found[member] = stack.enter_context(at_desk(browser, showroom.address, "ja")).new_page()
            if member:
                sign_in(found[member], member, PASSWORD)
        yield found


def visit(showroom: Showroom, desks: Mapping[str | None, Page], sight: Sight, language: str = "ja") -> Page:
    """A page as its reader sees it."""
    page = desks[sight.member]
    page.context.add_cookies([{"name": "ringi_language", "value": language, "url": showroom.address}])
    page.goto(sight.address)
    return page


def sight_of(showroom: Showroom, name: str) -> Sight:
    return next(one for one in showroom.sights if one.name == name)


def faults(page: Page) -> list[str]:
    """What axe finds, be it small."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]})
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {json.dumps([node['html'][:160] for node in one['nodes'][:3]])}"
        for one in found.response["violations"]
    ]


def headings(page: Page) -> list[str]:
    """What is wrong with the headings: there is one of the first order, and none is left out below it."""
    orders = page.evaluate("[...document.querySelectorAll('main :is(h1, h2, h3, h4)')].map(one => +one.tagName[1])")
    steps = all(after - before <= 1 for before, after in pairwise(orders))
    return [] if orders.count(1) == 1 and steps else [f"headings {orders}"]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_nothing_on_any_page_shuts_anybody_out(
    showroom: Showroom, desks: Mapping[str | None, Page], language: str
) -> None:
    found = {}
    for sight in showroom.sights:
        page = visit(showroom, desks, sight, language)
        assert page.locator("html").get_attribute("lang") == language
        if fault := [*faults(page), *headings(page)]:
            found[sight.name] = fault
        assert not page.title().startswith("Ringi"), sight.name
        if sight.name in ACTS:
            follows, act = ACTS[sight.name]
            act(page)
            if fault := faults(page):
                found[follows] = fault
            page.emulate_media(media="screen")

    assert found == {}


def test_axe_finds_what_is_put_there(showroom: Showroom, desks: Mapping[str | None, Page]) -> None:
    page = visit(showroom, desks, sight_of(showroom, "slots"))
    twice = "<section aria-label=twice>…</section>" * 2
    put = f"<input type=text><img src=/x.png>{twice}"
    page.evaluate(f"document.querySelector('main').insertAdjacentHTML('beforeend', '{put}')")

    assert {fault.partition(" ")[0] for fault in faults(page)} == {"image-alt", "label", "landmark-unique"}


def test_the_first_stop_of_the_keyboard_skips_to_the_content(
    showroom: Showroom, desks: Mapping[str | None, Page]
) -> None:
    page = visit(showroom, desks, sight_of(showroom, "adapters"))

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('main').contains(document.activeElement)")


FIELDS = """() => [...document.querySelectorAll("main :is(input, select, textarea, button)")]
    .filter(one => one.type !== "hidden" && !one.disabled && one.offsetParent && one.name)
    .map(one => one.name)"""
STOP = """() => {
    const one = document.activeElement, style = getComputedStyle(one);
    const around = getComputedStyle(one.closest("label, summary") || one);
    const ring = (seen) => (seen.outlineStyle !== "none" && seen.outlineWidth !== "0px") || seen.boxShadow !== "none";
    const box = one.getBoundingClientRect();
    return {
        what: one.outerHTML.slice(0, 120),
        name: one.name || "",
        body: one === document.body,
        ring: ring(style) || ring(around),
        seen: box.bottom > 0 && box.top < window.innerHeight && box.width > 0,
    };
}"""


@pytest.mark.parametrize("name", ["request", "decide", "slot", "context-new", "playground", "policy-change"])
def test_the_keyboard_reaches_every_field_and_shows_where_it_is(
    showroom: Showroom, desks: Mapping[str | None, Page], name: str
) -> None:
    page = visit(showroom, desks, sight_of(showroom, name))
    fields = page.evaluate(FIELDS)
    reached, unseen = set(), []
    for _ in range(200):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop["body"]:
            break
        reached.add(stop["name"])
        if not (stop["ring"] and stop["seen"]):
            unseen.append(stop["what"])

    assert set(fields) - reached == set()
    assert unseen == []
