"""A comparison of what a worker really measured over a tiny base."""

import csv
import io

import pytest
from django.conf import settings
from django.test import Client

from adapters_core.ledger import adapter_queries
from governance.services.erase_context import erase_context
from governance.worker.workplace import Workplace
from tests.cast import AKIRA, HANAKO, sign_up
from tests.factories.installations import Place
from tests.factories.works import TEA, evaluated, generated

pytestmark = pytest.mark.django_db


def test_an_adapter_is_set_against_the_baselines_of_its_evaluation(place: Place, at: Workplace) -> None:
    address = f"/compare/{evaluated(place, at)}...prompt...none"
    client = Client()
    client.force_login(sign_up(AKIRA), backend="allauth.account.auth_backends.AuthenticationBackend")
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"

    page = client.get(address)

    assert page.status_code == 200
    assert "cannot be read" not in page.text
    assert "When does the ferry leave?" in page.text
    assert "too few questions for a test" in page.text
    costs = client.get(f"{address}/comparison.csv", {"part": "costs"}).content.decode("utf-8-sig")
    rows = {row["Candidate"][:1]: row for row in csv.DictReader(io.StringIO(costs))}
    assert all(float(row["Seconds for an answer"]) > 0 for row in rows.values())
    assert float(rows["A"]["Seconds to make"]) > 0
    assert int(rows["B"]["Tokens with every question"]) > 0
    for chart in ("scores", "norms", "break-even"):
        assert client.get(f"{address}/{chart}.svg").status_code == 200


def test_what_another_adapter_answered_is_shown_until_its_context_is_erased(place: Place, at: Workplace) -> None:
    other = generated(place, at, TEA)
    address = f"/compare/{evaluated(place, at)}...wrong"
    client = Client()
    client.force_login(sign_up(AKIRA), backend="allauth.account.auth_backends.AuthenticationBackend")
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    gone = "Its answer was erased, or is not kept."
    assert gone not in client.get(address).text
    with place.ledger.read() as db:
        (context,) = adapter_queries.contexts_of_adapter(db, other)

    erase_context(place.actor(HANAKO), context=context, legal_basis="APPI 35")

    page = client.get(address)
    assert page.status_code == 200
    assert page.text.count(gone) == 2, "one for each question"
    assert "When does the ferry leave?" in page.text
