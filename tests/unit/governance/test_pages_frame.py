"""What holds for every page: headers, language, time zone, and errors that say what to do."""

import json

import pytest
from django.conf import settings as configured
from django.test import Client
from pytest_django import Settings

from tests.cast import HANAKO
from tests.unit.governance.conftest import SignIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]


@pytest.fixture
def hanako(browser_of: SignIn) -> Client:
    return browser_of(HANAKO)


def test_no_page_may_run_what_stands_in_it() -> None:
    policy = Client().get("/accounts/login/").headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_a_page_is_japanese_until_english_is_chosen(hanako: Client) -> None:
    english_browser = {"accept-language": "en-US"}
    assert '<html lang="ja">' in hanako.get("/", headers=english_browser).text

    back = hanako.post("/language", {"language": "en", "next": "/?x=1"})

    assert back.headers["Location"] == "/?x=1"
    assert '<html lang="en">' in hanako.get("/").text


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_choosing_a_language_never_leads_to_another_site(target: str) -> None:
    answer = Client().post("/language", {"language": "en", "next": target})

    assert answer.headers["Location"] == "/"


def test_a_language_that_there_is_not_changes_nothing() -> None:
    client = Client()
    client.post("/language", {"language": "xx"})

    assert configured.LANGUAGE_COOKIE_NAME not in client.cookies


def test_a_time_zone_is_kept_when_there_is_one(hanako: Client) -> None:
    hanako.post("/time-zone", {"time_zone": "Nowhere/City"})
    assert '<option value="Asia/Tokyo" selected>' in hanako.get("/").text

    hanako.post("/time-zone", {"time_zone": "Europe/Berlin"})
    assert '<option value="Europe/Berlin" selected>' in hanako.get("/").text


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_preferences_change_by_post_only(method: str) -> None:
    assert getattr(Client(), method)("/language").status_code == 405


def test_pages_of_signed_in_people_are_kept_by_nobody(hanako: Client) -> None:
    assert "no-store" in hanako.get("/").headers["Cache-Control"]


@pytest.mark.parametrize(("language", "title"), [("ja", "このページはありません"), ("en", "There is no such page")])
def test_an_unknown_address_is_answered_in_the_persons_language(hanako: Client, language: str, title: str) -> None:
    hanako.cookies[configured.LANGUAGE_COOKIE_NAME] = language

    answer = hanako.get("/nowhere")

    assert answer.status_code == 404
    assert title in answer.text


@pytest.mark.parametrize("debug", [True, False])
def test_no_page_for_developers_is_shown_to_anybody(hanako: Client, settings: Settings, *, debug: bool) -> None:
    settings.DEBUG = debug

    page = hanako.get("/nowhere").text

    assert "このページはありません" in page
    assert "URLconf" not in page


def test_a_forgotten_slash_is_added() -> None:
    assert Client().get("/accounts/login").headers["Location"] == "/accounts/login/"


def test_a_form_without_its_token_is_refused_with_what_to_do(hanako: Client) -> None:
    hanako.handler.enforce_csrf_checks = True
    hanako.cookies[configured.LANGUAGE_COOKIE_NAME] = "en"

    answer = hanako.post("/time-zone", {"time_zone": "UTC"})

    assert answer.status_code == 403
    assert "This form has expired" in answer.text


def test_health_is_told_without_signing_in() -> None:
    answer = Client().get("/healthz")

    assert answer.status_code == 200
    assert json.loads(answer.text)["status"] == "ok"


def test_the_first_stop_for_the_keyboard_is_the_content(hanako: Client) -> None:
    page = hanako.get("/").text

    assert page.index('class="skip" href="#main"') < page.index("<header")
