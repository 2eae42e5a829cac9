"""Incidents: what stays open after an emergency, who reviews it, and what is overdue."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from adapters_core.errors import DeniedError, IllegalTransitionError, InputError, UnknownSubjectError
from adapters_core.ledger import people_queries, queries
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.signing import DECISION_TYPE, opened
from governance.services.break_glass import break_glass
from governance.services.close_incident import close_incident
from tests.cast import AKIRA, HANAKO, MISAKI, NAOKO, PASSWORD, SHIN, YUKI, Member
from tests.factories.adapters import evaluated
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.services.test_approving import denials

pytestmark = pytest.mark.django_db
FOUND = "旧規程の回答が続いたため、緊急の切替えは妥当だったと確認した。"
GIVEN = {"verdict": "justified", "found": FOUND, "measures": "規程の改正時に事前申請する"}


@pytest.fixture(autouse=True)
def _today(place: Place) -> None:
    cache.clear()
    place.clock.now = datetime.now(UTC)


@pytest.fixture
def incident(place: Place) -> str:
    """Of an administrator who has broken the glass."""
    reason = "法改正により旧規程の回答を直ちに止める必要がある"
    break_glass(place.actor(MISAKI), slot="support", adapter=evaluated(place), seen=None, reason=reason)
    with place.ledger.read() as db:
        return people_queries.subjects(db, "incident")[0].id


def history(place: Place, incident: str) -> tuple[Entry, ...]:
    with place.ledger.read() as db:
        return queries.history(db, Subject(kind="incident", id=incident))


def state(place: Place, incident: str) -> str | None:
    with place.ledger.read() as db:
        return people_queries.state_of(db, Subject(kind="incident", id=incident))


def english(client: Client) -> Client:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


def send(place: Place, client: Client, incident: str, **more: Any) -> Any:
    place.clock.now = max(place.clock.now, datetime.now(UTC) + timedelta(seconds=5))
    return client.post(f"/incidents/{incident}/", {**GIVEN, "proof": PASSWORD, **more})


def test_a_reviewer_closes_it_signed_with_what_was_found(place: Place, incident: str) -> None:
    entry = close_incident(place.actor(YUKI), incident=incident, verdict="justified", found=FOUND)

    assert state(place, incident) == "closed"
    signed = opened(entry.data["signature"], [place.ledger.signer.public], DECISION_TYPE)  # type: ignore[union-attr]
    assert signed["signed_by"]["id"] == YUKI.id
    assert signed["raised_by_entry"] == history(place, incident)[0].leaf_hash
    assert signed["comment"] == entry.data["comment"] == FOUND


@pytest.mark.parametrize(
    ("member", "reason"),
    [(MISAKI, "own_incident"), (HANAKO, "role_missing"), (NAOKO, "role_forbids"), (SHIN, "role_missing")],
)
def test_nobody_else_closes_it(place: Place, incident: str, member: Member, reason: str) -> None:
    with pytest.raises(DeniedError) as refused:
        close_incident(place.actor(member), incident=incident, verdict="justified", found=FOUND)

    assert refused.value.reason_code == reason
    assert denials(place) == [("close_incident", reason)]
    assert state(place, incident) == "open"


def test_it_is_closed_once(place: Place, incident: str) -> None:
    close_incident(place.actor(YUKI), incident=incident, verdict="justified", found=FOUND)

    with pytest.raises((DeniedError, IllegalTransitionError)):
        close_incident(place.actor(AKIRA), incident=incident, verdict="not_justified", found=FOUND)
    assert [entry.event for entry in history(place, incident)] == ["incident:raised", "incident:closed", "denied"]


@pytest.mark.parametrize("given", [{"verdict": "fine"}, {"found": "問題なし"}])
def test_too_little_closes_nothing(place: Place, incident: str, given: dict[str, str]) -> None:
    with pytest.raises(InputError):
        close_incident(place.actor(YUKI), incident=incident, **{"verdict": "justified", "found": FOUND, **given})
    assert state(place, incident) == "open"


def test_what_was_never_raised_is_not_closed(place: Place) -> None:
    with pytest.raises(UnknownSubjectError):
        close_incident(place.actor(YUKI), incident="nothing", verdict="justified", found=FOUND)


@pytest.mark.parametrize("member", [HANAKO, YUKI, AKIRA, MISAKI, NAOKO])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_role_reads_the_pages(browser_of: SignIn, incident: str, member: Member, language: str) -> None:
    client = browser_of(member)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language

    for address in ("/incidents/", f"/incidents/{incident}/"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert f'<html lang="{language}">' in answer.text


def test_without_a_role_nothing_is_read(browser_of: SignIn, incident: str) -> None:
    assert browser_of(SHIN).get("/incidents/").status_code == 403
    assert browser_of(SHIN).get(f"/incidents/{incident}/").status_code == 403


def test_an_empty_list_says_what_would_be_there(browser_of: SignIn) -> None:
    assert "It stays open until a second person" in english(browser_of(YUKI)).get("/incidents/").text


def test_the_reviewer_signs_on_the_page(place: Place, browser_of: SignIn, incident: str) -> None:
    client = english(browser_of(YUKI))
    assert "Sign and close the incident" in client.get(f"/incidents/{incident}/").text

    assert send(place, client, incident).status_code == 302

    page = client.get(f"/incidents/{incident}/").text
    assert FOUND in page
    assert "Justified" in page
    assert "Sign and close the incident" not in page


def test_who_broke_the_glass_finds_the_reason_in_place_of_the_form(browser_of: SignIn, incident: str) -> None:
    page = english(browser_of(MISAKI)).get(f"/incidents/{incident}/").text

    assert "somebody else must review it" in page
    assert "Sign and close the incident" not in page


@pytest.mark.parametrize("proof", ["", "wrong"])
def test_without_a_proof_nothing_is_closed_and_the_attempt_recorded(
    place: Place, browser_of: SignIn, incident: str, proof: str
) -> None:
    assert send(place, browser_of(YUKI), incident, proof=proof).status_code == 403

    assert denials(place) == [("close_incident", "confirm_identity")]
    assert state(place, incident) == "open"


def test_a_forbidden_post_is_recorded_before_the_form_is_looked_at(
    place: Place, browser_of: SignIn, incident: str
) -> None:
    assert browser_of(HANAKO).post(f"/incidents/{incident}/", {}).status_code == 403
    assert denials(place) == [("close_incident", "role_missing")]


def test_what_there_is_not_is_not_found(browser_of: SignIn) -> None:
    client = browser_of(YUKI)

    assert client.get("/incidents/nothing/").status_code == 404
    assert client.post("/incidents/nothing/", GIVEN).status_code == 404


@pytest.mark.usefixtures("incident")
@pytest.mark.parametrize("member", [YUKI, AKIRA, MISAKI, NAOKO])
def test_the_inbox_shows_it_and_says_when_it_is_overdue(place: Place, browser_of: SignIn, member: Member) -> None:
    client = english(browser_of(member))
    assert "Open incidents" in client.get("/").text
    assert "Overdue" not in client.get("/").text

    place.clock.forward(days=3, minutes=1)

    assert "Overdue" in client.get("/").text
    assert "Overdue" in client.get("/incidents/").text


@pytest.mark.usefixtures("incident")
def test_the_inbox_of_an_engineer_is_for_their_own_work(browser_of: SignIn) -> None:
    assert "Open incidents" not in english(browser_of(HANAKO)).get("/").text


def test_the_deployment_leads_to_its_incident(place: Place, browser_of: SignIn, incident: str) -> None:
    deployment = next(one.id for one in history(place, incident)[0].refs if one.kind == "deployment")

    assert f"/incidents/{incident}/" in browser_of(YUKI).get(f"/deployments/{deployment}/").text
