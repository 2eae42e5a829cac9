"""Evaluation and attribution over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters_core.data.prompts import answer_ids, question_ids
from adapters_core.evaluation.scoring import Query, answer_nll
from tests.tiny_service import FERRY, TEA, TinyService, events, serving

QUESTIONS = [{"question": f"When {i}?", "answers": ["seven", "at seven"], "id": f"q{i}"} for i in range(35)]
SUITE = {
    "data": [
        {
            "title": document["name"],
            "paragraphs": [
                {
                    "context": document["text"],
                    "qas": [{"id": document["name"], "question": "What?", "answers": [{"text": "tea"}]}],
                }
            ],
        }
        for document in (FERRY, TEA)
    ]
}


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[TinyService]:
    yield from serving(tmp_path / "store")


def post(tiny: TinyService, path: str, body: object) -> Any:
    answer = tiny.call.post(path, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_questions_are_scored_as_the_core_scores_them(tiny: TinyService) -> None:
    digest = tiny.load("ferry-1", FERRY)
    wrong = tiny.generate(TEA)["digest"]
    body = {"questions": QUESTIONS, "adapter": "ferry-1", "wrong": wrong, "context": FERRY["text"]}
    answer = post(tiny, "/v1/evaluate", body)

    base, tokenizer = tiny.core.base, tiny.core.base.require_tokenizer()
    queries = [
        Query(
            prompt=question_ids(tokenizer, str(question["question"])), answer=answer_ids(tokenizer, "seven", end=False)
        )
        for question in QUESTIONS
    ]
    pairs = tiny.service.store.read(digest).adapter.pairs
    assert list(answer["nll"]) == ["none", "prompt", "adapter", "wrong"]
    assert (answer["adapter"], answer["wrong"], answer["base"]) == (digest, wrong, base.digest)
    for method, adapters in (("none", {}), ("adapter", pairs)):
        found = [one["nll"] for one in answer["questions"] if one["method"] == method]
        assert found == pytest.approx(answer_nll(base, queries, adapters=adapters), abs=1e-4)
        assert answer["nll"][method] == pytest.approx(sum(found) / len(found))
    assert len({round(value, 4) for value in answer["nll"].values()}) == 4
    assert answer["questions"][0]["answer"] is None


def test_answers_are_scored_where_they_are_asked_for(tiny: TinyService) -> None:
    body = {"questions": QUESTIONS[:2], "answers": True, "methods": ["none"]}
    stream = tiny.call.post("/v1/evaluate", body, headers={"accept": "text/event-stream"})
    (progress, result) = events(stream.text)

    assert progress == ("progress", {"done": 2, "total": 2})
    for row in result[1]["questions"]:
        assert isinstance(row["answer"], str)
        assert (row["f1"], row["exact_match"], row["contains"], row["remembered"]) == (0.0, 0.0, 0.0, None)


def test_a_suite_is_evaluated_with_an_adapter_for_each_document(tiny: TinyService) -> None:
    answer = post(tiny, "/v1/evaluate", {"suite": SUITE, "seed": 3})
    report = answer["report"]

    assert answer["kind"] == "suite"
    assert [summary["method"] for summary in report["methods"]] == ["none", "prompt", "adapter", "wrong"]
    assert {row["question"] for row in report["questions"]} == {"ferry", "tea"}
    assert report["provenance"]["seed"] == 3
    assert report["provenance"]["base"] == tiny.core.base.digest


def test_shares_add_up_to_one_and_chunks_to_their_effect(tiny: TinyService) -> None:
    made = tiny.generate(FERRY, TEA)
    body = {"adapter": made["digest"], "documents": [FERRY, TEA], "question": "When?", "answer": "seven"}
    found = post(tiny, "/v1/attribute", body)

    for grain in ("tokens", "sentences", "chunks", "documents"):
        assert sum(span["value"] for span in found["shares"][grain]) == pytest.approx(1, abs=1e-5)
    assert [span["document"] for span in found["shares"]["documents"]] == ["ferry", "tea"]
    effect = found["log_probability"] - found["log_probability_base"]
    assert sum(span["value"] for span in found["answer"]["chunks"]) + found["residual"] == pytest.approx(effect)
    assert len(found["leave_one_out"]) == len(made["chunks"])

    *told, (name, result) = events(tiny.call.post("/v1/attribute", body, headers={"accept": "text/event-stream"}).text)
    pieces = 1 + len(made["chunks"])
    assert told == [("progress", {"done": done, "total": pieces}) for done in range(1, pieces + 1)]
    assert (name, result) == ("result", found)


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/v1/evaluate", {}, 422, "either questions or a suite"),
        ("/v1/evaluate", {"questions": QUESTIONS[:1], "suite": SUITE}, 422, "either questions or a suite"),
        ("/v1/evaluate", {"questions": QUESTIONS[:1], "methods": ["adapter"]}, 422, "need an adapter"),
        ("/v1/evaluate", {"questions": QUESTIONS[:1], "methods": ["full"]}, 422, "methods"),
        ("/v1/evaluate", {"questions": QUESTIONS[:1], "methods": ["none", "none"]}, 422, "distinct"),
        ("/v1/evaluate", {"questions": QUESTIONS[:1], "adapter": "nobody"}, 404, "no model"),
        ("/v1/evaluate", {"questions": [QUESTIONS[0]] * 2}, 400, "id of its own"),
        ("/v1/evaluate", {"questions": [{"question": "x", "answers": []}]}, 422, "answers"),
        ("/v1/evaluate", {"questions": QUESTIONS[:1], "context": "x" * 600}, 422, "leave room within 512"),
        ("/v1/evaluate", {"suite": {"data": 1}}, 400, "suite"),
        ("/v1/evaluate", {"suite": SUITE, "context": "x"}, 422, "own contexts"),
        ("/v1/evaluate", {"questions": QUESTIONS * 30}, 400, "at most 1000 questions"),
        ("/v1/attribute", {"adapter": "0" * 64, "documents": [FERRY]}, 404, "no adapter"),
    ],
)
def test_what_cannot_be_measured_is_a_problem(
    tiny: TinyService, path: str, body: object, status: int, says: str
) -> None:
    answer = tiny.call.post(path, body)

    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


def test_attribution_wants_the_very_documents(tiny: TinyService) -> None:
    made = tiny.generate(FERRY)
    changed = {**FERRY, "text": FERRY["text"].replace("seven", "eight")}

    other = tiny.call.post("/v1/attribute", {"adapter": made["digest"], "documents": [changed]})
    half = tiny.call.post("/v1/attribute", {"adapter": made["digest"], "documents": [FERRY], "question": "When?"})

    assert (other.status_code, half.status_code) == (409, 409)
    assert "do not match their commitment" in other.json()["detail"]
