"""Requests that are no requests: each is answered with a problem that names what is wrong, and changes nothing."""

import base64
import json
from typing import Any

import pytest
from django.test import Client

from adapters_core.ledger import queries
from governance.api.routes import api
from governance.policy.actors import SCOPES
from tests.factories.worlds import Caller, caller
from tests.unit.governance.api.conftest import Filled
from tests.unit.governance.api.test_scopes import OPERATIONS, Operation


def texts(one: Operation) -> list[str]:
    """The fields of an operation's body that hold text."""
    described = api.get_openapi_schema(path_prefix="")
    body = described["paths"][f"/{one.path}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    fields = described["components"]["schemas"][body["$ref"].rpartition("/")[2]]["properties"]
    return [name for name, stated in fields.items() if "string" in {stated.get("type"), *_types(stated)}]


def _types(stated: dict[str, Any]) -> list[str]:
    return [one["type"] for one in stated.get("anyOf", ())]


pytestmark = pytest.mark.django_db
WITH_BODY = [one for one in OPERATIONS if one.body is not None]
NAMED = [one for one in OPERATIONS if "{" in one.path]
each = pytest.mark.parametrize("one", WITH_BODY, ids=lambda one: one.path)


@pytest.fixture(scope="module")
def program(filled: Filled) -> Caller:
    return caller(filled.place, *SCOPES)


def send(filled: Filled, program: Caller, path: str, data: bytes, kind: str = "application/json", **more: str) -> Any:
    headers = {"authorization": f"Bearer {program.secret}", **more}
    return Client().generic("POST", filled.world.address(f"/api/v1/{path}"), data, content_type=kind, headers=headers)


def problem_of(answer: Any) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    stated: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "code", "detail"} <= set(stated)
    assert stated["status"] == answer.status_code
    return stated


@each
@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"[" * 100_00,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=["cut", "not UTF-8", "NaN", "Infinity", "deep", "long number"],
)
def test_a_body_that_is_no_json_is_malformed(filled: Filled, program: Caller, one: Operation, data: bytes) -> None:
    answer = send(filled, program, one.path, data)

    assert answer.status_code == 400
    assert problem_of(answer)["code"] == "malformed"


@each
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_a_body_of_another_kind_is_refused(filled: Filled, program: Caller, one: Operation, kind: str) -> None:
    answer = send(filled, program, one.path, json.dumps(one.body).encode(), kind)

    assert answer.status_code == 415
    assert "application/json" in problem_of(answer)["detail"]


@each
def test_an_unknown_field_is_refused_rather_than_overlooked(filled: Filled, program: Caller, one: Operation) -> None:
    answer = send(filled, program, one.path, json.dumps({**one.body, "surprise": 1}).encode())

    assert answer.status_code == 422
    assert any(error["field"].endswith("surprise") for error in problem_of(answer)["errors"])


@pytest.mark.parametrize("one", [one for one in WITH_BODY if texts(one)], ids=lambda one: one.path)
@pytest.mark.parametrize("bad", ["a\0b", "\ud800", 7, {}, []], ids=["NUL", "surrogate", "number", "object", "list"])
def test_what_no_field_of_text_takes_is_refused_in_each(
    filled: Filled, program: Caller, one: Operation, bad: object
) -> None:
    with filled.place.ledger.read() as db:
        before = queries.size(db)
    for name in texts(one):
        answer = send(filled, program, one.path, json.dumps({**one.body, name: bad}).encode())

        assert answer.status_code == 422, name
        assert any(f".{name}" in error["field"] for error in problem_of(answer)["errors"])
    with filled.place.ledger.read() as db:
        assert queries.size(db) == before


@each
def test_a_body_that_is_too_large_is_not_read(filled: Filled, program: Caller, one: Operation) -> None:
    answer = send(filled, program, one.path, b'{"name": "' + b"a" * 13 * 2**20 + b'"}')

    assert answer.status_code == 413
    assert problem_of(answer)["code"] == "too_large"


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("one", NAMED, ids=lambda one: f"{one.method} {one.path}")
@pytest.mark.parametrize("name", ["%00", "a%00b", "%ED%A0%80", "-", "a" * 500, "%E6%97%85", "a%27%3B--", "<b>"])
def test_an_id_that_is_none_is_refused(program: Caller, one: Operation, name: str) -> None:
    address = "/api/v1/" + one.path.replace("{verb}", "approve")
    for known in ("{identifier}", "{digest}", "{name}", "{person}", "{seq}", "{candidates}", "{message}"):
        address = address.replace(known, name)

    answer = program.call(one.method, address, one.body)

    assert answer.status_code in {404, 422}
    problem_of(answer)


@pytest.mark.parametrize(
    "one", [one for one in NAMED if one.method == "GET"], ids=lambda one: f"{one.method} {one.path}"
)
def test_an_id_that_nobody_has_is_not_found(program: Caller, one: Operation) -> None:
    address = "/api/v1/" + one.path
    for known in ("{identifier}", "{digest}", "{name}", "{person}"):
        address = address.replace(known, "0" * 36)
    address = (
        address.replace("{seq}", "9999").replace("{message}", "9999").replace("{candidates}", f"{'0' * 64}...none")
    )
    query = "?time=2026-11-20T00:00:00Z" if one.path.endswith("/at") else ""

    answer = program.call(one.method, address + query)

    assert answer.status_code == 404
    assert problem_of(answer)["code"] == "unknown_subject"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=99999999999999999999",
        "limit=x",
        "before=-1",
        "before=99999999999999999999999",
        "actor=%00",
        "actor=%27",
        "since=yesterday",
        "event=%00",
        "about=slot",
        "about=galaxy",
        "kind=galaxy",
    ],
)
def test_a_query_that_is_none_is_refused(program: Caller, query: str) -> None:
    for path in ("entries", "entries.jsonl"):
        if path == "entries.jsonl" and query.startswith(("limit", "before")):
            continue
        answer = program.get(f"{path}?{query}")

        assert answer.status_code == 422
        assert problem_of(answer)["errors"]


@pytest.mark.parametrize("after", ["x", "WzFd", "WyIiLCIiXQ", "W251bGwsICJhIl0", "WzFlOTk5LCAiYSJd", "%00", "é"])
def test_a_place_that_no_page_gave_is_refused(program: Caller, after: str) -> None:
    assert program.get(f"adapters?after={after}").status_code == 422


def test_a_place_beyond_every_number_is_refused(program: Caller) -> None:
    token = base64.urlsafe_b64encode(json.dumps([10**30, "a"]).encode()).decode().rstrip("=")

    assert program.get(f"adapters?after={token}").status_code == 422


def test_a_query_without_end_is_malformed(program: Caller) -> None:
    answer = program.get("entries?" + "&".join(f"a{place}=1" for place in range(600)))

    assert answer.status_code == 400
    problem_of(answer)


def test_a_body_of_unknown_length_is_refused(program: Caller) -> None:
    answer = Client().generic(
        "POST",
        "/api/v1/contexts",
        headers={"authorization": f"Bearer {program.secret}", "transfer-encoding": "chunked"},
    )

    assert answer.status_code == 411


@pytest.mark.parametrize("path", ["nowhere", "adapters/", "adapters/a/b/c", "openapi.yaml", "contexts/%2e%2e/x"])
def test_an_address_that_leads_nowhere_says_so_in_json(program: Caller, path: str) -> None:
    answer = program.get(path)

    assert answer.status_code == 404
    problem_of(answer)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["adapters", "entries/0", "slots/support"])
def test_a_method_that_is_not_taken_is_named(program: Caller, method: str, path: str) -> None:
    answer = program.call(method, path)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"
    problem_of(answer)


def test_what_nobody_foresaw_is_a_problem_that_tells_nothing(
    program: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("governance.api.slots.slot_queries.slots", fail)
    answer = Client(raise_request_exception=False).get(
        "/api/v1/slots", headers={"authorization": f"Bearer {program.secret}"}
    )

    assert answer.status_code == 500
    assert "secret" not in problem_of(answer)["detail"]
    assert "a secret" in caplog.text
