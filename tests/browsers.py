"""A real browser, Debian's Chromium, and people who sit before it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-gpu", "--force-color-profile=srgb")
PATIENCE = 180_000.0
"""Milliseconds; a machine may have one core, and the models need it too."""
WIDTH, HEIGHT = 1280, 900


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS), timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def at_desk(browser: Browser, address: str, language: str, *, scripts: bool = True) -> Iterator[BrowserContext]:
    """A browser of one person, who reads one language."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": WIDTH, "height": HEIGHT},
        locale={"ja": "ja-JP", "en": "en-GB"}[language],
        timezone_id="Asia/Tokyo",
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    context.set_default_navigation_timeout(PATIENCE)
    context.add_cookies([{"name": "ringi_language", "value": language, "url": address}])
    try:
        yield context
    finally:
        context.close()


def sign_in(page: Page, mail: str, password: str) -> None:
    """By the page on which people sign in."""
    page.goto("/accounts/login/")
    page.locator("#id_login").fill(mail)
    page.locator("#id_password").fill(password)
    page.locator("main form[action$='/login/'] button").first.click()
    expect(page.locator("nav.side")).to_be_visible()
