"""The documentation of the API is true: its examples are operations, its table names them all with their scopes."""

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import resolve

from governance.api.routes import TAKES
from governance.policy.actions import SCOPES_FOR, Action
from governance.policy.reasons import REASONS
from governance.services.submit_context import MAX_BYTES
from tests.cast import MISAKI, PASSWORD, sign_up
from tests.factories.worlds import Caller, World, caller
from tests.unit.governance.api.conftest import Filled
from tests.unit.governance.api.test_scopes import OPERATIONS

pytestmark = pytest.mark.django_db
TEXT = Path("docs/api.md").read_text(encoding="utf-8")
CALLS = re.findall(r'^    (curl (?:[^\n]|\n {6,})*?"\$RINGI(/[^"]+)")', TEXT, re.MULTILINE)
SCOPES = {"never": set[str](), "people": set[str](), "`generate` or `evaluate`": {"generate", "evaluate"}}


def filled_in(address: str, world: World) -> str:
    for name, value in (("CONTEXT", world.context), ("JOB", world.job), ("ADAPTER", world.served)):
        address = address.replace(f"${name}", value)
    return address.replace("$OTHER", world.waiting)


def test_there_are_examples_of_reading_and_of_writing() -> None:
    assert len(CALLS) >= 12
    assert any(" -d " in call for call, _address in CALLS)
    assert any(" -F " in call for call, _address in CALLS)


@pytest.mark.parametrize(("call", "address"), CALLS, ids=[address for _call, address in CALLS])
def test_each_example_works_as_it_is_written(filled: Filled, call: str, address: str) -> None:
    program = caller(filled.place, "read", "generate", "evaluate")
    address = filled_in(address, filled.world)
    address = address.replace("second=200", "second=20").replace("first=100", "first=10")

    assert resolve(address.partition("?")[0]).url_name != "nowhere"
    assert run(program, call, address, filled.world).status_code in {200, 201, 202}


def run(program: Caller, call: str, address: str, world: World) -> Any:
    if user := re.search(r"--user (\S+)", call):
        sign_up(MISAKI)
        headers = {"authorization": f"Basic {b64encode(f'{user[1]}:{PASSWORD}'.encode()).decode()}"}
        if body := re.search(r"-d '(.*?)' ", call, re.DOTALL):
            stated = filled_in(body[1], world)
            return Client().post(address, stated, content_type="application/json", headers=headers)
        return Client().get(address, headers=headers)
    if " -F " in call:
        given = dict(re.findall(r'-F (\w+)="?([^@"\s][^"]*?)"? ', call))
        file = SimpleUploadedFile(re.findall(r"file=@(\S+)", call)[0], b"The daily allowance is 3,000 yen.")
        return program.upload(address.removeprefix("/api/v1/"), {**given, "file": file})
    if "$(jq" in call:
        envelope = program.get("ledger/checkpoint").json()["envelope"]
        return program.post(address, {"anchors": [envelope]})
    if body := re.search(r"-d '(.*?)' ", call, re.DOTALL):
        return program.post(address, json.loads(body[1]))
    return program.get(address)


def test_the_table_names_every_operation_with_its_scopes() -> None:
    rows = re.findall(r"^\| `(GET|POST) /([^`]*)` \| (.*) \|$", TEXT, re.MULTILINE)
    stated = [(method, path, SCOPES.get(scopes, {scopes.strip("`")})) for method, path, scopes in rows]

    assert stated == [(one.method, one.path, one.scopes) for one in OPERATIONS]


def test_the_table_of_acts_names_every_act_and_where_a_token_performs_it() -> None:
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| [^|]* \| (.*) \|$", TEXT, re.MULTILINE)
    acts = {Action(name.strip("`")): where for names, where in rows for name in names.split(", ")}

    assert set(acts) == set(Action)
    assert {act for act, where in acts.items() if "`" in where} == set(SCOPES_FOR)


def test_the_limits_are_those_of_the_addresses() -> None:
    assert TAKES["contexts"].most == 12 * 2**20
    assert TAKES["contexts/file"].most == MAX_BYTES + 2**19
    assert "contexts 12 MiB, files 2.5 MiB" in TEXT


def test_every_code_and_status_that_is_documented_is_one_of_ours() -> None:
    named = re.search(r"`reason` names the rule \((.*?), \.\.\.\)", TEXT)

    assert named
    assert {code.strip("`") for code in named[1].split(", ")} <= set(REASONS)
