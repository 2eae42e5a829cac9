"""Pages about adapters: the list, the dossier, and what can be done from it."""

import json
import re
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils.html import escape

from adapters_core.ledger import job_queries, queries, request_queries, vault
from adapters_core.ledger.append import append
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Actor, Subject
from governance import artifacts
from governance.installation import installation
from governance.services.approve import approve
from governance.services.erase_context import erase_context
from tests.cast import AKIRA, CAST, HANAKO, MISAKI, NAOKO, SHIN, TARO, YUKI, Member
from tests.factories import adapters
from tests.factories.installations import BASE, Place
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.services.test_approving import ask, signature

pytestmark = pytest.mark.django_db


@pytest.fixture
def digest(place: Place) -> str:
    return adapters.evaluated(place)


@pytest.fixture
def hanako(browser_of: SignIn) -> Client:
    client = browser_of(HANAKO)
    client.cookies["ringi_language"] = "en"
    return client


def denials(place: Place) -> list[str]:
    with place.ledger.read() as db:
        return [entry.data["action"] for entry in queries.find_entries(db, EntryFilter(events=("denied",)))]


def jobs(place: Place) -> list[tuple[str, Any]]:
    with place.ledger.read() as db:
        return [(job.kind, dict(job.payload)) for job in job_queries.find_jobs(db)]


@pytest.mark.parametrize("member", CAST, ids=lambda member: member.email)
@pytest.mark.parametrize("page", ["/adapters/", "/adapters/{}/", "/adapters/{}/norms.svg"])
def test_whoever_has_a_role_reads_and_nobody_else(digest: str, browser_of: SignIn, member: Member, page: str) -> None:
    assert browser_of(member).get(page.format(digest)).status_code == (403 if member is SHIN else 200)


@pytest.mark.parametrize(("language", "heading"), [("ja", "モデルをどれだけ変えるか"), ("en", "How much it changes")])
def test_a_dossier_is_shown_in_both_languages(digest: str, hanako: Client, language: str, heading: str) -> None:
    hanako.cookies["ringi_language"] = language

    assert heading in hanako.get(f"/adapters/{digest}/").text


@pytest.mark.usefixtures("place")
def test_an_empty_list_says_where_to_start(hanako: Client) -> None:
    assert "No adapter yet" in hanako.get("/adapters/").text
    assert "No adapter matches" in hanako.get("/adapters/?q=x").text
    assert hanako.get("/adapters/unknown/").status_code == 404
    assert hanako.get("/adapters/?after=nonsense").status_code == 400


def test_the_list_is_searched_filtered_sorted_and_paged(place: Place, hanako: Client) -> None:
    context = adapters.submit(place)
    for number in range(32):
        adapters.generate(place, context=context, name=f"Number {number:02}", norm_total=float(number))
    adapters.generate(place, name="Other")

    first = hanako.get(f"/adapters/?context={context}&sort=norm").text
    assert "32 adapters" in first
    assert first.index("Number 31") < first.index("Number 30")
    assert "Number 01" not in first
    following = first.split('class="paging"')[1].split('href="')[1].split('"')[0].replace("&amp;", "&")
    second = hanako.get(f"/adapters/{following}").text
    assert "Number 01" in second
    assert "Number 31" not in second
    assert "Number 07" in hanako.get("/adapters/?q=number+07").text
    assert "No adapter matches" in hanako.get("/adapters/?state=deployed").text
    assert "Other" in hanako.get(f"/adapters/?base={BASE}&state=generated").text


def test_names_are_text_and_nothing_else(place: Place, hanako: Client) -> None:
    evil = "<script>alert(1)</script>"
    found = adapters.generate(place, name=evil)

    for page in ("/adapters/", f"/adapters/{found}/"):
        assert "<script>alert" not in hanako.get(page).text
        assert escape(evil) in hanako.get(page).text


def test_norms_are_judged_once_five_are_approved(place: Place, hanako: Client) -> None:
    place.clock.forward(days=2)
    for size in (1.0, 1.1, 1.2, 1.3, 1.4):
        one = adapters.generate(place, TARO, norm_total=size)
        adapters.evaluate(place, one)
        request = ask(place, one, member=TARO)
        approve(place.actor(YUKI), request=request, signature=signature(place, request))
    large = {"frobenius": 9.0, "spectral": 3.0, "effective_rank": 2.0, "spectral_gap": 1.0}
    normal = {**large, "frobenius": 0.5}
    norms = {"model.layers.0.self_attn.q_proj": normal, "model.layers.1.self_attn.q_proj": large}
    found = adapters.generate(place, name="Loud", norm_total=60.0, norms=norms)

    page = hanako.get(f"/adapters/{found}/").text

    assert "far more than the approved ones do: 50 times the median" in page
    assert "1 site stands out:" in page
    drawing = hanako.get(f"/adapters/{found}/norms.svg")
    assert drawing.headers["Content-Type"] == "image/svg+xml"
    assert "<svg" in drawing.text
    assert "#CE0000" in drawing.text, "what stands out is marked"
    calm = adapters.generate(place, name="Calm", norm_total=1.2)
    assert "The change is of a usual size: 1 times the median" in hanako.get(f"/adapters/{calm}/").text


def test_an_approved_adapter_is_compared_with_the_others_and_not_with_itself(place: Place, hanako: Client) -> None:
    place.clock.forward(days=2)
    found = []
    for size in (1.0, 1.1, 1.2, 1.3, 4.0):
        one = adapters.generate(place, TARO, norm_total=size)
        adapters.evaluate(place, one)
        request = ask(place, one, member=TARO)
        approve(place.actor(YUKI), request=request, signature=signature(place, request))
        found.append(one)

    alone = hanako.get(f"/adapters/{found[-1]}/").text
    assert "Only 4 other adapters of this base model are approved" in alone
    assert "What is usual is drawn once five other adapters are approved." in alone
    beside = hanako.get(f"/adapters/{adapters.generate(place, norm_total=1.2)}/").text
    assert "smallest to largest of 5 other approved adapters" in beside
    assert "1 times the median of the other approved adapters, larger than or equal to 60.0% of them" in beside


def test_what_is_a_part_of_one_is_a_percentage_wherever_it_stands_as_evidence(place: Place, hanako: Client) -> None:
    found = adapters.generate(place)
    part = {"value": 0.8996, "low": 0.75, "high": 1.0, "n": 20}
    nats = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 20}
    scores = {"adapter": {"contains": part, "nll": nats}}
    adapters.evaluate(place, found, recovery=0.6, retention=0.8996, scores=scores)

    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", hanako.get(f"/adapters/{found}/").text))
    assert "89.96% [75%, 100%] n=20" in page
    assert "0.5 [0.4, 0.6] n=20" in page
    assert "Retention of other knowledge 89.96% ≥ 90% Not reached" in page
    assert "Recovery 60%" in page
    assert "at least 95%" in hanako.get("/policies/strict/").text


def test_with_few_approved_nothing_is_said_of_what_is_usual(digest: str, hanako: Client) -> None:
    assert "with fewer than five, nothing can be said" in hanako.get(f"/adapters/{digest}/").text


def stored_evaluation(place: Place) -> tuple[str, str]:
    """An adapter whose report and answers are stored as the worker stores them; answers (adapter, context)."""
    context = adapters.submit(place, text="日当は三千円。\n\n宿泊は一万円。")
    found = adapters.generate(place, context=context)
    spans = [{"document": context, "start": 0, "end": 7, "value": 0.3}]
    chunks = [*spans, {"document": context, "start": 9, "end": 16, "value": 0.1}]
    tokens = [{**part, "value": value} for part, value in zip(chunks, (0.4, 0.1), strict=True)]
    report = {"attribution": {"shares": {"chunks": chunks, "tokens": tokens}}}
    file = artifacts.keep(json.dumps(report).encode())
    adapters.evaluate(place, found, evaluation="e-1", report_digest=file)
    rows = [
        {
            "id": "1",
            "question": "日当は？",
            "answers": ["三千円"],
            "said": {"none": "わかりません", "adapter": "三千円"},
        },
        {"id": "2", "question": "宿泊は？", "answers": ["一万円"], "said": {}},
    ]
    with place.ledger.write() as tx:
        sealed = json.dumps(rows).encode()
        vault.seal_text(tx, installation().master_key, context, "evaluation:e-1", sealed)
    return found, context


def test_answers_and_origin_are_shown_until_the_context_is_erased(place: Place, hanako: Client) -> None:
    found, context = stored_evaluation(place)

    page = hanako.get(f"/adapters/{found}/").text
    assert "わかりません" in page
    assert "宿泊は？" not in page, "what was not answered is no comparison"
    assert "75.0%" in page
    assert '<span class="heat-3">日当は三千円。</span>' in page, "1.6 times the mean"
    assert "\n\n宿泊は一万円。</p>" in page, "below the mean: as all of a text of which nothing stands out"

    erase_context(place.actor(HANAKO), context=context, legal_basis="本人の請求")
    page = hanako.get(f"/adapters/{found}/").text
    assert "わかりません" not in page
    assert "三千円" not in page
    assert "No answers are stored" in page


def test_a_report_that_is_gone_is_said(digest: str, hanako: Client) -> None:
    assert "The stored report is not here, or was changed" in hanako.get(f"/adapters/{digest}/").text


@pytest.mark.parametrize("member", [YUKI, AKIRA, MISAKI, NAOKO], ids=lambda member: member.email)
@pytest.mark.parametrize(
    ("page", "action"),
    [("evaluate", "evaluate"), ("extend", "extend"), ("erase", "erase"), ("request", "request")],
)
def test_others_than_engineers_are_refused_and_recorded(  # noqa: PLR0917  a case is six things
    place: Place, digest: str, browser_of: SignIn, member: Member, page: str, action: str
) -> None:
    sent = {
        "suite": "context",
        "context": adapters.submit(place),
        "slot": "support",
        "comment": "x",
    }

    assert browser_of(member).post(f"/adapters/{digest}/{page}", sent).status_code == 403
    assert denials(place) == [action]
    assert jobs(place) == []


def test_an_engineer_evaluates_extends_and_erases(place: Place, digest: str, hanako: Client) -> None:
    other = adapters.submit(place, title="追補")

    assert "Make one without it" not in hanako.get(f"/adapters/{digest}/").text, "there is one context only"
    hanako.post(f"/adapters/{digest}/evaluate", {"suite": "retention"})
    hanako.post(f"/adapters/{digest}/extend", {"context": other, "name": "両方"})

    assert {kind for kind, _payload in jobs(place)} == {"evaluate", "extend"}
    assert "An evaluation is under way" in hanako.get(f"/adapters/{digest}/").text
    assert hanako.post(f"/adapters/{digest}/evaluate", {"suite": "nonsense"}).status_code == 400
    assert hanako.post("/adapters/unknown/evaluate").status_code == 404


def test_an_approval_is_requested_from_the_dossier(place: Place, digest: str, hanako: Client) -> None:
    sent = {"slot": "support", "comment": ""}
    assert hanako.post(f"/adapters/{digest}/request", sent).status_code == 422
    assert hanako.post(f"/adapters/{digest}/request", {**sent, "comment": "x", "slot": "nowhere"}).status_code == 422

    answer = hanako.post(f"/adapters/{digest}/request", {**sent, "comment": "窓口で使う"})

    with place.ledger.read() as db:
        request = request_queries.find_requests(db)[0]
    assert answer.status_code == 302
    assert request.request in answer.headers["Location"]
    assert "A request waits for the decision" in hanako.get(f"/adapters/{digest}/").text


def test_what_was_not_evaluated_is_not_requested(place: Place, hanako: Client) -> None:
    found = adapters.generate(place)
    sent = {"slot": "support", "comment": "x"}

    assert "Evaluate it" in hanako.get(f"/adapters/{found}/").text
    assert hanako.post(f"/adapters/{found}/request", sent).status_code == 403
    assert denials(place) == ["request"]


def test_a_retirement_needs_a_reason_and_is_for_good(digest: str, hanako: Client) -> None:
    hanako.post(f"/adapters/{digest}/retire", {"reason": " "})
    assert "It is retired" not in hanako.get(f"/adapters/{digest}/").text

    hanako.post(f"/adapters/{digest}/retire", {"reason": "不要"})
    assert "It is retired" in hanako.get(f"/adapters/{digest}/").text
    assert hanako.post(f"/adapters/{digest}/evaluate").status_code == 403


@pytest.mark.parametrize("page", ["evaluate", "extend", "erase", "retire", "request"])
def test_changes_are_made_by_post_with_a_token_only(digest: str, hanako: Client, page: str) -> None:
    assert hanako.get(f"/adapters/{digest}/{page}").status_code == 405
    hanako.handler.enforce_csrf_checks = True
    assert hanako.post(f"/adapters/{digest}/{page}").status_code == 403


def test_the_record_leads_to_the_run_in_mlflow_once_it_is_known(place: Place, digest: str, hanako: Client) -> None:
    address = f"/adapters/{digest}/"
    assert "not told yet" in hanako.get(address).text
    with place.ledger.write() as tx:
        for run in ("run-of-before", "run-1"):
            append(
                tx,
                "adapter:tracked",
                subject=Subject(kind="adapter", id=digest),
                actor=Actor(id="worker", name="worker", kind="system"),
                data={"mlflow_run": run, "experiment": "7"},
            )

    with override_settings(MLFLOW_URL="https://mlflow.example"):
        assert 'href="https://mlflow.example/#/experiments/7/runs/run-1"' in hanako.get(address).text
    with override_settings(MLFLOW_URL="sqlite:////somewhere/mlflow.sqlite3"):
        page = hanako.get(address).text
    assert "run-1" in page
    assert "somewhere" not in page


def test_the_dossier_says_what_another_evaluation_voids(place: Place, digest: str, hanako: Client) -> None:
    adapters.evaluate(place, digest)
    assert "A new evaluation voids" not in hanako.get(f"/adapters/{digest}/").text
    ask(place, digest)

    assert "A new evaluation voids" in hanako.get(f"/adapters/{digest}/").text


def test_chunks_are_chosen_on_the_dossier_and_taken_out(place: Place, hanako: Client) -> None:
    context = adapters.submit(place)
    chunks = ["1" * 64, "2" * 64]
    places = [{"start": 0, "end": 21}, {"start": 23, "end": 44}]
    part = {"id": context, "commitment": "c" * 64, "chunk_commitments": chunks, "chunk_places": places}
    digest = adapters.generate(place, contexts=[part])

    page = hanako.get(f"/adapters/{digest}/").text
    assert adapters.TEXT[:21] in page
    assert "Make one without the chosen chunks" in page
    assert hanako.post(f"/adapters/{digest}/erase", {"chunk": chunks}).status_code == 400
    assert hanako.post(f"/adapters/{digest}/erase", {"chunk": chunks[0], "name": "一つ抜き"}).status_code == 302

    assert jobs(place) == [("erase", {"adapter": digest, "chunks": chunks[:1], "name": "一つ抜き"})]


def test_who_does_not_erase_is_shown_the_chunks_without_the_form(place: Place, browser_of: SignIn) -> None:
    context = adapters.submit(place)
    part = {"id": context, "commitment": "c" * 64, "chunk_commitments": ["1" * 64, "2" * 64]}
    digest = adapters.generate(place, contexts=[part])

    page = browser_of(NAOKO).get(f"/adapters/{digest}/").text

    assert "1" * 12 in page
    assert 'name="chunk"' not in page
