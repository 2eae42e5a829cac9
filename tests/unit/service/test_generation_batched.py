"""Concurrent contexts whose chunks are encoded together."""

import asyncio
import threading
from pathlib import Path

import pytest

from adapters_core.data.documents import Document
from adapters_core.errors import BusyError
from adapters_core.service.turns import Turn
from tests.tiny_service import KEY, TinyService

DOCUMENTS = [{"name": f"n{i}", "text": f"Ship {i} sails at {i} o'clock. " * (1 + i)} for i in range(5)]


def test_contexts_that_wait_are_encoded_together_and_the_manifests_say_so(tmp_path: Path) -> None:
    tiny = TinyService(tmp_path / "store", batch_generation=True, generation_batch_tokens=100)
    passes: list[int] = []
    encode_many = tiny.core.encode_many

    def counted(chunks: list[list[int]]) -> object:
        passes.append(len(chunks))
        assert len(chunks) * max(map(len, chunks)) <= 100
        return encode_many(chunks)

    tiny.core.encode_many = counted  # type: ignore[method-assign, assignment]
    held, go_on = threading.Event(), threading.Event()

    def hold(_turn: Turn) -> None:
        held.set()
        go_on.wait(30)

    async def all_at_once() -> list[dict[str, object]]:
        tiny.service.scheduler.submit(hold)
        held.wait(30)
        bodies = [{"documents": [document], "key": KEY} for document in DOCUMENTS]
        calls = [asyncio.ensure_future(tiny.call.send("POST", "/v1/generate", body)) for body in bodies]
        while tiny.service.metrics.queued._value.get() < len(DOCUMENTS):  # noqa: ASYNC110  # the queue tells nobody
            await asyncio.sleep(0.01)
        go_on.set()
        return [answer.json() for answer in await asyncio.gather(*calls)]

    answers = asyncio.run(all_at_once())

    chunks = sum(len(tiny.core.chunks([Document(**document)])) for document in DOCUMENTS)
    assert sum(passes) == chunks
    assert len(passes) < chunks, "chunks of several contexts shared passes"
    for document, answer in zip(DOCUMENTS, answers, strict=True):
        own = tiny.core.generate([Document(**document)], key=bytes.fromhex(KEY))
        made = tiny.service.store.read(str(answer["digest"]))
        assert answer["batched"] is True
        assert made.adapter.manifest.observation.batched
        for path, pair in own.adapter.pairs.items():
            delta = pair.delta()
            assert float((made.adapter.pairs[path].delta() - delta).norm() / delta.norm()) < 1e-4
    assert tiny.service.close()


def test_contexts_that_are_refused_are_not_kept(tmp_path: Path) -> None:
    tiny = TinyService(tmp_path / "store", batch_generation=True, queue_length=1)
    held, go_on = threading.Event(), threading.Event()

    def hold(_turn: Turn) -> None:
        held.set()
        go_on.wait(30)

    tiny.service.scheduler.submit(hold)
    held.wait(30)
    documents = [Document(name="a", text="The ferry leaves at nine o'clock from pier four.")]
    generation = tiny.service.generations
    accepted = generation.generate(documents, key=None, decay=1.0, progress=lambda _done, _all: None)
    for _ in range(3):
        with pytest.raises(BusyError):
            generation.generate(documents, key=None, decay=1.0, progress=lambda _done, _all: None)
    try:
        assert [waiting.future for waiting in generation._waiting] == [accepted.future]
    finally:
        go_on.set()
    assert accepted.future.result(30).adapter.manifest.observation.batched
    assert tiny.service.close()


def test_a_context_that_fails_is_alone_in_it(tmp_path: Path) -> None:
    tiny = TinyService(tmp_path / "store", batch_generation=True)
    made = tiny.generate(DOCUMENTS[0])

    async def both() -> list[int]:
        bodies = [
            {"adapter": made["digest"], "documents": [DOCUMENTS[0]]},  # its chunks are there already
            {"adapter": made["digest"], "documents": [DOCUMENTS[1]]},
        ]
        calls = [tiny.call.send("POST", "/v1/extend", body) for body in bodies]
        return [answer.status_code for answer in await asyncio.gather(*calls)]

    assert asyncio.run(both()) == [409, 200]
    assert tiny.service.close()


def test_a_sequential_generator_is_never_batched(tmp_path: Path) -> None:
    from tests.tiny_service import tiny_core

    tiny = TinyService(tmp_path / "store", core=tiny_core(encoding="sequential"), batch_generation=True)

    assert tiny.generate(DOCUMENTS[2])["batched"] is False
    assert tiny.service.close()
