"""The gate for pipelines: what it checks, and what it says by its exit status."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.factories.installations import Place
from tests.unit.governance.services.test_deploying import approved

pytestmark = pytest.mark.django_db


def checks(capsys: pytest.CaptureFixture[str], digest: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        call_command("gate", adapter=digest, slot="support", json=True)
    assert ended.value.code == 1
    return {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def test_an_approval_is_in_force_until_its_time_has_come(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    digest = approved(place)

    place.clock.forward(days=89)
    assert checks(capsys, digest)["approval in force"]["passed"]

    place.clock.forward(days=2)
    expired = checks(capsys, digest)
    assert not expired["approval in force"]["passed"]
    assert expired["approved for the slot"]["passed"], "it was approved, and that stays true"


def test_what_there_is_not_is_no_verdict() -> None:
    with pytest.raises(CommandError) as refused:
        call_command("gate", adapter="0" * 64, slot="support")
    assert refused.value.returncode == 2
