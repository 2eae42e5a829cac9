"""The playground over a tiny base: the core answers for slots, for adapters that nobody deployed, and for the base."""

from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client

from governance.services.deploy import deploy
from governance.worker.workplace import Workplace
from tests.cast import HANAKO, MISAKI, sign_up
from tests.factories.cores import RunningCore
from tests.factories.installations import Place
from tests.factories.works import SLOT, TEA, approved, carry_out, evaluated

pytestmark = pytest.mark.django_db
QUESTION = "When does the ferry leave?"


@pytest.fixture
def hanako(at: Workplace) -> Client:
    config: Any = apps.get_app_config("governance")
    config.installation.__dict__["engines"] = at.engines
    client = Client()
    client.force_login(sign_up(HANAKO), backend="allauth.account.auth_backends.AuthenticationBackend")
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


def test_base_slot_and_adapter_answer_side_by_side(
    place: Place, at: Workplace, core: RunningCore, hanako: Client
) -> None:
    tried, served = evaluated(place, at, TEA), approved(place, at)
    deploy(place.actor(MISAKI), slot=SLOT, adapter=served, seen=None, reason="Go")
    carry_out(at)
    loaded = [one.name for one in at.engines["core"].residents()]

    given = {"example": QUESTION, "ask": [f"slot:{SLOT}", tried]}
    page = hanako.post("/playground/", given)

    assert page.status_code == 200
    said = [column.said for column in page.context["columns"]]
    assert [one.trouble for one in said] == ["", "", ""]
    assert all(one.seconds > 0 and one.tokens for one in said)
    assert [one.target and one.target.row.digest for one in page.context["columns"]] == [None, served, tried]
    assert "Right answer: at seven" in page.text
    assert [one.name for one in at.engines["core"].residents()] == loaded

    core.stop()
    assert hanako.post("/playground/", given).text.count("cannot be reached") == 3
    core.start()
    at.engines["core"].unload(f"{SLOT}-{served[:16]}")
    without = hanako.post("/playground/", given)
    assert [column.said.trouble for column in without.context["columns"]] == ["", "not_resident", ""]
    assert "does not hold this adapter at the moment" in without.text
