"""The description of the API: complete, without names that mean two things, and open to whoever writes a client."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from pydantic import BaseModel

from governance.api.fields import Given, Record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]


@pytest.fixture
def described() -> dict[str, Any]:
    found: dict[str, Any] = Client().get("/api/v1/openapi.json").json()
    return found


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for operations in described["paths"].values():
        yield from operations.items()


def kinds(parent: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_it_is_openapi_3_1_and_says_where_it_is(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    assert Client().get("/api/v1/").json()["openapi"] == "/api/v1/openapi.json"


PEOPLE = {"read_slot", "deploy_adapter", "roll_back_slot", "kill_slot", "read_deployment"}
"""Operations that people may call with their password."""


def test_every_operation_says_what_it_does_and_who_may_call_it(described: dict[str, Any]) -> None:
    for _method, operation in operations(described):
        assert operation["description"].endswith(".")
        people: list[dict[str, list[str]]] = [{"PersonBasic": []}] if operation["operationId"] in PEOPLE else []
        assert operation["security"] == [{"TokenBearer": []}, *people]
        assert operation["tags"]


def test_every_answer_has_a_schema_and_every_failure_is_a_problem(described: dict[str, Any]) -> None:
    for _method, operation in operations(described):
        assert {"400", "401", "403", "503"} <= set(operation["responses"])
        for status, answer in operation["responses"].items():
            (kind, content), *others = answer["content"].items()
            assert not others
            assert "schema" in content
            assert (kind == "application/problem+json") is (status >= "400")


def test_clients_are_generated_from_names_that_occur_once(described: dict[str, Any]) -> None:
    names = Counter(operation["operationId"] for _method, operation in operations(described))

    assert set(names.values()) == {1}


def test_no_name_of_a_schema_means_two_things() -> None:
    names = Counter(kind.__name__ for parent in (Given, Record) for kind in kinds(parent))

    assert [name for name, count in names.items() if count > 1] == []


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            yield from (value for name, value in part.items() if name == "$ref")
            for value in part.values():
                yield from references(value)
        elif isinstance(part, list):
            for value in part:
                yield from references(value)

    known = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert set(references(described)) <= known


def test_bodies_take_no_unknown_fields(described: dict[str, Any]) -> None:
    for _method, operation in operations(described):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            if name:
                assert described["components"]["schemas"][name]["additionalProperties"] is False
