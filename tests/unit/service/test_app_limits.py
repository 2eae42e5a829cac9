"""Who may call, how much is taken in, and what is written down."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters_core.service.app import create_app
from adapters_core.service.journal import LOGGER, JsonLines
from tests.tiny_service import BASE, FERRY, TOKEN, Caller, TinyService, serving

ASK = {"model": BASE, "messages": [{"role": "user", "content": "a-private-question"}], "max_tokens": 2}


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[TinyService]:
    yield from serving(tmp_path / "store", body_bytes=2000)


@pytest.mark.parametrize(
    "header",
    [None, "Bearer wrong-token-of-length", f"Basic {TOKEN}", TOKEN, "Bearer", f"Bearer {TOKEN}x", "Bearer \xff"],
)
def test_without_the_token_nothing_is_answered(tiny: TinyService, header: str | None) -> None:
    stranger = Caller(tiny.app, token=None)
    headers = {} if header is None else {b"authorization": header.encode("latin-1")}

    for path in ("/v1/models", "/v1/adapters/" + "0" * 64, "/metrics", "/openapi.json", "/none"):
        answer = stranger.get(path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
    assert stranger.get("/v1/models").json()["error"]["code"] == "unauthorized"
    assert stranger.get("/metrics").json()["code"] == "unauthorized"


def test_load_balancers_need_no_token(tiny: TinyService) -> None:
    stranger = Caller(tiny.app, token=None)

    assert stranger.get("/health").json() == {"status": "ok"}
    assert stranger.get("/ready").json() == {"status": "ready"}


def test_a_service_without_a_token_answers_everyone(tmp_path: Path) -> None:
    tiny = TinyService(tmp_path / "store", token=None)

    assert Caller(tiny.app, token=None).get("/v1/models").status_code == 200
    assert tiny.service.close()


def test_a_draining_service_is_not_ready_but_healthy_until_it_ends(tmp_path: Path) -> None:
    tiny = TinyService(tmp_path / "store")
    assert tiny.service.close()

    ready, busy = tiny.call.get("/ready"), tiny.call.post("/v1/chat/completions", ASK)

    assert (ready.status_code, ready.json()["code"]) == (503, "unavailable")
    assert (busy.status_code, busy.json()["error"]["code"]) == (503, "unavailable")
    assert ready.headers["retry-after"] == "1"
    assert tiny.call.get("/health").status_code == 503


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(tiny: TinyService) -> None:
    async def in_parts() -> "httpx.Response":
        async def parts() -> object:
            for _ in range(100):
                yield b" " * 100

        transport = httpx.ASGITransport(app=tiny.app)
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.post("/v1/generate", content=parts(), headers=headers)  # type: ignore[arg-type]

    declared = tiny.call.post("/v1/generate", {"documents": [{"name": "a", "text": "x" * 3000}]})

    for answer in (declared, asyncio.run(in_parts())):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert "2000 bytes" in answer.json()["detail"]
    assert tiny.call.post("/v1/generate", {"documents": [{"name": "a", "text": "x" * 1000}]}).status_code == 200


def test_requests_beyond_those_answered_at_once_are_told_to_come_again(tmp_path: Path) -> None:
    tiny = TinyService(tmp_path / "store", concurrent_requests=2)

    async def many() -> list[httpx.Response]:
        wanted = {**ASK, "max_tokens": 50}
        return await asyncio.gather(*(tiny.call.send("POST", "/v1/chat/completions", wanted) for _ in range(6)))

    answers = asyncio.run(many())

    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"] == {
        "message": "2 requests are being answered, the most at once: ask again later",
        "type": "rate_limit_error",
        "param": None,
        "code": "busy",
    }
    assert tiny.call.post("/v1/chat/completions", ASK).status_code == 200, "the places are free again"
    assert tiny.service.close()


def test_a_full_queue_is_a_429(tmp_path: Path) -> None:
    tiny = TinyService(tmp_path / "store", queue_length=1, batch_rows=1)

    async def many() -> list[int]:
        wanted = {**ASK, "max_tokens": 100}
        answers = await asyncio.gather(*(tiny.call.send("POST", "/v1/chat/completions", wanted) for _ in range(8)))
        return [answer.status_code for answer in answers]

    found = asyncio.run(many())

    assert set(found) == {200, 429}
    assert tiny.service.close()


@pytest.mark.parametrize("body", [b'{"documents": [', b"\xff\xfe", b"", b"[]", b"null", b'"x"', b"NaN"])
def test_a_body_that_is_no_json_object_is_a_problem(tiny: TinyService, body: bytes) -> None:
    answer = tiny.call.post("/v1/generate", content=body, headers={"content-type": "application/json"})

    assert answer.status_code in (400, 422)
    assert answer.json()["code"] == "invalid_input"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_path_or_method_that_is_not_there_is_a_problem(tiny: TinyService) -> None:
    missing, wrong = tiny.call.get("/v2"), tiny.call("PUT", "/v1/generate")

    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "not_allowed")


def test_a_request_id_is_given_or_kept(tiny: TinyService) -> None:
    assert tiny.call.get("/ready", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    for bad in ("a b", "x" * 65, "\"'"):
        given = tiny.call.get("/ready", headers={"x-request-id": bad}).headers["x-request-id"]
        assert len(given) == 32


def test_the_journal_holds_no_text(tiny: TinyService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = {"name": "a-private-name", "text": "a-private-context of two sentences."}

    made = tiny.generate(secret)
    tiny.call.post("/v1/chat/completions", ASK)
    tiny.call.post("/v1/generate", {"documents": [secret], "a-private-field": 1})
    tiny.call.post("/v1/completions", {"model": "a-private-model", "prompt": "x"})
    tiny.call.get("/a-private-path")
    tiny.service.core.base.tokenizer = None  # a failure that nobody foresaw
    broken = tiny.call.post("/v1/chat/completions", ASK)

    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == LOGGER]
    assert broken.status_code == 400
    assert "a-private" not in json.dumps(lines)
    assert made["digest"] not in json.dumps(lines), "routes are written by their templates"
    assert [line["route"] for line in lines if line["event"] == "request"] == [
        "/v1/generate",
        "/v1/chat/completions",
        "/v1/generate",
        "/v1/completions",
        "unmatched",
        "/v1/chat/completions",
    ]
    assert all({"request_id", "method", "status", "seconds", "time", "level"} <= set(line) for line in lines)


def test_a_failure_that_nobody_foresaw_keeps_its_message_inside(
    tiny: TinyService, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a-private-text")

    monkeypatch.setattr(type(tiny.service.generations), "generate", fail)
    answer = tiny.call.post("/v1/generate", {"documents": [FERRY]})
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == LOGGER]

    assert (answer.status_code, answer.json()["code"]) == (500, "error")
    assert "a-private" not in answer.text + json.dumps(lines)
    (failure,) = [line for line in lines if line["event"] == "failure"]
    assert failure["error"] == "ZeroDivisionError"
    assert any("test_app_limits" in place for place in failure["places"])
    assert failure["request_id"] == answer.json()["request_id"]


def test_what_happens_is_counted(tiny: TinyService) -> None:
    tiny.generate(FERRY)
    tiny.call.post("/v1/chat/completions", ASK)
    tiny.call.post("/v1/completions", {"model": "nobody", "prompt": "x"})
    text = tiny.call.get("/metrics").text

    for line in (
        'ringi_requests_total{method="POST",route="/v1/generate",status="200"} 1.0',
        'ringi_requests_total{method="POST",route="/v1/completions",status="404"} 1.0',
        'ringi_generations_total{batched="false",kind="generate"} 1.0',
        'ringi_answer_tokens_total{adapted="no"} 2.0',
        'ringi_refusals_total{code="unknown_adapter"} 1.0',
        "ringi_requests_running 1.0",
        "ringi_queue_length 0.0",
    ):
        assert line in text


def test_two_services_count_apart(tmp_path: Path, tiny: TinyService) -> None:
    other = TinyService(tmp_path / "other", core=tiny.core)
    create_app(other.service)
    tiny.generate(FERRY)

    assert 'kind="generate"' not in other.call.get("/metrics").text
    assert other.service.close()
