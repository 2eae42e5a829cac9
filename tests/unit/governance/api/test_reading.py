"""What programs read of adapters, requests, slots and policies, and comparisons beside the page that shows the same."""

from datetime import datetime, timedelta

import pytest
from django.test import Client

from adapters_core.ledger import outbox
from governance.api.administration import PolicyIn
from governance.installation import installation
from governance.policy.repairs import KINDS
from governance.selectors.candidates import parse_keys
from governance.selectors.comparison_sheets import sheet
from governance.selectors.comparison_tables import scores
from governance.services.delegate import delegate
from tests.cast import KENJI, YUKI
from tests.factories.worlds import QUESTIONS, Caller, caller
from tests.unit.governance.api.conftest import Filled

pytestmark = pytest.mark.django_db
QUARTER = timedelta(days=90)


@pytest.fixture(scope="module")
def reader(filled: Filled) -> Caller:
    return caller(filled.place, "read")


def test_an_adapter_is_answered_with_what_was_measured(filled: Filled, reader: Caller) -> None:
    said = reader.get(f"adapters/{filled.world.served}").json()

    assert (said["state"], said["serving"], said["contexts"]) == ("deployed", 1, [filled.world.context])
    assert said["norms"]["model.layers.0.self_attn.q_proj"]["frobenius"] == 0.5
    assert said["measured"][0]["scores"]["adapter"]["nll"]["n"] == 8
    assert reader.get(f"adapters/{filled.world.served}/deployments").json()["rows"][0]["kind"] == "deploy"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sort=oldest", ["第1版", "第2版"]),
        ("sort=name", ["第1版", "第2版"]),
        ("serving=true", ["第1版"]),
        ("state=requested", ["第2版"]),
        ("q=第2", ["第2版"]),
        ("base=none", []),
    ],
)
def test_adapters_are_filtered_and_sorted(reader: Caller, query: str, names: list[str]) -> None:
    assert [row["name"] for row in reader.get(f"adapters?{query}").json()["rows"]] == names


@pytest.mark.parametrize("sort", ["newest", "oldest", "recent", "name", "recovery", "norm"])
def test_pages_of_adapters_meet_whatever_the_sort(filled: Filled, reader: Caller, sort: str) -> None:
    first = reader.get(f"adapters?sort={sort}&limit=1").json()
    second = reader.get(f"adapters?sort={sort}&limit=1&after={first['next']}").json()

    found = {row["digest"] for row in (*first["rows"], *second["rows"])}
    assert found == {filled.world.served, filled.world.waiting}
    assert second["next"] is None


def test_a_place_of_another_sort_is_refused(reader: Caller) -> None:
    following = reader.get("adapters?sort=name&limit=1").json()["next"]

    answer = reader.get(f"adapters?sort=newest&after={following}")

    assert answer.status_code == 422
    assert "same sort" in answer.json()["detail"]


def test_a_request_is_answered_with_its_signatures(filled: Filled, reader: Caller) -> None:
    said = reader.get(f"requests/{filled.world.decided}").json()

    assert said["state"] == "approved"
    assert [(one["name"], one["meaning"], one["holds"]) for one in said["signed"]] == [(YUKI.name, "approved", True)]
    assert datetime.fromisoformat(said["approved_until"]) - datetime.fromisoformat(said["last_time"]) == QUARTER
    assert reader.get(f"requests/{filled.world.request}").json()["signed"] == []
    assert reader.get(f"requests/{filled.world.request}").json()["approved_until"] is None
    assert [row["request"] for row in reader.get("requests?state=requested").json()["rows"]] == [filled.world.request]


def test_what_served_when_is_answered_with_who_approved_it(filled: Filled, reader: Caller) -> None:
    began = reader.get(f"deployments/{filled.world.deployment}").json()["finished_time"]

    before = reader.get("slots/support/at?time=2026-11-01T09:00:00%2B09:00").json()
    after = reader.get(f"slots/support/at?time={began}").json()

    assert (before["existed"], before["adapter"], before["signed"]) == (True, None, [])
    assert (after["adapter"], after["request"]) == (filled.world.served, filled.world.decided)
    assert [one["name"] for one in after["signed"]] == [YUKI.name]
    assert len(after["evaluations"]) == 1


@pytest.mark.parametrize(
    "time",
    [
        "",
        "2026-11-20",
        "2026-11-20T00:00:00",
        "1763596800",
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59-14:00",
        "2200-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
    ],
)
def test_a_moment_needs_a_time_zone_and_must_have_passed(reader: Caller, time: str) -> None:
    assert reader.get(f"slots/support/at?time={time}").status_code == 422


def test_a_slot_and_its_history_are_answered(filled: Filled, reader: Caller) -> None:
    assert reader.get("slots/support").json()["adapter"] == filled.world.served
    history = reader.get("slots/support/deployments").json()
    assert [row["deployment"] for row in history["rows"]] == [filled.world.deployment]
    assert reader.get(f"deployments/{filled.world.deployment}").json()["end"]["engine"] == "core"


def test_policies_are_answered_with_their_versions(reader: Caller) -> None:
    assert [row["name"] for row in reader.get("policies").json()["rows"]] == ["standard", "strict"]
    said = reader.get("policies/strict?version=1").json()
    assert [stage["needed"] for stage in said["stages"]] == [2, 1]
    assert said["latest"] is True
    assert said["repairs"] == ["lost", "unknown", "aliases"]
    assert reader.get("policies/strict?version=2").status_code == 404


@pytest.mark.parametrize(("given", "repairs"), [({}, list(KINDS)), ({"repairs": ["lost"]}, ["lost"])])
def test_a_policy_over_the_api_lets_the_system_repair_all_that_is_not_taken_out(
    given: dict[str, object], repairs: list[str]
) -> None:
    body = {"stages": [{"name": "審査", "role": "reviewer"}], "expires_days": 30, "cool_down_hours": 24, **given}

    assert PolicyIn.model_validate(body).repairs == repairs


def test_people_are_answered_with_their_roles_and_without_their_addresses(reader: Caller) -> None:
    answer = reader.get("people")

    roles = {row["name"]: [one["role"] for one in row["held"]] for row in answer.json()["rows"]}
    assert roles[YUKI.name] == ["reviewer"]
    assert "@" not in answer.text


def test_the_log_of_deliveries_is_answered(filled: Filled, reader: Caller) -> None:
    with filled.place.ledger.write() as tx:
        outbox.send(tx, topic="webhook", key="logged", payload={"secret": "words"})
        (leased,) = outbox.lease_messages(tx, worker="w", topics=("webhook",), limit=100)[-1:]
        outbox.failed(tx, leased, error="the other side is down")

    answer = reader.get("messages?topic=webhook&state=pending&limit=1")

    (row,) = answer.json()["rows"]
    assert (row["message"], row["attempts"], row["error"]) == (leased.message, 1, "the other side is down")
    assert "words" not in answer.text
    (attempt,) = reader.get(f"messages/{leased.message}/attempts").json()["rows"]
    assert (attempt["delivered"], attempt["detail"]) == (False, "the other side is down")
    assert reader.get("messages/9999999/attempts").status_code == 404


def test_incidents_delegations_and_tokens_are_answered(filled: Filled, reader: Caller) -> None:
    until = filled.place.clock.now + timedelta(days=3)
    lent = delegate(filled.place.actor(YUKI), to=KENJI.id, until=until, reason="Away")

    (delegation,) = reader.get("delegations").json()["rows"]
    assert (delegation["id"], delegation["deputy"], delegation["over"]) == (lent, KENJI.id, False)
    listed = reader.get("incidents").json()["rows"]
    assert [(row["id"], row["overdue"], row["closed"]) for row in listed] == [("i-1", False, None)]
    assert reader.get("incidents/i-1").json()["raised"]["data"]["detail"] == "Found"
    assert reader.get("incidents/none").status_code == 404
    tokens = reader.get("tokens").json()["rows"]
    assert {"read"} in [set(row["scopes"]) for row in tokens]
    assert all("secret" not in row for row in tokens)


def test_a_comparison_is_that_of_the_page(filled: Filled, reader: Caller) -> None:
    world = filled.world
    address = f"{world.served}...{world.waiting}...prompt...none"

    said = reader.get(f"compare/{address}").json()

    with filled.place.ledger.read() as db:
        shown = sheet(db, installation().master_key, parse_keys(address))
    flat = [score["value"] for row in said["scores"] for score in row["scores"]]
    assert flat == [row[3] for row in scores(shown).rows]
    assert [one["key"] for one in said["candidates"]] == [world.served, world.waiting, "prompt", "none"]
    assert (said["recommendation"]["take"], said["recommendation"]["code"]) == (world.waiting, "best")
    assert [row["asked"] for row in said["answers"] if row["suite"] == "context"][:2] == QUESTIONS
    assert said["scores"][0]["scores"][0]["verdict"] is None
    assert said["costs"][0]["cost"]["kept_bytes"] == reader.get(f"adapters/{world.served}").json()["bytes"]


def test_a_comparison_speaks_the_language_that_is_asked_for(filled: Filled, reader: Caller) -> None:
    address = f"compare/{filled.world.served}...none"

    english = reader.get(address).json()["recommendation"]["sentence"]
    japanese = reader.get(address, **{"accept-language": "ja"}).json()["recommendation"]["sentence"]

    assert english.isascii() or "版" in english
    assert english != japanese


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ("prompt", 422),
        ("prompt...none", 422),
        ("none...none...prompt", 422),
        ("0123456789abcdef...none", 404),
        ("0123...none", 404),
        ("a...b", 422),
        ("...".join(["none"] * 7), 422),
    ],
)
def test_a_comparison_of_nothing_is_refused(reader: Caller, keys: str, status: int) -> None:
    assert reader.get(f"compare/{keys}").status_code == status


def test_a_browser_that_is_signed_in_has_no_way_in_without_a_token(filled: Filled) -> None:
    assert Client().get(f"/api/v1/adapters/{filled.world.served}").status_code == 401
