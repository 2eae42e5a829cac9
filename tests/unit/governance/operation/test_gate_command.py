"""The gate for pipelines: what it checks, and what it says by its exit status."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from governance.services.approve_with_conditions import approve_with_conditions
from governance.services.deploy import deploy
from tests.cast import MISAKI, YUKI
from tests.factories.adapters import evaluate, generate
from tests.factories.installations import Place
from tests.unit.governance.services.test_approving import ask, signature
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


def test_the_gate_and_a_deployment_rest_on_the_gates_that_were_signed(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = generate(place, norm_total=100.0)
    evaluate(place, digest, recovery=-0.1)
    request = ask(place, digest)
    by = signature(place, request)
    approve_with_conditions(place.actor(YUKI), request=request, signature=by, conditions="試行に限る")
    for name in "abcde":
        approved(place, name=name)  # among these it stands out, and that is no judgement on it

    found = checks(capsys, digest)

    assert found["回収率 / Recovery"] == {
        "name": "回収率 / Recovery",
        "passed": True,
        "detail": "-0.1, passed over under conditions",
    }
    assert found["norm_outlier"] == {"name": "norm_outlier", "passed": True, "detail": "None"}
    assert [name for name, check in found.items() if not check["passed"]] == ["canary", "files and tensors"]
    deployed = deploy(place.actor(MISAKI), slot="support", adapter=digest, seen=None, reason="公開")
    assert deployed.data["request"] == request


def test_what_there_is_not_is_no_verdict() -> None:
    with pytest.raises(CommandError) as refused:
        call_command("gate", adapter="0" * 64, slot="support")
    assert refused.value.returncode == 2
