"""What people do in the showroom to come to the pages that have no address of their own."""

from collections.abc import Callable, Mapping

from playwright.sync_api import Page

Act = Callable[[Page], None]
"""What somebody does on a page."""


def verify(page: Page) -> None:
    """From the first entry on."""
    page.locator("main form input[type=checkbox]").first.check()
    page.locator("main form .actions button, main form button").first.click()
    page.wait_for_load_state()


def issue(page: Page) -> None:
    """A token that may infer."""
    page.locator("#id_name").fill("Helpdesk bot")
    page.locator("main form input[name=scopes][value=infer]").check()
    page.locator("main form .actions button").first.click()
    page.wait_for_load_state()


def approve(page: Page) -> None:
    """As far as the signature."""
    page.locator("#decision-approve").check()
    page.locator("#decision .decision-bar button").click()
    page.wait_for_load_state()


def add_person(page: Page) -> None:
    """Somebody new; a mail address is taken once, and each language adds its own."""
    language = page.locator("html").get_attribute("lang")
    page.locator("#id_name").fill("小林 葵")
    page.locator("#id_email").fill(f"aoi.kobayashi.{language}@ringi.example")
    page.locator("main form .actions button").first.click()
    page.wait_for_load_state()


def show_printed(page: Page) -> None:
    """As a printer would see it."""
    page.emulate_media(media="print")


ACTS: Mapping[str, tuple[str, Act]] = {
    "decide": ("decide-sign", approve),
    "comparison": ("comparison-print", show_printed),
    "verify": ("verify-result", verify),
    "person-new": ("person-added", add_person),
    "token-new": ("token-issued", issue),
}
"""Page -> name of the one that follows it, and what is done before."""
