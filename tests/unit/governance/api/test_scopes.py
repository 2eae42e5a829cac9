"""Every operation under every scope: what a token may, what it may not, and what it never may."""

from typing import Any, NamedTuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from adapters_core.ledger import queries
from governance.api.routes import api
from governance.policy.actors import SCOPES
from governance.services.issue_token import revoke_token
from tests.cast import MISAKI
from tests.factories.worlds import Caller, caller, token
from tests.unit.governance.api.conftest import Filled

pytestmark = pytest.mark.django_db
READ, GENERATE, EVALUATE, EITHER = {"read"}, {"generate"}, {"evaluate"}, {"generate", "evaluate"}
NEVER: set[str] = set()
DIGEST = "a" * 64
CONTEXT = {"title": "規程", "text": "出張は事前に申請する。"}
POLICY = {"stages": [{"name": "審査", "role": "reviewer"}], "expires_days": 30, "cool_down_hours": 24}


class Operation(NamedTuple):
    """One operation, with a body that its description allows."""

    method: str
    path: str
    body: Any
    scopes: set[str]
    """One of these is needed; without any, no token ever may."""


OPERATIONS = [
    Operation("GET", "contexts", None, READ),
    Operation("POST", "contexts", CONTEXT, GENERATE),
    Operation("POST", "contexts/file", None, GENERATE),
    Operation("GET", "contexts/{identifier}", None, READ),
    Operation("POST", "contexts/{identifier}/adapters", {}, GENERATE),
    Operation("GET", "jobs", None, READ),
    Operation("GET", "jobs/{identifier}", None, READ),
    Operation("POST", "jobs/{identifier}/retry", None, EITHER),
    Operation("POST", "jobs/{identifier}/cancel", None, EITHER),
    Operation("GET", "adapters", None, READ),
    Operation("GET", "adapters/{digest}", None, READ),
    Operation("GET", "adapters/{digest}/deployments", None, READ),
    Operation("POST", "adapters/{digest}/evaluations", {}, EVALUATE),
    Operation("POST", "adapters/{digest}/extensions", {"context": "{other}"}, GENERATE),
    Operation("POST", "adapters/{digest}/erasures", {"context": "{other}"}, GENERATE),
    Operation("GET", "requests", None, READ),
    Operation("GET", "requests/{identifier}", None, READ),
    Operation(
        "POST", "requests/{identifier}/{verb}", {"stage": 0, "bound_digest": DIGEST, "meaning": "approved"}, NEVER
    ),
    Operation("GET", "slots", None, READ),
    Operation("GET", "slots/{name}", None, READ),
    Operation("GET", "slots/{name}/deployments", None, READ),
    Operation("GET", "slots/{name}/at", None, READ),
    Operation("POST", "slots/{name}/deployments", {"adapter": DIGEST, "reason": "公開"}, NEVER),
    Operation("POST", "slots/{name}/rollback", {"reason": "不具合"}, NEVER),
    Operation("POST", "slots/{name}/kill", {"reason": "不具合"}, NEVER),
    Operation("GET", "deployments/{identifier}", None, READ),
    Operation("GET", "policies", None, READ),
    Operation("GET", "policies/{name}", None, READ),
    Operation("POST", "policies/{name}", POLICY, NEVER),
    Operation("GET", "people", None, READ),
    Operation("POST", "people/{person}/roles", {"role": "reviewer", "reason": "応援"}, NEVER),
    Operation("GET", "incidents", None, READ),
    Operation("GET", "incidents/{identifier}", None, READ),
    Operation("GET", "delegations", None, READ),
    Operation("GET", "tokens", None, READ),
    Operation("GET", "messages", None, READ),
    Operation("GET", "messages/{message}/attempts", None, READ),
    Operation("GET", "entries", None, READ),
    Operation("GET", "entries.jsonl", None, READ),
    Operation("GET", "entries/{seq}", None, READ),
    Operation("GET", "ledger", None, READ),
    Operation("POST", "ledger/verifications", {}, READ),
    Operation("GET", "ledger/checkpoint", None, READ),
    Operation("GET", "ledger/consistency", None, READ),
    Operation("GET", "compare/{candidates}", None, READ),
]
QUERIES = {"slots/{name}/at": "?time=2026-11-20T00:00:30Z", "ledger/consistency": "?first=3&second=20"}
each_operation = pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")


def ask(filled: Filled, program: Caller, one: Operation) -> Any:
    address = filled.world.address(f"/api/v1/{one.path}") + QUERIES.get(one.path, "")
    body = one.body
    if one.path == "contexts/file":
        return program.upload(one.path, {"title": "規程", "file": SimpleUploadedFile("a.txt", "出張".encode())})
    if body and body.get("context"):
        body = {**body, "context": filled.world.other}
    return program.call(one.method, address, body)


@pytest.fixture(scope="module")
def programs(filled: Filled) -> dict[str, Caller]:
    return {scope: caller(filled.place, scope) for scope in SCOPES}


def test_this_table_names_every_operation_of_the_description() -> None:
    described = {
        (method.upper(), path.removeprefix("/"))
        for path, operations in api.get_openapi_schema(path_prefix="")["paths"].items()
        for method in operations
    }

    assert described == {(one.method, one.path) for one in OPERATIONS}


@pytest.mark.parametrize("scope", SCOPES)
@each_operation
def test_an_operation_is_allowed_to_its_scope_and_to_no_other(
    filled: Filled, programs: dict[str, Caller], one: Operation, scope: str
) -> None:
    answer = ask(filled, programs[scope], one)

    if scope in one.scopes:
        # What stands in the way now is what the subject is, not who asks.
        assert answer.status_code in {200, 201, 202, 403, 422}
        if answer.status_code == 403:
            assert answer.json()["reason"] == "not_owner"
        if answer.status_code == 422:
            assert "one of several contexts" in answer.json()["detail"]
    else:
        assert answer.status_code == 403
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["reason"] == ("scope_missing" if one.scopes else "token_never")


@pytest.mark.parametrize("one", [one for one in OPERATIONS if not one.scopes], ids=lambda one: one.path)
def test_what_no_token_may_is_recorded_whatever_its_scopes(filled: Filled, one: Operation) -> None:
    program = caller(filled.place, *SCOPES)

    answer = ask(filled, program, one)

    assert (answer.status_code, answer.json()["reason"]) == (403, "token_never")
    with filled.place.ledger.read() as db:
        last = queries.find_entries(db, limit=1)[0]
    assert (last.event, last.actor.kind, last.data["reason_code"]) == ("denied", "service", "token_never")
    assert filled.world.address(f"/{one.path}").split("/")[2] == last.subject.id


def test_a_token_learns_nothing_by_trying_what_it_never_may(filled: Filled) -> None:
    answer = caller(filled.place, "read").post("slots/nowhere/kill", {"reason": "試す"})

    assert answer.json()["reason"] == "token_never"


@each_operation
def test_nobody_calls_without_a_token_that_is_in_force(filled: Filled, one: Operation) -> None:
    answer = ask(filled, Caller(secret="ringi_unknown"), one)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["code"] == "unauthorized"


def test_a_token_ends_when_it_is_revoked(filled: Filled) -> None:
    issued = token(filled.place, "read")
    program = Caller(secret=issued.secret)
    assert program.get("slots").status_code == 200

    revoke_token(filled.place.actor(MISAKI), token=issued.id)

    assert program.get("slots").status_code == 401


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic cmluZ2k6", "Bearer ringi_\xe9", "bearer\tx"])
def test_what_is_no_bearer_token_is_answered_as_such(header: str) -> None:
    answer = Client().get("/api/v1/slots", headers={"authorization": header})

    assert answer.status_code == 401


def test_a_token_expires(filled: Filled) -> None:
    program = caller(filled.place, "read", days=0.5)
    before = filled.place.clock.now
    filled.place.clock.forward(days=0.6)

    assert program.get("slots").status_code == 401
    filled.place.clock.now = before
