"""The client against services that break in every way; against the real one in tests/integration."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from adapters_core.data.documents import Document
from adapters_core.errors import (
    AccessError,
    BusyError,
    EngineError,
    MismatchError,
    NumericalError,
    RingiError,
    UnknownAdapterError,
    UnsafeAdapterError,
)
from adapters_core.service.client import CoreClient
from adapters_core.service.contract import DocumentIn
from adapters_core.service.problems import STATUS, Problem
from adapters_core.service.transport import Retries
from adapters_core.service.wire import error_of

FAST = Retries(tries=4, first=0.001, longest=0.002)
Answer = httpx.Response | Exception
MODELS = httpx.Response(200, json={"object": "list", "data": []})
DIGEST = "a" * 64
GRAINS = ("tokens", "sentences", "chunks", "documents")
MADE: dict[str, object] = {
    "digest": DIGEST,
    "parent": None,
    "created": True,
    "batched": False,
    "tokens": 3,
    "chunks": [],
    "manifest": {},
    "files": {},
}


ELSEWHERE = {
    *("personal_data", "denied", "engine_refused", "canary", "ledger", "invalid_entry", "illegal_transition"),
    *("stale", "unknown_subject", "lease_lost", "erased"),
}
"""Codes of the ledger and of the web half: the service never raises them."""


class Script:
    """Answers requests from a list, and keeps what was asked."""

    def __init__(self, *answers: Answer | Callable[[], Answer]) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0)
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, retries: Retries = FAST) -> CoreClient:
        return CoreClient("http://service", token="t", retries=retries, transport=httpx.MockTransport(self))


def problem(error: RingiError, path: str = "/v1/generate") -> httpx.Response:
    status, headers, body = Problem.of(error).answer(path, "id")
    return httpx.Response(status, headers=headers, content=body)


def stream(*events: tuple[str | None, object], broken: bool = False) -> httpx.Response:
    def body() -> Iterator[bytes]:
        yield b": still at work\n\n"
        for name, data in events:
            text = data if isinstance(data, str) else json.dumps(data)
            yield (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()
        if broken:
            raise httpx.ReadError("the connection broke")

    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body())


def test_the_client_needs_no_torch() -> None:
    script = (
        "import sys, adapters_core.service.client;"
        "sys.exit(', '.join({'torch', 'transformers', 'fastapi', 'ray'} & sys.modules.keys()) or 0)"
    )
    root = Path(__file__).parents[3]

    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("closed without an answer"),
        httpx.Response(502),
        httpx.Response(500, text="Internal Server Error"),
        problem(BusyError("full"), "/v1/models"),
    ],
)
def test_what_passes_is_asked_again(failure: Answer) -> None:
    script = Script(failure, failure, MODELS)

    assert script.client().models() == ()
    assert len(script.asked) == 3
    assert all(request.headers["authorization"] == "Bearer t" for request in script.asked)


def test_in_the_end_the_last_failure_is_told() -> None:
    with pytest.raises(EngineError, match="no answer from http://service: ConnectError"):
        Script(*[httpx.ConnectError("refused")] * 4).client().models()
    with pytest.raises(BusyError, match="full"):
        Script(*[problem(BusyError("full"), "/v1/models")] * 4).client().models()
    with pytest.raises(EngineError, match="status 502"):
        Script(*[httpx.Response(502)] * 4).client().models()


@pytest.mark.parametrize("failure", [httpx.ReadTimeout("silence"), problem(NumericalError("nan"))])
def test_what_does_not_pass_is_not_asked_again(failure: Answer) -> None:
    script = Script(failure)

    with pytest.raises((EngineError, NumericalError)):
        script.client().models()
    assert len(script.asked) == 1


def test_waiting_doubles_and_heeds_what_the_service_asks_for() -> None:
    retries = Retries(first=1.0, longest=5.0)

    for tried, least in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0)):
        assert least <= retries.wait(tried, None) <= 1.5 * least
    assert 4.0 <= retries.wait(1, 4.0) <= 5.0
    assert retries.wait(1, 1000.0) <= 7.5


@pytest.mark.parametrize("path", ["/v1/generate", "/v1/models"])
def test_every_error_comes_back_as_its_own_class(path: str) -> None:
    kinds: list[type[RingiError]] = [RingiError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert {kind.code for kind in kinds} - ELSEWHERE == set(STATUS), "every error of the service has a status"
    kinds = [kind for kind in kinds if kind.code in STATUS]

    for kind in kinds:
        body = json.loads(problem(kind("why"), path).content)
        found = error_of(body.get("error", body))
        assert type(found) is kind
        assert str(found) == "why"
    assert type(error_of({"code": "from-the-future", "detail": "x"})) is EngineError


def test_progress_is_told_and_the_result_given() -> None:
    told: list[tuple[int, int]] = []
    script = Script(
        stream(("progress", {"done": 1, "total": 2}), ("progress", {"done": 2, "total": 2}), ("result", MADE))
    )

    made = script.client().generate(
        [Document(name="a", text="b"), DocumentIn(reference="c.md")], progress=lambda *now: told.append(now)
    )
    sent = json.loads(script.asked[0].content)

    assert made.digest == DIGEST
    assert told == [(1, 2), (2, 2)]
    assert sent["documents"] == [{"name": "a", "text": "b"}, {"reference": "c.md"}]
    assert len(sent["key"]) == 64, "drawn here, so that a repeated call makes nothing twice"


def test_progress_of_erasing_and_attributing_is_told() -> None:
    told: list[tuple[int, int]] = []
    steps = (("progress", {"done": 1, "total": 3}), ("progress", {"done": 3, "total": 3}))
    attribution: dict[str, object] = {
        "adapter": DIGEST,
        "shares": {grain: [] for grain in GRAINS},
        "sites": {"layers.0.o_proj": {grain: [1.0] for grain in GRAINS}},
        "leave_one_out": [],
        **dict.fromkeys(("answer", "log_probability", "log_probability_base", "residual")),
    }
    client = Script(stream(*steps, ("result", MADE)), stream(*steps, ("result", attribution))).client()

    client.erase(DIGEST, chunks=["12345678"], progress=lambda *now: told.append(now))
    found = client.attribute(DIGEST, [Document(name="a", text="b")], progress=lambda *now: told.append(now))

    assert told == [(1, 3), (3, 3)] * 2
    assert found.sites["layers.0.o_proj"].tokens == (1.0,)


def test_a_stream_that_breaks_is_asked_for_again_with_the_same_key() -> None:
    script = Script(
        stream(("progress", {"done": 1, "total": 2}), broken=True),
        stream(("progress", {"done": 1, "total": 2})),
        stream(("result", MADE)),
    )

    assert script.client().generate([Document(name="a", text="b")]).digest == DIGEST
    assert len({json.loads(request.content)["key"] for request in script.asked}) == 1


def test_an_error_in_a_stream_is_raised() -> None:
    with pytest.raises(UnsafeAdapterError, match="nan"):
        Script(stream(("error", {"code": "unsafe_adapter", "detail": "nan"}))).client().erase(DIGEST, chunks=["x"])
    with pytest.raises(AccessError):
        Script(problem(AccessError("no token"))).client().extend(DIGEST, [])


def chunk(text: str) -> dict[str, object]:
    return {"id": "1", "created": 1, "model": "m", "choices": [{"delta": {"content": text}}]}


def test_pieces_come_as_they_are_and_a_lost_end_is_told() -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    whole = Script(httpx.ConnectError("refused"), stream((None, chunk("a")), (None, chunk("b")), (None, "[DONE]")))
    assert [one.choices[0].delta.content for one in whole.client().stream_chat(**asked)] == ["a", "b"]  # type: ignore[arg-type]

    for cut in (stream((None, chunk("a"))), stream((None, chunk("a")), broken=True)):
        pieces = Script(cut).client().stream_chat(**asked)  # type: ignore[arg-type]
        assert next(pieces).choices[0].delta.content == "a"
        with pytest.raises(EngineError, match="ask again"):
            next(pieces)
    failed = Script(stream((None, {"error": {"code": "numerical", "message": "nan"}}), (None, "[DONE]")))
    with pytest.raises(NumericalError, match="nan"):
        list(failed.client().stream_chat(**asked))  # type: ignore[arg-type]


def test_what_is_gone_after_a_lost_answer_is_what_was_wanted() -> None:
    missing = problem(UnknownAdapterError("none"), "/v1/unload_lora_adapter")

    Script(httpx.ReadError("reset"), missing).client().unload_adapter("x")
    Script(httpx.ReadError("reset"), problem(UnknownAdapterError("none"))).client().delete(DIGEST)
    with pytest.raises(UnknownAdapterError):
        Script(missing).client().unload_adapter("x")


def test_an_answer_that_breaks_the_contract_is_the_engines_error() -> None:
    for answer in (httpx.Response(200, json={"object": "list"}), httpx.Response(200, text="hello")):
        with pytest.raises(EngineError):
            Script(answer).client().models()


def test_names_that_are_taken_are_mismatches() -> None:
    answer = problem(MismatchError("taken"), "/v1/load_lora_adapter")

    with pytest.raises(MismatchError, match="taken"):
        Script(answer).client().load_adapter("x", DIGEST)
