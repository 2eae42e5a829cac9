"""The playground: who may ask, what is offered, and what it says where no core answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client

from governance.engines.registry import Engines
from tests.cast import AKIRA, HANAKO, MISAKI, NAOKO, SHIN, YUKI, Member
from tests.factories.adapters import generate, submit
from tests.factories.evaluations import measure
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.services.test_approving import denials
from tests.unit.governance.services.test_deploying import approved, serve

pytestmark = pytest.mark.django_db
ADDRESS = "/playground/"
QUESTION = "日当はいくらですか。"
NOBODY = "http://127.0.0.1:9"
"""An address at which nobody listens."""


@pytest.fixture(autouse=True)
def _no_core(place: Place) -> Iterator[None]:  # noqa: ARG001  the installation must be there
    config: Any = apps.get_app_config("governance")
    engines = Engines({"core": f"vllm+{NOBODY}"}, {})
    config.installation.__dict__["engines"] = engines
    yield
    engines.close()


def measured(place: Place, name: str = "旅費アダプタ") -> str:
    """An adapter whose evaluation asked two questions."""
    adapter = generate(place, context=submit(place), name=name)
    said = {"none": ["わかりません。"], "adapter": ["三千円です。"]}
    measure(place, adapter, {"none": [3.0], "adapter": [1.0]}, said=said, questions=[QUESTION])
    return adapter


def in_english(client: Client) -> Client:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


@pytest.mark.parametrize("member", [HANAKO, YUKI, AKIRA, MISAKI, NAOKO])
def test_every_role_sees_who_can_be_asked(place: Place, browser_of: SignIn, member: Member) -> None:
    measured(place)
    page = browser_of(member).get(ADDRESS)

    assert page.status_code == 200
    assert "旅費アダプタ" in page.text
    assert QUESTION in page.text
    assert ("<fieldset disabled>" in page.text) is (member is NAOKO)


def test_without_a_role_nothing_is_read(browser_of: SignIn) -> None:
    assert browser_of(SHIN).get(ADDRESS).status_code == 403
    assert browser_of(SHIN).post(ADDRESS, {"question": QUESTION}).status_code == 403


def test_an_auditor_who_asks_is_refused_and_that_is_recorded(place: Place, browser_of: SignIn) -> None:
    adapter = measured(place)

    for chosen in ([adapter], []):
        answer = browser_of(NAOKO).post(ADDRESS, {"question": QUESTION, "ask": chosen})
        assert answer.status_code == 403
    assert denials(place) == [("try_out", "role_forbids")] * 2


def test_a_retired_adapter_is_not_offered_and_not_asked(place: Place, browser_of: SignIn) -> None:
    from governance.services.retire import retire

    adapter = measured(place)
    retire(place.actor(HANAKO), adapter=adapter, reason="Old")
    hanako = browser_of(HANAKO)

    assert adapter not in hanako.get(ADDRESS).text
    assert hanako.post(ADDRESS, {"question": QUESTION, "ask": [adapter]}).status_code == 403
    assert denials(place) == [("try_out", "adapter_state")]


def test_without_a_core_the_page_says_so_beside_each_of_them(place: Place, browser_of: SignIn) -> None:
    adapter = measured(place)
    hanako = browser_of(HANAKO)

    page = hanako.post(ADDRESS, {"question": QUESTION, "ask": [adapter]})
    english = in_english(hanako).post(ADDRESS, {"question": QUESTION, "ask": [adapter]})

    assert page.status_code == english.status_code == 200
    assert page.text.count("コアが動作していないか、接続できません") == 2
    assert english.text.count("The core is not running, or cannot be reached") == 2
    assert "三千円" in english.text  # the right answer, which the evaluation knows


def test_nothing_of_a_question_is_kept(place: Place, browser_of: SignIn) -> None:
    adapter = measured(place)
    with place.ledger.read() as db:
        before = db.connection.exec_driver_sql("SELECT count(*) FROM entries").scalar_one()
    page = browser_of(HANAKO).post(ADDRESS, {"question": "秘密の質問です", "ask": [adapter]})

    with place.ledger.read() as db:
        after = db.connection.exec_driver_sql("SELECT count(*) FROM entries").scalar_one()
    assert after == before
    assert "no-store" in page["Cache-Control"]
    assert not [path for path in place.folder.rglob("*") if path.is_file() and "秘密".encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"question": ""}, "This field is required."),
        ({"question": "x" * 1001}, "at most 1000 characters"),
        ({"ask": []}, "Choose at least one adapter."),
    ],
)
def test_what_cannot_be_asked_is_said_beside_the_field(
    place: Place, browser_of: SignIn, given: dict[str, Any], said: str
) -> None:
    adapter = measured(place)
    answer = in_english(browser_of(HANAKO)).post(ADDRESS, {"question": QUESTION, "ask": [adapter], **given})

    assert answer.status_code == 422
    assert said in answer.text
    assert "cannot be reached" not in answer.text


def test_no_more_than_three_are_asked_at_once(place: Place, browser_of: SignIn) -> None:
    adapters = [measured(place, f"第{number}版") for number in range(4)]
    answer = in_english(browser_of(HANAKO)).post(ADDRESS, {"question": QUESTION, "ask": adapters})

    assert answer.status_code == 422
    assert "Choose at most three adapters." in answer.text


def test_what_serves_in_slots_is_proposed(place: Place, browser_of: SignIn) -> None:
    adapter = approved(place)
    serve(place, adapter)
    yuki = browser_of(YUKI)

    assert 'value="slot:support" checked' in yuki.get(ADDRESS).text
    linked = yuki.get(ADDRESS, {"ask": adapter}).text
    assert 'value="slot:support" checked' in linked
    assert f'value="{adapter}"' not in linked
    assert yuki.post(ADDRESS, {"question": QUESTION, "ask": [adapter]}).status_code == 200


def test_a_link_chooses_an_adapter(place: Place, browser_of: SignIn) -> None:
    adapter = measured(place)
    hanako = browser_of(HANAKO)

    assert f'value="{adapter}" checked' in hanako.get(ADDRESS, {"ask": adapter}).text
    assert f'value="{adapter}" checked' not in hanako.get(ADDRESS).text
    assert hanako.get(ADDRESS, {"ask": "0" * 64}).status_code == 404
    assert f"{ADDRESS}?ask={adapter}" in hanako.get(f"/adapters/{adapter}/").text


def test_searching_keeps_the_question_and_what_was_chosen(place: Place, browser_of: SignIn) -> None:
    first, second = measured(place, "第一版"), measured(place, "別の文書")
    given = {"do": "search", "q": "別の", "question": "途中まで", "ask": [first]}
    page = browser_of(HANAKO).post(ADDRESS, given).text

    assert f'value="{first}" checked' in page
    assert second in page
    assert "途中まで</textarea>" in page


def test_without_adapters_the_page_says_how_they_come_to_be(browser_of: SignIn) -> None:
    assert "まだ質問できるアダプタがありません" in browser_of(HANAKO).get(ADDRESS).text


def test_questions_of_an_erased_document_are_not_offered(place: Place, browser_of: SignIn) -> None:
    from adapters_core.ledger import adapter_queries
    from governance.services.erase_context import erase_context

    adapter = measured(place)
    with place.ledger.read() as db:
        context = adapter_queries.contexts_of_adapter(db, adapter)[0]
    erase_context(place.actor(MISAKI), context=context, legal_basis="Withdrawn")

    assert QUESTION not in browser_of(HANAKO).get(ADDRESS).text
