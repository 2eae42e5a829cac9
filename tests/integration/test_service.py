"""The service as it runs: uvicorn, sockets, threads, signals."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.torch import load_file, save_file

from adapters_core.data.documents import Document
from adapters_core.errors import (
    AccessError,
    EngineError,
    MismatchError,
    StorageError,
    TooLargeError,
    UnknownAdapterError,
    UnsafeAdapterError,
)
from adapters_core.service.client import CoreClient
from adapters_core.service.measures_contract import QuestionIn
from adapters_core.service.server import address_of, bind, server
from tests.tiny_service import BASE, FERRY, KEY, TEA, TOKEN, TinyService

ROOT = Path(__file__).parents[2]
ASK = [{"role": "user", "content": "When does the ferry leave?"}]
FERRY_DOCUMENT, TEA_DOCUMENT = Document(**FERRY), Document(**TEA)


@contextmanager
def listening(store: Path, **settings: Any) -> Iterator[tuple[str, TinyService]]:
    """A service under uvicorn in a thread of this process; gives its address."""
    tiny = TinyService(store, **settings)
    socket_ = bind("127.0.0.1", 0)
    uvicorn = server(tiny.app, drain_seconds=30)
    thread = threading.Thread(target=uvicorn.run, kwargs={"sockets": [socket_]})
    thread.start()
    try:
        yield address_of(socket_), tiny
    finally:
        uvicorn.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
        assert not tiny.service.scheduler.thread_alive, "shutting down ends the model's thread"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, TinyService]]:
    root = tmp_path_factory.mktemp("service")
    (root / "adapters").mkdir()
    with listening(root / "store", body_bytes=100_000, adapter_roots=(root / "adapters",)) as found:
        yield found


@pytest.fixture
def client(running: tuple[str, TinyService]) -> Iterator[CoreClient]:
    with CoreClient(running[0], token=TOKEN) as client:
        yield client


@contextmanager
def process(store: Path, *fields: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A service in a process of its own; gives its address once it answers."""
    command = [sys.executable, "-m", "tests.tiny_server", str(store), *fields]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            url = running.stdout.readline().strip() if running.stdout else ""
            with CoreClient(url) as client:
                wait_until(client.ready)
            yield url, running
        finally:
            if running.poll() is None:
                running.kill()


def wait_until(holds: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def test_a_context_becomes_an_adapter_that_answers(client: CoreClient) -> None:
    told: list[tuple[int, int]] = []
    made = client.generate([FERRY_DOCUMENT, TEA_DOCUMENT], key=KEY, progress=lambda *now: told.append(now))
    extended = client.extend(made.digest, [Document(name="more", text="Snow closes the pass in January.")])
    erased = client.erase(extended.digest, documents=["more"])
    card = client.load_adapter("first-1", made.digest)

    assert told == [(i, told[-1][1]) for i in range(1, len(told) + 1)]
    assert extended.parent == made.digest
    assert erased.manifest["identity"]["weights_sha256"] == made.manifest["identity"]["weights_sha256"]
    assert json.loads(client.manifest(made.digest)) == made.manifest
    assert client.download(made.digest, "manifest.json") == client.manifest(made.digest)
    assert client.chunks(made.digest) == made.chunks
    assert [model.id for model in client.models()] == [BASE, card.id]
    options = {"max_tokens": 8, "temperature": 0, "logprobs": True}
    adapted, bare = client.chat("first-1", ASK, **options), client.chat(BASE, ASK, **options)
    assert adapted.choices[0].logprobs != bare.choices[0].logprobs
    client.unload_adapter("first-1")
    client.delete(erased.digest)
    with pytest.raises(UnknownAdapterError):
        client.manifest(erased.digest)


def test_a_stream_arrives_piece_by_piece(client: CoreClient) -> None:
    whole = client.chat(BASE, ASK, max_tokens=30, temperature=0)
    pieces = client.stream_chat(BASE, ASK, max_tokens=30, temperature=0)
    first = next(pieces)
    rest = list(pieces)

    assert first.choices[0].delta.role == "assistant"
    text = "".join(piece.choices[0].delta.content or "" for piece in rest)
    assert text == whole.choices[0].message.content
    streamed = list(client.stream_complete(BASE, "The ferry", max_tokens=9, temperature=0))
    assert "".join(piece.choices[0].text for piece in streamed) == (
        client.complete(BASE, "The ferry", max_tokens=9, temperature=0).choices[0].text
    )


def test_answers_are_measured_and_attributed(client: CoreClient) -> None:
    made = client.generate([FERRY_DOCUMENT], key=KEY)
    questions = [QuestionIn(question="When does it leave?", answers=("seven",))]

    asked = client.ask(questions, adapter=made.digest, context=FERRY["text"], answers=True)
    found = client.attribute(made.digest, [FERRY_DOCUMENT], question="When?", answer="seven")

    assert set(asked.nll) == {"none", "prompt", "adapter"}
    assert sum(span.value for span in found.shares.tokens) == pytest.approx(1, abs=1e-5)
    assert "ringi_generations_total" in client.metrics()
    assert client.healthy()


def test_threads_with_different_adapters_get_their_own_answers(running: tuple[str, TinyService]) -> None:
    url, tiny = running
    names = {f"leak-{i}": tiny.load(f"leak-{i}", {"name": f"d{i}", "text": f"Word {i} " * 20}) for i in range(3)}
    wanted = [(model, seed) for model in (BASE, *names) for seed in range(6)]

    def ask(model: str, seed: int) -> tuple[str, list[float]]:
        with CoreClient(url, token=TOKEN) as client:
            prompt = "ferry " * (1 + seed)
            options = {"max_tokens": 10 + seed, "seed": seed, "temperature": 0.7 * (seed % 2), "logprobs": 1}
            choice = client.complete(model, prompt, **options).choices[0]
            return choice.text, list(choice.logprobs.token_logprobs if choice.logprobs else ())

    alone = [ask(*one) for one in wanted]
    with ThreadPoolExecutor(12) as threads:
        together = list(threads.map(lambda one: ask(*one), wanted * 2))

    assert len({text for text, _ in alone}) > len(wanted) // 2
    for found, expected in zip(together, alone * 2, strict=True):
        assert found[0] == expected[0]
        assert found[1] == pytest.approx(expected[1], abs=1e-4)
    for name in names:
        tiny.service.shelf.unload(name)


def test_a_poisoned_adapter_is_refused_and_the_server_still_answers(
    running: tuple[str, TinyService], client: CoreClient
) -> None:
    _, tiny = running
    made = client.generate([FERRY_DOCUMENT], key=KEY)
    root = tiny.service.settings.adapter_roots[0] / "poisoned"
    root.mkdir()
    for name in made.files:
        (root / name).write_bytes(client.download(made.digest, name))
    tensors = load_file(root / "adapter_model.safetensors")
    next(iter(tensors.values()))[0, 0] = float("nan")
    save_file(tensors, root / "adapter_model.safetensors", metadata={"format": "pt"})
    before = client.complete(BASE, "The ferry", max_tokens=5, temperature=0, logprobs=2).choices

    with pytest.raises(UnsafeAdapterError, match="sha256"):
        client.load_adapter("poisoned", str(root))

    assert client.complete(BASE, "The ferry", max_tokens=5, temperature=0, logprobs=2).choices == before
    with pytest.raises(UnknownAdapterError, match="poisoned"):
        client.chat("poisoned", ASK)


def test_errors_come_over_the_wire_as_what_they_are(running: tuple[str, TinyService], client: CoreClient) -> None:
    url, tiny = running
    ferry, tea = client.generate([FERRY_DOCUMENT], key=KEY), client.generate([TEA_DOCUMENT], key=KEY)
    client.load_adapter("taken", ferry.digest)

    with pytest.raises(MismatchError, match="given once"):
        client.load_adapter("taken", tea.digest)
    with pytest.raises(TooLargeError, match="100000 bytes"):
        client.generate([Document(name="a", text="word " * 100_000)])
    with CoreClient(url, token="not-the-token-at-all") as stranger, pytest.raises(AccessError):
        stranger.models()
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}) as raw:
        broken = raw.post("/v1/generate", content=b"{", headers={"content-type": "application/json"})
        assert (broken.status_code, broken.json()["code"]) == (400, "invalid_input")
        assert broken.headers["content-type"] == "application/problem+json"
        assert "server" not in broken.headers
    tiny.service.shelf.unload("taken")


def test_a_caller_that_goes_away_leaves_nothing_running(running: tuple[str, TinyService], client: CoreClient) -> None:
    _, tiny = running
    batch, steps = tiny.service.scheduler._batch, tiny.service.metrics.steps._value
    before = steps.get()
    pieces = client.stream_complete(BASE, "The ferry", max_tokens=480, temperature=1, ignore_eos=True)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # it is a generator
    body = {"model": BASE, "prompt": "a", "max_tokens": 480, "ignore_eos": True}
    with CoreClient(running[0], token=TOKEN, timeout=0.05) as hasty, pytest.raises(EngineError, match="in time"):
        hasty.complete(**body)  # type: ignore[arg-type]

    wait_until(lambda: len(batch) == 0, seconds=20)
    assert steps.get() - before < 480, "neither answer was decoded to its end"


def test_a_busy_service_says_so_and_the_client_comes_again(tmp_path: Path) -> None:
    with listening(tmp_path / "store", concurrent_requests=1) as (url, _):
        statuses: queue.Queue[int] = queue.Queue()

        def ask(_place: int) -> int:
            body = {"model": BASE, "prompt": "a", "max_tokens": 60}
            raw = httpx.post(f"{url}/v1/completions", json=body, headers={"authorization": f"Bearer {TOKEN}"})
            statuses.put(raw.status_code)
            with CoreClient(url, token=TOKEN) as client:
                return client.complete(BASE, "a", max_tokens=20).usage.completion_tokens  # type: ignore[union-attr]

        with ThreadPoolExecutor(6) as threads:
            answered = list(threads.map(ask, range(6)))

    found = [statuses.get() for _ in range(6)]
    assert set(found) <= {200, 429}
    assert 429 in found
    # a sampled answer may end early
    assert all(1 <= tokens <= 20 for tokens in answered), "who comes again is answered in the end"


def test_a_restart_keeps_sessions_and_names_and_sigterm_finishes_what_was_taken(tmp_path: Path) -> None:
    with process(tmp_path / "store") as (url, first), CoreClient(url, token=TOKEN) as client:
        made = client.generate([FERRY_DOCUMENT], key=KEY)
        client.load_adapter("ferry-1", made.digest)
        before = client.complete("ferry-1", "The ferry", max_tokens=6, temperature=0).choices
        pieces = client.stream_complete("ferry-1", "The ferry", max_tokens=400, temperature=0, ignore_eos=True)
        next(pieces)
        first.send_signal(signal.SIGTERM)
        rest = list(pieces)
        assert rest[-1].choices[0].finish_reason == "length", "the stream came to its own end"
        assert first.wait(60) == -signal.SIGTERM
        journal = [json.loads(line) for line in (first.stderr or ())]
        assert {"request"} <= {line["event"] for line in journal}
        assert "ferry leaves" not in json.dumps(journal).lower()

    with process(tmp_path / "store") as (url, second), CoreClient(url, token=TOKEN) as client:
        assert [model.id for model in client.models()] == [BASE, "ferry-1"]
        assert client.complete("ferry-1", "The ferry", max_tokens=6, temperature=0).choices == before
        assert client.generate([FERRY_DOCUMENT], key=KEY).created is False
        extended = client.extend(made.digest, [TEA_DOCUMENT])
        assert extended.parent == made.digest
        second.send_signal(signal.SIGINT)
        # 0: whoever started us ignores SIGINT (a job in the background), so that it does not end the process again
        assert second.wait(60) in (0, -signal.SIGINT, 130)


def test_an_address_that_is_taken_is_told() -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match=f"port {port}"):
            bind("127.0.0.1", port)
