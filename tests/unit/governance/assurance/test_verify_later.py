"""A ledger that takes long to verify: a job, with its progress and its result, by page and API."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client, override_settings

from adapters_core.ledger import job_queries
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.jobs import lease_job, renew_job
from adapters_core.service.client import CoreClient
from governance.engines.registry import Engines
from governance.installation import installation
from governance.worker.working import ON_THE_LEDGER, work_once
from governance.worker.workplace import Workplace
from tests.cast import AKIRA, NAOKO, SHIN
from tests.factories.installations import Place
from tests.factories.worlds import caller
from tests.unit.governance.conftest import SignIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]


@pytest.fixture(autouse=True)
def _nothing_at_once() -> Iterator[None]:
    with override_settings(VERIFY_AT_ONCE=0):
        yield


@pytest.fixture
def naoko(browser_of: SignIn) -> Client:
    client = browser_of(NAOKO)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


def at(place: Place) -> Workplace:
    """A worker's tools; nothing here calls the core."""
    return Workplace(
        name="w-1",
        ledger=place.ledger,
        master=installation().master_key,
        core=CoreClient("http://127.0.0.1:9"),
        engines=Engines({}, {}),
        mlflow_url=f"sqlite:///{place.folder / 'mlflow.sqlite3'}",
    )


def jobs(place: Place) -> tuple[Job, ...]:
    with place.ledger.read() as db:
        return job_queries.find_jobs(db, kinds=("verify",))


def test_the_page_follows_the_job_and_shows_what_it_found(place: Place, naoko: Client) -> None:
    asked = naoko.post("/audit/verify", {"full": "on", "artifacts": "on"})
    (job,) = jobs(place)
    assert (asked.status_code, asked["location"]) == (302, f"/audit/verify/{job.job}")
    waiting = naoko.get(asked["location"])
    assert "A worker verifies the ledger" in waiting.text
    assert "every 2s" in waiting.text

    assert work_once(at(place), ON_THE_LEDGER)
    page = naoko.get(asked["location"])

    assert "Everything is as it was recorded" in page.text
    assert "every 2s" not in page.text
    outcome = page.context["outcome"]
    assert outcome.report.levels == ("V0", "V1", "guards", "indexes", "V3")
    assert outcome.report.size == page.context["stands"].size
    assert page.context["stands"].verified == outcome.report.checkpoint
    assert "Verify the ledger" in naoko.get(f"/jobs/{job.job}/").text


def test_findings_of_a_job_are_shown_as_those_of_a_page(place: Place, naoko: Client) -> None:
    address = naoko.post("/audit/verify", {"serving": "on"})["location"]
    work_once(at(place), ON_THE_LEDGER)

    page = naoko.get(address)

    assert [(found.level, found.what) for found in page.context["outcome"].report.findings] == [("V4", "slot support")]
    assert "A slot does not serve what the ledger says" in page.text
    assert page.context["stands"].verified == 0


def test_the_same_question_is_one_job_while_it_is_under_way(place: Place, naoko: Client, browser_of: SignIn) -> None:
    first = naoko.post("/audit/verify", {"full": "on"})["location"]
    assert browser_of(AKIRA).post("/audit/verify", {"full": "on"})["location"] == first
    assert naoko.post("/audit/verify", {"full": "on", "artifacts": "on"})["location"] != first
    for _ in jobs(place):
        work_once(at(place), ON_THE_LEDGER)

    assert naoko.post("/audit/verify", {"full": "on"})["location"] != first
    assert len(jobs(place)) == 3


def test_progress_is_shown(place: Place, naoko: Client) -> None:
    address = naoko.post("/audit/verify", {"full": "on"})["location"]
    with place.ledger.write() as tx:
        leased = lease_job(tx, worker="w-2", kinds=ON_THE_LEDGER, seconds=60)
        assert leased
        renew_job(tx, leased, seconds=60, progress={"stage": "verify", "done": 1, "total": 4})

    page = naoko.get(address).text

    assert 'value="0.25"' in page
    assert "going through the entries" in page


def test_who_may_not_read_has_nothing_verified(place: Place, browser_of: SignIn) -> None:
    assert browser_of(SHIN).post("/audit/verify", {"full": "on"}).status_code == 403
    assert jobs(place) == ()


def test_another_job_is_no_verification(naoko: Client) -> None:
    assert naoko.get("/audit/verify/nothing").status_code == 404


def test_a_program_is_given_the_job(place: Place) -> None:
    program = caller(place, "read")
    answer = program.post("ledger/verifications", {"full": True})
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    work_once(at(place), ON_THE_LEDGER)

    job = program.get(f"jobs/{answer.json()['job']}").json()

    assert (job["state"], job["kind"]) == ("done", "verify")
    assert (job["result"]["ok"], job["result"]["findings"]) == (True, [])
    assert program.get("ledger").json()["verified"] == job["result"]["checkpoint"]
