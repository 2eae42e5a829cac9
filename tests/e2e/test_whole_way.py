"""The whole way in a real browser over the real base: four people, from a text to an answer, and back in one click."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.browsers import PATIENCE, at_desk, sign_in
from tests.product import Product, running_product, said_by

pytestmark = [pytest.mark.browser, pytest.mark.base, pytest.mark.timeout(900)]
SLOT, POLICY = "desk", "two-eyes"
PEOPLE = ("engineer", "reviewer", "manager", "admin", "auditor")


@dataclass(frozen=True, kw_only=True)
class Words:
    """What the pages must say in a language, and what people write."""

    title: str
    text: str
    questions: str
    reason: str
    evaluated: str
    waiting: str
    approved: str
    serving: str
    verified: str
    bare: str


WORDS = {
    "ja": Words(
        title="渡し船の時刻表",
        text="The ferry to Oboro leaves the north pier at seven. Dogs travel free on the upper deck.",
        questions="When does the ferry to Oboro leave? | at seven\nWhere do dogs travel? | on the upper deck",
        reason="試行のため",
        evaluated="評価済み",
        waiting="決裁してください",
        approved="承認済み",
        serving="配信中",
        verified="すべて記録どおりです",
        bare="ベースモデルのみ",
    ),
    "en": Words(
        title="Tea prices",
        text="A pound of smoked tea costs forty yen at the harbour. The harbour master pays on Fridays.",
        questions="What does a pound of smoked tea cost? | forty yen",
        reason="For the pilot",
        evaluated="Evaluated",
        waiting="Your decision is needed",
        approved="Approved",
        serving="Serving",
        verified="Everything is as it was recorded",
        bare="Bare base",
    ),
}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Started once: the core takes a while to load its base."""
    with running_product(tmp_path_factory.mktemp("product")) as running:
        yield running


@pytest.fixture(scope="module")
def pages(product: Product, browser: Browser) -> Iterator[Mapping[str, Page]]:
    """Everybody before their own browser, signed in."""
    with ExitStack() as stack:
        found = {}
        for role in PEOPLE:
            found[role] = stack.enter_context(at_desk(browser, product.address, "ja")).new_page()
            sign_in(found[role], f"{role}@ringi.example", product.passwords[role])
        yield found


class Office:
    """People who read one language, and what they do."""

    def __init__(self, product: Product, pages: Mapping[str, Page], words: Words) -> None:
        self.product, self.pages, self.words = product, pages, words

    def speak(self, language: str) -> None:
        """By the buttons at the top of every page."""
        for page in self.pages.values():
            page.goto("/slots/")
            page.locator(f".languages button[lang={language}]").click()
            expect(page.locator("html")).to_have_attribute("lang", language)

    def serving(self) -> str | None:
        """What the slot serves; None where it serves the bare base, or there is no slot yet."""
        page = self.pages["auditor"]
        page.goto(f"/slots/{SLOT}/")
        digest = page.locator("section.card-key code.digest")
        return digest.first.get_attribute("title") if digest.count() else None

    def approve(self) -> str:
        """From a text to an approved adapter; answers its digest. What is missing for that is made on the way."""
        self.submit_context()
        digest = self.generate()
        self.set_policy()
        self.create_slot()
        self.evaluate()
        self.request_approval()
        self.decide("reviewer")
        self.decide("manager")
        page = self.pages["engineer"]
        page.goto(f"/adapters/{digest}/")
        expect(page.locator("main .page-head .chip")).to_have_text(self.words.approved)
        return digest

    def set_policy(self) -> None:
        """The admin: a reviewer checks, a manager decides; no threshold that a first generator might miss."""
        page = self.pages["admin"]
        page.goto("/policies/")
        if page.locator(f"a[href='/policies/{POLICY}/']").count():
            return
        page.goto("/policies/add")
        page.locator("#id_name").fill(POLICY)
        for number, role in ((1, "reviewer"), (2, "manager")):
            page.locator(f"#id_stage_{number}").fill(role)
            page.locator(f"#id_role_{number}").select_option(role)
            page.locator(f"#id_needed_{number}").fill("1")
        page.locator("input[name=required_suites][value=context]").check()
        page.locator("#id_cool_down_hours").fill("0")
        self._prove("admin")
        page.locator("main form.card .actions button").first.click()
        expect(page.locator("h1")).to_contain_text(POLICY)

    def submit_context(self) -> None:
        page = self.pages["engineer"]
        page.goto("/contexts/new")
        page.locator("#id_title").fill(self.words.title)
        page.locator("#id_text").fill(self.words.text)
        page.locator("#id_questions").fill(self.words.questions)
        page.locator("main form.card .actions button").first.click()
        expect(page.locator("h1")).to_have_text(self.words.title)

    def generate(self) -> str:
        """Ends when the page shows, by itself, what the worker made; answers the digest."""
        page = self.pages["engineer"]
        page.locator("form[action$='/generate'] button").click()
        page.locator("#adapters table tbody tr a").first.click()
        page.wait_for_url("**/adapters/*/")
        return page.url.rstrip("/").rpartition("/")[2]

    def evaluate(self) -> None:
        page = self.pages["engineer"]
        page.locator("#next form[action$='/evaluate'] button").click()  # and the page sees the end by itself
        expect(page.locator("main .page-head .chip")).to_have_text(self.words.evaluated)

    def request_approval(self) -> str:
        """Answers the address of the request."""
        page = self.pages["engineer"]
        form = page.locator("form[action$='/request']")
        form.locator("[name=slot]").select_option(SLOT)
        form.locator("[name=comment]").fill(self.words.reason)
        form.locator("button").click()
        page.wait_for_url("**/requests/*/")
        return page.url

    def decide(self, role: str) -> None:
        """From the inbox to a signature that was confirmed with the password."""
        page = self.pages[role]
        page.goto("/")
        waiting = page.locator("section[aria-labelledby=waiting-title] tbody tr", has_text=self.words.waiting)
        expect(waiting).to_have_count(1)
        waiting.locator("th a").click()
        page.locator(".decision-bar a.button").click()
        page.locator("#decision-approve").check()
        page.locator("#decision .decision-bar button").click()
        self._prove(role)
        page.locator(".decision-bar button").click()
        page.wait_for_url("**/requests/*/")
        expect(page.locator("main .messages")).to_be_visible()

    def create_slot(self) -> None:
        page = self.pages["admin"]
        page.goto("/slots/")
        if page.locator(f"a[href='/slots/{SLOT}/']").count():
            return
        page.goto("/slots/new/")
        page.locator("#id_title").fill("窓口 / Desk")
        page.locator("#id_name").fill(SLOT)
        page.locator("#id_base").select_option(index=0)
        page.locator("#id_policy").select_option(POLICY)
        page.locator("main form.card .actions button").first.click()
        page.wait_for_url(f"**/slots/{SLOT}/")

    def deploy(self, digest: str) -> None:
        page = self.pages["admin"]
        page.goto(f"/slots/{SLOT}/deploy/?adapter={digest}")
        self._place(page)

    def roll_back(self) -> None:
        """One click and its reason, on the slot's own page."""
        page = self.pages["admin"]
        page.goto(f"/slots/{SLOT}/")
        page.locator("#rollback-reason").fill(self.words.reason)
        page.locator("form[action$='/rollback/'] button").click()
        self._arrived(page)

    def kill(self) -> None:
        page = self.pages["admin"]
        page.goto(f"/slots/{SLOT}/kill/")
        self._place(page)

    def issue_token(self) -> str:
        """For a program that asks the gateway."""
        page = self.pages["admin"]
        page.goto("/tokens/issue")
        page.locator("#id_name").fill(self.words.reason)
        page.locator("input[name=scopes][value=infer]").check()
        page.locator("main form.card .actions button").first.click()
        return page.locator("section[aria-labelledby=secret] code").inner_text()

    def try_out(self, digest: str) -> None:
        """Without the gateway: a person asks on the playground, with the script that renews the page in place."""
        page = self.pages["manager"]
        page.goto(f"/playground/?ask={digest}")
        page.locator(".examples button").first.click()
        expect(page.locator("#answers-title")).to_be_visible()
        expect(page.locator(".answers > div .banner")).to_have_count(0)
        expect(page.locator(".answers > div")).to_have_count(2)

    def verify(self) -> None:
        page = self.pages["auditor"]
        page.goto("/audit/verify")
        for box in page.locator("form[action$='/audit/verify'] input[type=checkbox]").all():
            box.check()  # files and engines too
        page.locator("form[action$='/audit/verify'] button").click()
        expect(page.locator(".banner-success h2")).to_have_text(self.words.verified)

    def serves(self, digest: str | None) -> None:
        """What the slot's page says to the auditor, who only reads."""
        page = self.pages["auditor"]
        page.goto(f"/slots/{SLOT}/")
        card = page.locator("section.card-key")
        expect(card.locator(".chip").first).to_have_text(self.words.serving if digest else self.words.bare)
        if digest:
            expect(card).to_contain_text(digest[:12])

    def _place(self, page: Page) -> None:
        page.locator("#id_reason").fill(self.words.reason)
        page.locator(".decision-bar button").click()
        self._arrived(page)

    def _arrived(self, page: Page) -> None:
        """The page of the deployment renews itself until the worker has read back what is served."""
        page.wait_for_url("**/deployments/*/")
        expect(page.locator("#deployment[hx-get]")).to_have_count(0)
        expect(page.locator("#deployment .banner-error")).to_have_count(0)

    def _prove(self, role: str) -> None:
        self.pages[role].locator("#id_proof").fill(self.product.passwords[role])


def asked(product: Product, token: str, question: str) -> tuple[str, str]:
    """What the gateway answers: the adapter that it names, and the text."""
    answer = httpx.post(
        f"{product.address}/v1/chat/completions",
        headers={"authorization": f"Bearer {token}"},
        json={
            "model": SLOT,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": 12,
            "temperature": 0,
        },
        timeout=PATIENCE / 1000,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return answer.headers["x-ringi-adapter"], answer.json()["choices"][0]["message"]["content"]


def whole_way(office: Office) -> None:
    """From a text to an adapter that serves, and back to what served before."""
    before = office.serving()
    digest = office.approve()
    office.deploy(digest)
    office.serves(digest)
    token, question = office.issue_token(), office.words.questions.partition(" | ")[0]
    named, said = asked(office.product, token, question)
    assert named == digest
    assert said
    office.try_out(digest)
    if before is None:  # back to the bare base, and from there to the adapter again
        office.kill()
        office.serves(None)
        assert asked(office.product, token, question)[0] == "base"
    office.roll_back()
    office.serves(before or digest)
    restored = asked(office.product, token, question)
    assert restored[0] == (before or digest)
    assert before or restored == (named, said)
    office.verify()


@pytest.mark.parametrize("language", ["ja", "en"])
def test_four_people_bring_a_text_to_an_answer_and_back(
    product: Product, pages: Mapping[str, Page], language: str
) -> None:
    office = Office(product, pages, WORDS[language])
    try:
        office.speak(language)
        whole_way(office)
    except (AssertionError, Error) as error:
        error.add_note(said_by(product.folder))
        raise
