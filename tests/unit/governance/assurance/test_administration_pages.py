"""People, policies, tokens and jobs in the browser: who sees them, who changes them, what is refused and recorded."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from adapters_core.ledger import job_queries, outbox, people_queries, queries, token_digests
from adapters_core.ledger.append import append
from adapters_core.ledger.jobs import lease_job, renew_job
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Actor, Entry, Subject
from governance.services.generate import generate
from tests.cast import CAST, HANAKO, MISAKI, NAOKO, PASSWORD, SHIN, TARO, Member
from tests.factories.adapters import submit
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]
READERS = [member for member in CAST if member.roles]
PAGES = ["/people/", f"/people/{HANAKO.id}/", "/policies/", "/policies/standard/", "/policies/standard/1", "/jobs/"]
FORMS = ["/people/add", "/policies/add", "/policies/standard/change", "/tokens/issue"]
POSTS = {
    "/people/add": "create_person",
    f"/people/{SHIN.id}/grant": "grant_role",
    f"/people/{HANAKO.id}/revoke": "revoke_role",
    "/policies/standard/change": "set_policy",
    "/policies/add": "set_policy",
    "/tokens/issue": "issue_token",
    "/tokens/some-token/revoke": "revoke_token",
}
POLICY = {
    "name": "standard",
    "stage_1": "審査",
    "role_1": "reviewer",
    "needed_1": "2",
    "role_2": "reviewer",
    "needed_2": "1",
    "role_3": "reviewer",
    "needed_3": "1",
    "required_suites": ["context"],
    "recovery": "0.25",
    "expires_days": "10",
    "cool_down_hours": "48",
    "proof": PASSWORD,
}


@pytest.fixture(autouse=True)
def _real_time(place: Place) -> None:
    """Proofs of identity bear the time of the day."""
    cache.clear()
    place.clock.now = timezone.now()


@pytest.fixture
def misaki(browser_of: SignIn) -> Client:
    return english(browser_of(MISAKI))


def english(client: Client) -> Client:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


def latest(place: Place, *events: str) -> Entry:
    with place.ledger.read() as reader:
        return queries.find_entries(reader, EntryFilter(events=events), limit=1)[0]


def roles(place: Place, member: Member) -> list[str]:
    with place.ledger.read() as reader:
        return [row.role for row in people_queries.roles_of(reader, member.id)]


@pytest.mark.parametrize("member", READERS, ids=lambda member: member.roles[0])
def test_every_role_reads_what_is_not_secret(browser_of: SignIn, member: Member) -> None:
    client = browser_of(member)
    trusted = {"admin", "auditor"} & set(member.roles)

    assert [client.get(page).status_code for page in PAGES] == [200] * len(PAGES)
    assert client.get("/tokens/").status_code == (200 if trusted else 403)
    assert {client.get(page).status_code for page in FORMS} == {200 if "admin" in member.roles else 403}


@pytest.mark.parametrize("page", [*PAGES, *FORMS, "/tokens/"])
def test_nobody_reads_without_a_role(browser_of: SignIn, page: str) -> None:
    assert browser_of(SHIN).get(page).status_code == 403


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("page", [*PAGES, *FORMS, "/tokens/"])
def test_pages_speak_both_languages(browser_of: SignIn, page: str, language: str) -> None:
    client = browser_of(MISAKI)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language

    assert f'<html lang="{language}">' in client.get(page).text


@pytest.mark.parametrize("member", [HANAKO, NAOKO], ids=["engineer", "auditor"])
@pytest.mark.parametrize("address", sorted(POSTS))
def test_what_is_forbidden_is_refused_and_recorded(
    place: Place, browser_of: SignIn, member: Member, address: str
) -> None:
    assert browser_of(member).post(address, {"role": "admin"}).status_code == 403

    denied = latest(place, "denied")
    assert (denied.actor.id, denied.data["action"]) == (member.id, POSTS[address])


def test_a_role_is_granted_with_a_reason_and_a_fresh_proof(place: Place, misaki: Client) -> None:
    given = {"role": "reviewer", "reason": "moved to compliance", "proof": PASSWORD}

    assert misaki.post(f"/people/{SHIN.id}/grant", given).status_code == 302

    assert roles(place, SHIN) == ["reviewer"]
    assert latest(place, "role:granted").data == {"role": "reviewer", "reason": "moved to compliance"}
    page = misaki.get(f"/people/{SHIN.id}/").text
    assert "Cooling down" in page
    assert "moved to compliance" in page


@pytest.mark.parametrize("proof", ["", "wrong"])
def test_no_role_is_granted_without_a_proof(place: Place, misaki: Client, proof: str) -> None:
    answer = misaki.post(f"/people/{SHIN.id}/grant", {"role": "reviewer", "reason": "r", "proof": proof})

    assert answer.status_code == 400
    assert roles(place, SHIN) == []


def test_conflicting_roles_are_refused_on_the_page(place: Place, misaki: Client) -> None:
    answer = misaki.post(f"/people/{NAOKO.id}/grant", {"role": "engineer", "reason": "r", "proof": PASSWORD})

    assert answer.status_code == 403
    assert "may not be held together" in answer.text
    assert latest(place, "denied").data["reason_code"] == "role_conflict"


def test_a_role_is_revoked(place: Place, misaki: Client) -> None:
    given = {"revoke-role": "engineer", "revoke-reason": "left"}

    assert misaki.post(f"/people/{HANAKO.id}/revoke", given).status_code == 302

    assert roles(place, HANAKO) == []
    assert latest(place, "role:revoked").data["reason"] == "left"


def test_an_unknown_person_is_not_found(misaki: Client) -> None:
    assert misaki.get("/people/nobody/").status_code == 404


def test_a_new_person_signs_in_with_the_password_that_was_shown(misaki: Client) -> None:
    page = misaki.post("/people/add", {"name": "小川 光", "email": "hikari@ringi.example"})

    signed_in = Client().post(
        "/accounts/login/", {"login": "hikari@ringi.example", "password": page.context["password"]}
    )
    assert signed_in.status_code == 302
    assert page.context["password"] in page.text


def test_a_mail_address_is_given_once(misaki: Client) -> None:
    answer = misaki.post("/people/add", {"name": "x", "email": "misaki.watanabe@ringi.example"})

    assert answer.status_code == 400
    assert "field-errors" in answer.text


def test_a_new_version_of_a_policy_is_set(place: Place, misaki: Client) -> None:
    assert misaki.post("/policies/standard/change", POLICY).status_code == 302

    with place.ledger.read() as reader:
        data = people_queries.policy(reader, "standard").data
    assert (data["version"], data["expires_days"], data["stages"][0]["needed"]) == (2, 10, 2)
    assert [gate["threshold"] for gate in data["gates"]] == [0.25]
    assert data["passable"] == []
    assert "Superseded version" in misaki.get("/policies/standard/1").text
    assert misaki.get("/policies/standard/9").status_code == 404


def test_a_policy_says_which_thresholds_conditions_may_pass_over(place: Place, misaki: Client) -> None:
    form = misaki.get("/policies/standard/change").text
    assert re.findall(r'value="(\w+)" id="id_passable_\d"( checked)?', form) == [
        ("recovery", " checked"),
        ("retention", " checked"),
        ("norm_outlier", ""),
        ("personal_data", ""),
    ]
    usual = "An approval with conditions may pass over: Recovery of the document, Retention of other knowledge"
    assert usual in re.sub(r"\s+", " ", misaki.get("/policies/standard/").text)

    misaki.post("/policies/standard/change", {**POLICY, "passable": ["retention"]})

    with place.ledger.read() as reader:
        assert people_queries.policy(reader, "standard").data["passable"] == ["retention"]
    misaki.post("/policies/standard/change", POLICY)
    assert "No approval with conditions passes over any of them." in misaki.get("/policies/standard/").text


def test_a_policy_says_which_drifts_are_left_to_a_person(place: Place, misaki: Client) -> None:
    assert "Left to a person" not in misaki.get("/policies/standard/").text
    assert misaki.get("/policies/standard/change").text.count('name="repairs"') == 3

    assert misaki.post("/policies/standard/change", {**POLICY, "repairs": ["lost"]}).status_code == 302

    with place.ledger.read() as reader:
        assert people_queries.policy(reader, "standard").data["repairs"] == ["lost"]
    by_itself, left = misaki.get("/policies/standard/").text.split("Left to a person:")
    assert "Load again what a slot serves and its engine has lost" in by_itself
    assert "Unload from an engine what the ledger does not know" in left
    assert "Set the aliases of a slot in MLflow again" in left
    form = misaki.get("/policies/standard/change").text
    assert re.findall(r'value="(\w+)" id="id_repairs_\d"( checked)?', form) == [
        ("lost", " checked"),
        ("unknown", ""),
        ("aliases", ""),
    ]
    misaki.cookies[settings.LANGUAGE_COOKIE_NAME] = "ja"
    assert (
        "台帳にないアダプタをエンジンから取り外す"
        in misaki.get("/policies/standard/").text.split("担当者に任せること")[1]
    )


def test_a_policy_from_before_repairs_and_conditions_were_stated_reads_as_usual(place: Place, misaki: Client) -> None:
    with place.ledger.write() as tx:
        before = people_queries.policy(tx, "standard").data
        data = {**before, "version": 2}
        del data["repairs"], data["passable"]
        data |= {"personal_data": "reason", "stages": [{**stage, "of": None} for stage in data["stages"]]}
        actor = Actor(id="setup", name="setup", kind="system")
        append(tx, "policy:set", subject=Subject(kind="policy", id="standard"), actor=actor, data=data)

    page = misaki.get("/policies/standard/").text

    assert "Set the aliases of a slot in MLflow again" in page
    assert "Left to a person" not in page
    assert misaki.get("/policies/standard/change").text.count(" checked") == 6


@pytest.mark.parametrize(
    "wrong", [{"repairs": ["all"]}, {"stage_1": ""}, {"expires_days": "0"}, {"recovery": "much"}, {"proof": "wrong"}]
)
def test_a_policy_that_cannot_be_used_is_not_set(place: Place, misaki: Client, wrong: dict[str, Any]) -> None:
    assert misaki.post("/policies/standard/change", {**POLICY, **wrong}).status_code == 400

    with place.ledger.read() as reader:
        assert people_queries.policy(reader, "standard").data["version"] == 1


def test_a_secret_is_shown_once(place: Place, misaki: Client) -> None:
    page = misaki.post("/tokens/issue", {"name": "CI", "scopes": ["read", "generate"], "days": "7"})
    secret = page.context["token"].secret

    assert secret in page.text
    assert "no-store" in page.headers["Cache-Control"]
    assert secret not in misaki.get("/tokens/").text
    assert latest(place, "token:issued").data["scopes"] == ["generate", "read"]


def test_a_token_is_revoked_once(place: Place, misaki: Client) -> None:
    token = misaki.post("/tokens/issue", {"name": "CI", "scopes": ["read"], "days": "7"}).context["token"].id

    assert misaki.post(f"/tokens/{token}/revoke").status_code == 302
    assert misaki.post(f"/tokens/{token}/revoke").status_code == 403
    assert latest(place, "denied").data["reason_code"] == "token_revoked"


def test_a_token_without_a_scope_is_not_issued(misaki: Client) -> None:
    assert misaki.post("/tokens/issue", {"name": "CI", "days": "7"}).status_code == 400


@pytest.fixture
def job(place: Place) -> str:
    return generate(place.actor(HANAKO), context=submit(place, HANAKO)).job


def test_a_running_job_shows_how_far_it_is_and_asks_again(place: Place, browser_of: SignIn, job: str) -> None:
    with place.ledger.write() as tx:
        leased = lease_job(tx, worker="w-1", kinds=("generate",), seconds=60)
        assert leased is not None
        renew_job(tx, leased, seconds=60, progress={"stage": "generate", "done": 1, "total": 4})

    page = browser_of(NAOKO).get(f"/jobs/{job}/")

    assert page.context["view"].share == 0.25
    assert 'hx-trigger="every 2s"' in page.text
    assert f'href="/jobs/{job}/"' in page.text


def test_its_owner_cancels_a_job_and_tries_again(place: Place, browser_of: SignIn, job: str) -> None:
    hanako = browser_of(HANAKO)

    hanako.post(f"/jobs/{job}/cancel")
    with place.ledger.read() as reader:
        assert job_queries.job(reader, job).state == "cancelled"
    assert "hx-trigger" not in hanako.get(f"/jobs/{job}/").text
    hanako.post(f"/jobs/{job}/retry")
    with place.ledger.read() as reader:
        assert job_queries.job(reader, job).state == "queued"
        assert job_queries.job(reader, job).actor.id == HANAKO.id


def test_jobs_of_others_are_left_alone(place: Place, browser_of: SignIn, job: str) -> None:
    assert browser_of(TARO).post(f"/jobs/{job}/cancel").status_code == 403

    denied = latest(place, "denied")
    assert (denied.subject, denied.data["reason_code"]) == (Subject(kind="job", id=job), "not_owner")


def test_messages_that_wait_are_listed(misaki: Client) -> None:
    misaki.post(f"/people/{SHIN.id}/grant", {"role": "reviewer", "reason": "r", "proof": PASSWORD})

    assert [one.message.topic for one in misaki.get("/jobs/").context["waiting"]] == ["notice"]


def test_every_message_is_in_the_delivery_log_with_every_attempt(place: Place, misaki: Client) -> None:
    with place.ledger.write() as tx:
        for key in "ab":
            outbox.send(tx, topic="webhook", key=key, payload={"url": "https://a.example/hook"})
    for error in ("the webhook gave no answer", None):
        place.clock.forward(minutes=1)
        with place.ledger.write() as tx:
            message = outbox.lease_messages(tx, worker="w-1", topics=("webhook",), limit=1)[0]
            if error:
                outbox.failed(tx, message, error=error)
            else:
                outbox.delivered(tx, message, detail="status 200")

    page = misaki.get("/messages/")
    assert [one.message.key for one in page.context["rows"]] == ["b", "a"]
    for said in ("the webhook gave no answer", "status 200", "https://a.example/hook"):
        assert said in page.text
    of = {state: misaki.get(f"/messages/?state={state}").context["rows"] for state in ("delivered", "pending")}
    assert [one.message.key for rows in of.values() for one in rows] == ["a", "b"]
    assert misaki.get("/messages/?topic=notice").context["rows"] == ()
    assert 'href="/messages/"' in misaki.get("/jobs/").text


def test_the_delivery_log_goes_on_over_pages_without_a_gap(place: Place, misaki: Client) -> None:
    with place.ledger.write() as tx:
        for key in range(60):
            outbox.send(tx, topic="webhook", key=str(key), payload={})

    first = misaki.get("/messages/?topic=webhook")
    rest = misaki.get("/messages/" + first.context["next"])
    assert [int(one.message.key) for page in (first, rest) for one in page.context["rows"]] == [*range(60)][::-1]
    assert rest.context["next"] == ""


@pytest.mark.parametrize("asked", ["state=done", "state=nonsense", "before=nonsense"])
def test_the_list_of_jobs_takes_any_question(misaki: Client, asked: str) -> None:
    assert misaki.get(f"/jobs/?{asked}").status_code == 200


def test_an_unknown_job_is_not_found(misaki: Client) -> None:
    assert misaki.get("/jobs/nothing/").status_code == 404


def test_a_policy_takes_as_many_stages_as_are_asked_for(place: Place, misaki: Client) -> None:
    sent = {name: value for name, value in POLICY.items() if name != "proof"}
    for shown in (3, 4):
        page = misaki.post("/policies/standard/change", {**sent, "stages": shown, "add_stage": "1"})
        assert page.status_code == 200
        assert f'name="stage_{shown + 1}"' in page.text
        assert 'value="0.25"' in page.text
    assert latest(place, "policy:set").data["version"] == 1

    more = {f"stage_{n}": f"段階{n}" for n in (2, 3, 4, 5)}
    more |= {f"role_{n}": "manager" for n in (2, 3, 4, 5)} | {f"needed_{n}": "1" for n in (2, 3, 4, 5)}
    assert misaki.post("/policies/standard/change", {**POLICY, **more, "stages": "5"}).status_code == 302

    stages = latest(place, "policy:set").data["stages"]
    assert [stage["name"] for stage in stages] == ["審査", "段階2", "段階3", "段階4", "段階5"]
    again = misaki.get("/policies/standard/change").text
    assert "段階5" in again


@pytest.mark.parametrize("shown", ["0", "-1", "9999", "many", ""])
def test_a_number_of_stages_that_cannot_be_is_not_taken(misaki: Client, shown: str) -> None:
    page = misaki.post("/policies/standard/change", {**POLICY, "stages": shown, "add_stage": "1"})

    assert page.status_code == 200
    assert page.text.count('id="id_stage_') <= 20


def test_looking_at_what_is_for_others_is_not_said_to_be_recorded(place: Place, browser_of: SignIn) -> None:
    client = english(browser_of(HANAKO))

    assert "was recorded" not in client.get("/tokens/").text
    with place.ledger.read() as reader:
        assert queries.find_entries(reader, EntryFilter(events=("denied",)), limit=1) == ()
    assert "was recorded" in client.post("/tokens/issue", {"name": "CI"}).text
    assert latest(place, "denied").data["action"] == "issue_token"


def test_the_last_use_of_a_token_is_shown_without_an_entry_a_request(place: Place, misaki: Client) -> None:
    issued = misaki.post("/tokens/issue", {"name": "CI", "scopes": ["read"], "days": "7"}).context["token"]
    assert ">never<" in misaki.get("/tokens/").text
    bearer = {"authorization": f"Bearer {issued.secret}"}
    with place.ledger.read() as reader:
        size = queries.size(reader)

    def used() -> object:
        assert Client().get("/api/v1/slots", headers=bearer).status_code == 200
        with place.ledger.read() as reader:
            assert queries.size(reader) == size
            return token_digests.last_used(reader, issued.id)

    first = used()
    assert first is not None
    assert used() == first
    place.clock.forward(minutes=2)
    assert used() != first
    assert ">never<" not in misaki.get("/tokens/").text
