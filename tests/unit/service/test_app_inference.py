"""The OpenAI interface: one base, many adapters."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters_core.data.prompts import chat_ids
from adapters_core.data.tokens import text_ids
from adapters_core.modeling.lora import applied
from adapters_core.service import sampling
from tests.tiny_service import BASE, FERRY, TEA, TinyService, events, serving

ASK = [{"role": "user", "content": "When does the ferry leave?"}]


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[TinyService]:
    yield from serving(tmp_path / "store")


def chat(tiny: TinyService, model: str = BASE, **fields: Any) -> dict[str, Any]:
    body = {"model": model, "messages": ASK, "max_tokens": 12, "temperature": 0, **fields}
    answer = tiny.call.post("/v1/chat/completions", body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_an_answer_is_what_the_adapted_model_says_itself(tiny: TinyService) -> None:
    digest = tiny.load("ferry-1", FERRY)
    base, pairs = tiny.core.base, tiny.service.store.read(digest).adapter.pairs
    answer = chat(tiny, "ferry-1", logprobs=True, top_logprobs=3)["choices"][0]

    ids = list(chat_ids(base.require_tokenizer(), ASK))
    for found in answer["logprobs"]["content"]:
        with torch.inference_mode(), applied(base, pairs):
            logprobs_W = base.model(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        best, places = logprobs_W.topk(3)
        assert found["logprob"] == pytest.approx(float(best[0]), abs=1e-4)
        assert [one["logprob"] for one in found["top_logprobs"]] == pytest.approx(best.tolist(), abs=1e-4)
        ids.append(int(places[0]))
    assert answer["message"]["content"] == base.require_tokenizer().decode(ids[-12:])
    assert answer["finish_reason"] == "length"


def test_an_adapter_of_the_store_answers_under_its_digest_and_leaves_no_name_behind(tiny: TinyService) -> None:
    digest = tiny.load("ferry-1", FERRY)
    named = chat(tiny, "ferry-1")
    tiny.call.post("/v1/unload_lora_adapter", {"lora_name": "ferry-1"})

    assert chat(tiny, digest)["choices"] == named["choices"]
    assert [card["id"] for card in tiny.call.get("/v1/models").json()["data"]] == [BASE]
    unknown = tiny.call.post("/v1/chat/completions", {"model": "0" * 64, "messages": ASK})
    assert unknown.status_code == 404


def test_concurrent_requests_under_different_adapters_never_leak(tiny: TinyService) -> None:
    documents = {name: {"name": name, "text": f"{name} " * 12 + "sails at dawn."} for name in ("ada", "bo", "cy")}
    for name, document in documents.items():
        tiny.load(name, document)
    wanted = [
        {
            "model": model,
            "messages": ASK if place % 2 else [{"role": "user", "content": "x" * (place + 1)}],
            "max_tokens": 5 + 3 * place,
            "temperature": place % 3 / 2,
            "seed": place,
            "logprobs": True,
            "top_logprobs": 2,
        }
        for place, model in enumerate([BASE, *documents] * 4)
    ]
    alone = [tiny.call.post("/v1/chat/completions", body).json()["choices"][0] for body in wanted]
    assert len({str(a["logprobs"]["content"][0]["logprob"]) for a in alone[1::4]}) > 1

    async def together(order: list[int]) -> list[dict[str, Any]]:
        calls = [tiny.call.send("POST", "/v1/chat/completions", wanted[place]) for place in order]
        return [answer.json()["choices"][0] for answer in await asyncio.gather(*calls)]

    for seed in range(2):
        order = random.Random(seed).sample(range(len(wanted)), len(wanted))
        for place, found in zip(order, asyncio.run(together(order)), strict=True):
            assert found["message"] == alone[place]["message"]
            for one, other in zip(found["logprobs"]["content"], alone[place]["logprobs"]["content"], strict=True):
                assert one["token"] == other["token"]
                assert one["logprob"] == pytest.approx(other["logprob"], abs=1e-4)


def test_answers_are_the_same_while_adapters_are_made_and_measured(tiny: TinyService) -> None:
    digest = tiny.load("ferry-1", FERRY)
    asked = {"messages": ASK, "max_tokens": 60, "temperature": 0, "logprobs": True, "ignore_eos": True}
    questions = [{"question": f"Is it {i}?", "answers": ["no"]} for i in range(70)]
    other: list[tuple[str, dict[str, Any]]] = [
        ("/v1/generate", {"documents": [{**TEA, "text": TEA["text"] * 9}], "key": "33" * 32}),
        ("/v1/evaluate", {"questions": questions, "adapter": digest}),
        ("/v1/attribute", {"adapter": digest, "documents": [FERRY], "question": "When?", "answer": "seven"}),
        ("/v1/extend", {"adapter": digest, "documents": [TEA]}),
    ]
    wanted = [("/v1/chat/completions", {"model": model, **asked}) for model in (BASE, "ferry-1") * 3] + other
    alone = [tiny.call.post(path, body).json() for path, body in wanted]

    async def together() -> list[Any]:
        answers = await asyncio.gather(*(tiny.call.send("POST", path, body) for path, body in wanted))
        return [answer.json() for answer in answers]

    found = asyncio.run(together())

    for one, other_one in zip(found[:6], alone[:6], strict=True):
        assert one["choices"][0]["message"] == other_one["choices"][0]["message"]
    assert [found[i]["digest"] for i in (6, 9)] == [alone[i]["digest"] for i in (6, 9)]
    assert found[7]["nll"] == pytest.approx(alone[7]["nll"], abs=1e-6)
    assert found[8]["log_probability"] == pytest.approx(alone[8]["log_probability"], abs=1e-6)


def test_a_stream_is_the_whole_answer_in_pieces(tiny: TinyService) -> None:
    whole = chat(tiny, stop=["zz"])
    body = {"model": BASE, "messages": ASK, "max_tokens": 12, "temperature": 0, "stream": True}
    answer = tiny.call.post("/v1/chat/completions", {**body, "stream_options": {"include_usage": True}})
    *chunks, count, end = [data for _, data in events(answer.text)]

    assert end == "[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert said == whole["choices"][0]["message"]["content"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["length"]
    assert {chunk["id"] for chunk in chunks} == {count["id"]}
    assert count["choices"] == []
    assert count["usage"] == whole["usage"]
    assert whole["usage"]["completion_tokens"] == 12
    assert whole["usage"]["prompt_tokens"] == len(chat_ids(tiny.core.base.require_tokenizer(), ASK))


def test_completions_take_text_token_ids_and_several_of_either(tiny: TinyService) -> None:
    def complete(prompt: object, **fields: Any) -> list[dict[str, Any]]:
        body = {"model": BASE, "prompt": prompt, "temperature": 0, "max_tokens": 6, "logprobs": 2, **fields}
        answer = tiny.call.post("/v1/completions", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["choices"]  # type: ignore[no-any-return]

    tokenizer = tiny.core.base.require_tokenizer()
    texts = ["The ferry", "Tea"]
    ids = [list(text_ids(tokenizer, text)) for text in texts]
    both = complete(texts)

    assert [choice["index"] for choice in both] == [0, 1]
    assert complete(ids) == both
    found = both[0]["logprobs"]
    for alone in (complete(texts[0]), complete(ids[0])):
        # a batch may round otherwise than a single row
        assert [choice["text"] for choice in alone] == [both[0]["text"]]
        assert alone[0]["logprobs"]["token_logprobs"] == pytest.approx(found["token_logprobs"], abs=1e-4)
    assert found["text_offset"][0] == 0
    assert all(found["tokens"][i] in found["top_logprobs"][i] for i in range(6))
    streamed = tiny.call.post(
        "/v1/completions", {"model": BASE, "prompt": texts[0], "temperature": 0, "max_tokens": 6, "stream": True}
    )
    *chunks, end = [data for _, data in events(streamed.text)]
    assert end == "[DONE]"
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == both[0]["text"]


def test_an_answer_ends_at_its_stop_string(tiny: TinyService) -> None:
    def complete(**fields: Any) -> dict[str, Any]:
        body = {"model": BASE, "prompt": "a", "temperature": 0, "max_tokens": 40, **fields}
        return tiny.call.post("/v1/completions", body).json()["choices"][0]  # type: ignore[no-any-return]

    whole = complete()["text"]
    stop = whole[10:12]

    stopped = complete(stop=stop)

    assert stopped["finish_reason"] == "stop"
    assert stopped["text"] == whole[: whole.index(stop)]
    assert complete(stop=[stop, "never"]) == stopped


def test_a_seed_repeats_an_answer(tiny: TinyService) -> None:
    def say(seed: int | None) -> str:
        return str(chat(tiny, temperature=1, seed=seed)["choices"][0]["message"]["content"])

    assert say(3) == say(3)
    assert len({say(seed) for seed in range(4)}) == 4


def test_text_parts_and_developers_are_understood(tiny: TinyService) -> None:
    parts = [{"type": "text", "text": "When does "}, {"type": "text", "text": "the ferry leave?"}]

    assert chat(tiny, messages=[{"role": "user", "content": parts}])["choices"] == chat(tiny)["choices"]
    developer = chat(tiny, messages=[{"role": "developer", "content": "Be short."}, *ASK])
    system = chat(tiny, messages=[{"role": "system", "content": "Be short."}, *ASK])
    assert developer["choices"] == system["choices"]


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"model": "nobody"}, 404, "no model 'nobody'"),
        ({"model": "../x"}, 404, "no model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "content"),
        ({"n": 2}, 400, "n is not supported"),
        ({"tools": [{"type": "function"}]}, 400, "tools is not supported"),
        ({"temperature": 3}, 400, "temperature"),
        ({"top_p": 0}, 400, "top_p"),
        ({"top_logprobs": 21}, 400, "top_logprobs"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 10_000}, 400, "max_tokens must be at most"),
        ({"messages": [{"role": "user", "content": "x" * 600}]}, 400, "room for an answer within 512"),
        ({"messages": [{"role": "user", "content": "\udc00"}]}, 400, "unpaired surrogate"),
    ],
)
def test_what_cannot_be_answered_is_an_error_in_openais_form(
    tiny: TinyService, fields: dict[str, object], status: int, says: str
) -> None:
    body = {"model": BASE, "messages": ASK, "max_tokens": 3, **fields}
    for stream in (False, True):
        answer = tiny.call.post("/v1/chat/completions", {**body, "stream": stream})
        error = answer.json()["error"]

        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/json"
        assert says in error["message"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["type"] == "invalid_request_error"
        assert (error["code"] == "model_not_found") == (status == 404)


@pytest.mark.parametrize("prompt", ["", [], [[]], [1, 10_000], [-1], ["a"] * 17, "\ud800", None, {"a": 1}])
def test_prompts_that_cannot_be_continued_are_refused(tiny: TinyService, prompt: object) -> None:
    answer = tiny.call.post("/v1/completions", {"model": BASE, "prompt": prompt, "max_tokens": 2})

    assert answer.status_code == 400, answer.text
    assert "message" in answer.json()["error"]


def test_nothing_that_asks_for_nothing_is_refused(tiny: TinyService) -> None:
    neutral = {
        "n": 1,
        "tools": None,
        "presence_penalty": 0,
        "logit_bias": None,
        "user": "me",
        "stop": None,
        "seed": None,
    }

    assert chat(tiny, BASE, **neutral)["choices"] == chat(tiny)["choices"]


def test_a_failure_during_a_stream_is_told_in_it(tiny: TinyService, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.load("tea-1", TEA)
    chosen = sampling.choose
    pair = next(iter((tiny.service.shelf.resolve("tea-1").pairs or {}).values()))

    def choose_and_break(*arguments: Any) -> Any:
        token = chosen(*arguments)
        pair.b_OR.fill_(float("nan"))  # what a gate cannot see: memory that goes bad after the first token
        return token

    monkeypatch.setattr("adapters_core.service.decoding.choose", choose_and_break)
    body = {"model": "tea-1", "messages": ASK, "max_tokens": 9, "temperature": 0, "stream": True}
    *_, (_, failure), (_, end) = events(tiny.call.post("/v1/chat/completions", body).text)

    assert failure["error"]["code"] == "numerical"
    assert end == "[DONE]"
    assert chat(tiny)["choices"], "the base still answers"
