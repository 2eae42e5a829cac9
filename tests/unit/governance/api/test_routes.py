"""The REST API: what tokens may read and start, and that everything else is refused and recorded."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from adapters_core.ledger import queries
from governance.services import references
from governance.services.issue_token import issue_token, revoke_token
from governance.services.request_approval import request_approval
from tests.cast import HANAKO, MISAKI
from tests.factories.adapters import evaluated, submit
from tests.factories.installations import Place

pytestmark = pytest.mark.django_db
READS = ["adapters", "contexts", "requests", "slots", "slots/support/deployments", "entries", "entries/0"]


def bearer(place: Place, *scopes: str, days: float = 1) -> dict[str, Any]:
    expires = place.clock.now + timedelta(days=days)
    issued = issue_token(place.actor(MISAKI), name="pipeline", scopes=frozenset(scopes), expires=expires)
    return {"authorization": f"Bearer {issued.secret}"}


@pytest.mark.parametrize("path", READS)
def test_a_token_with_the_scope_reads(place: Place, path: str) -> None:
    assert Client().get(f"/api/v1/{path}", headers=bearer(place, "read")).status_code == 200


@pytest.mark.parametrize("path", READS)
def test_a_token_without_the_scope_does_not(place: Place, path: str) -> None:
    answer = Client().get(f"/api/v1/{path}", headers=bearer(place, "infer"))

    assert answer.status_code == 403
    assert answer.json()["reason"] == "scope_missing"


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("path", READS)
def test_nobody_reads_without_a_token(path: str) -> None:
    answer = Client().get(f"/api/v1/{path}")

    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_token_ends_when_it_expires_or_is_revoked(place: Place) -> None:
    expires = place.clock.now + timedelta(days=1)
    issued = issue_token(place.actor(MISAKI), name="one", scopes=frozenset({"read"}), expires=expires)
    short = bearer(place, "read")
    revoke_token(place.actor(MISAKI), token=issued.id)
    assert Client().get("/api/v1/slots", headers={"authorization": f"Bearer {issued.secret}"}).status_code == 401
    place.clock.forward(days=2)

    assert Client().get("/api/v1/slots", headers=short).status_code == 401


def test_a_token_never_decides_and_the_attempt_is_recorded(place: Place) -> None:
    request = request_approval(
        place.actor(HANAKO), adapter=evaluated(place), slot="support", policy="standard", comment="please"
    )
    body = {"stage": 0, "bound_digest": "0" * 64}

    answer = Client().post(
        f"/api/v1/requests/{request}/approve",
        body,
        content_type="application/json",
        headers=bearer(place, "read", "generate", "evaluate"),
    )

    assert answer.status_code == 403
    assert answer.json()["reason"] == "token_never"
    with place.ledger.read() as reader:
        last = queries.history(reader, references.request(request))[-1]
    assert (last.event, last.actor.kind, last.data["reason_code"]) == ("denied", "service", "token_never")


def test_a_token_never_rolls_back(place: Place) -> None:
    answer = Client().post(
        "/api/v1/slots/support/rollback",
        {"reason": "broken"},
        content_type="application/json",
        headers=bearer(place, "read"),
    )

    assert answer.json()["reason"] == "token_never"


def test_generating_is_queued_once(place: Place) -> None:
    context, headers = submit(place), bearer(place, "generate")

    def post() -> Any:
        return Client().post(
            f"/api/v1/contexts/{context}/adapters", {}, content_type="application/json", headers=headers
        )

    first = post()

    assert first.status_code == 202
    assert post().json()["job"] == first.json()["job"]


@pytest.mark.parametrize(
    "path", ["adapters/none", "contexts/none", "requests/none", "jobs/none", "slots/x/deployments"]
)
def test_what_the_ledger_does_not_know_is_not_found(place: Place, path: str) -> None:
    assert Client().get(f"/api/v1/{path}", headers=bearer(place, "read")).status_code == 404


@pytest.mark.parametrize("path", ["adapters?limit=0", "adapters?sort=x", "entries/-1", "entries?before=x"])
def test_what_the_schema_forbids_is_named(place: Place, path: str) -> None:
    answer = Client().get(f"/api/v1/{path}", headers=bearer(place, "read"))

    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.usefixtures("place")
def test_the_description_is_openapi_3_1() -> None:
    described = Client().get("/api/v1/openapi.json").json()

    assert described["openapi"].startswith("3.1")
