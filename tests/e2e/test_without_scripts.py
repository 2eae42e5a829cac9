"""Without JavaScript: people sign in, read the main pages, submit a context, comment and decide, by forms alone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsers import at_desk, sign_in
from tests.cast import HANAKO, PASSWORD, YUKI, Member
from tests.showroom import Showroom

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
TEXT = "夜間の入館は警備室に届け出る。入館証は翌朝九時までに返す。"
REMARK = "届け出の時刻も確認しました"


@pytest.fixture
def page(browser: Browser, showroom: Showroom) -> Iterator[Page]:
    """A browser in which no script runs."""
    with at_desk(browser, showroom.address, "ja", scripts=False) as context:
        yield context.new_page()


def enter(page: Page, member: Member) -> None:
    sign_in(page, member.email, PASSWORD)
    page.goto("/")
    assert page.locator("[data-needs-script]:visible").count() == 0


def address_of(showroom: Showroom, name: str) -> str:
    return next(one.address for one in showroom.sights if one.name == name)


def test_no_script_runs_here(page: Page) -> None:
    page.goto("/accounts/login/")

    page.set_content("<p>still</p><script>document.querySelector('p').textContent = 'moved'</script>")

    assert page.locator("p").text_content() == "still"


def test_an_engineer_reads_submits_and_comments(page: Page, showroom: Showroom) -> None:
    enter(page, HANAKO)
    for name in ("adapters", "adapter", "contexts", "requests", "comparison", "slots", "jobs", "playground"):
        answer = page.goto(address_of(showroom, name))
        assert answer is not None
        assert answer.status == 200
        expect(page.locator("main h1")).to_be_visible()
        assert page.locator("main [data-needs-script]:visible").count() == 0, name

    page.goto("/contexts/new")
    page.locator("#id_title").fill("夜間入館の手引き")
    page.locator("#id_text").fill(TEXT)
    page.locator("main form.card .actions button").first.click()
    expect(page.locator("h1")).to_have_text("夜間入館の手引き")
    page.locator("form[action$='/generate'] button").click()
    expect(page.locator("#adapters .banner-info")).to_be_visible()

    page.goto(address_of(showroom, "request"))
    page.locator("form[action$='/comment/'] textarea").fill(REMARK)
    page.locator("form[action$='/comment/'] button").click()
    expect(page.locator("main")).to_contain_text(REMARK)


def test_a_reviewer_decides(page: Page, showroom: Showroom) -> None:
    enter(page, YUKI)
    page.goto(address_of(showroom, "request"))
    page.locator(".decision-bar a.button").click()
    page.locator("#decision-approve").check()
    page.locator("#decision .decision-bar button").click()
    page.locator("#id_proof").fill(PASSWORD)
    page.locator(".decision-bar button").click()

    page.wait_for_url("**/requests/*/")
    expect(page.locator("main .messages")).to_be_visible()
    expect(page.locator("main .page-head .chip").first).to_have_text("承認済み")


def test_the_language_is_chosen(page: Page) -> None:
    page.goto("/accounts/login/")

    page.locator(".languages button[lang=en]").click()

    expect(page.locator("html")).to_have_attribute("lang", "en")
