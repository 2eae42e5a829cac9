"""Making adapters over HTTP."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters_core.artifact import read_session
from adapters_core.canonical import sha256_hex
from adapters_core.data.documents import Document
from adapters_core.pipeline import GenerationCore, Limits
from tests.tiny_service import FERRY, KEY, TEA, TinyService, events, serving, tiny_core


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[TinyService]:
    yield from serving(tmp_path / "store")


def test_an_adapter_is_the_one_the_core_makes(tiny: TinyService) -> None:
    answer = tiny.generate(FERRY, TEA)
    own = tiny.core.generate([Document(**FERRY), Document(**TEA)], key=bytes.fromhex(KEY))

    assert answer["digest"] == own.adapter.digest
    assert answer["created"] is True
    assert answer["batched"] is False
    assert answer["parent"] is None
    assert answer["tokens"] == own.state.tokens
    assert answer["manifest"]["identity"]["state_sha256"] == own.state.sha256()
    assert [chunk["commitment"] for chunk in answer["chunks"]] == [e.commitment for e in own.state.entries]


def test_the_same_key_gives_the_same_adapter_and_makes_nothing_new(tiny: TinyService) -> None:
    first = tiny.generate(FERRY)
    again = tiny.generate(FERRY)

    assert again["digest"] == first["digest"]
    assert (first["created"], again["created"]) == (True, False)
    assert again["manifest"] == first["manifest"], "what was observed of the first run is kept"
    assert tiny.generate(FERRY, key="22" * 32)["digest"] != first["digest"]


def test_progress_is_streamed_before_the_result(tiny: TinyService) -> None:
    body = {"documents": [FERRY, TEA], "key": KEY}
    answer = tiny.call.post("/v1/generate", body, headers={"accept": "text/event-stream"})
    found = events(answer.text)

    chunks = len(found) - 1
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert found[:-1] == [("progress", {"done": i, "total": chunks}) for i in range(1, chunks + 1)]
    assert found[-1][0] == "result"
    assert found[-1][1]["digest"] == tiny.generate(FERRY, TEA)["digest"]


def test_extending_names_the_parent_and_erasing_takes_it_back(tiny: TinyService) -> None:
    ferry = tiny.generate(FERRY)
    both = tiny.call.post("/v1/extend", {"adapter": ferry["digest"], "documents": [TEA]}).json()
    erased = tiny.call.post("/v1/erase", {"adapter": both["digest"], "documents": ["tea"]}).json()
    by_chunk = [chunk["commitment"][:12] for chunk in both["chunks"] if chunk["document"] == "tea"]
    same = tiny.call.post("/v1/erase", {"adapter": both["digest"], "chunks": by_chunk}).json()

    assert both["parent"] == ferry["digest"]
    assert {chunk["document"] for chunk in both["chunks"]} == {"ferry", "tea"}
    assert erased["parent"] == both["digest"]
    assert erased["digest"] == same["digest"]
    for field in ("state_sha256", "weights_sha256"):
        assert erased["manifest"]["identity"][field] == ferry["manifest"]["identity"][field]


def test_extending_and_erasing_tell_their_progress_too(tiny: TinyService) -> None:
    ferry = tiny.generate(FERRY)
    both = tiny.call.post("/v1/extend", {"adapter": ferry["digest"], "documents": [TEA]}).json()
    added = len(both["chunks"]) - len(ferry["chunks"])
    erased = {"adapter": both["digest"], "documents": ["tea"]}
    for path, body, pieces in (
        ("/v1/extend", {"adapter": ferry["digest"], "documents": [TEA]}, added),
        ("/v1/erase", erased, 1),
    ):
        answer = tiny.call.post(path, body, headers={"accept": "text/event-stream"})
        *told, (name, result) = events(answer.text)
        assert told == [("progress", {"done": done, "total": pieces}) for done in range(1, pieces + 1)], path
        assert (name, result["digest"]) == ("result", tiny.call.post(path, body).json()["digest"])


def test_what_was_made_can_be_fetched_and_is_what_its_digest_says(tiny: TinyService) -> None:
    made = tiny.generate(FERRY)
    manifest = tiny.call.get(f"/v1/adapters/{made['digest']}")
    files = {name: tiny.call.get(url) for name, url in made["files"].items()}
    chunks = tiny.call.get(f"/v1/adapters/{made['digest']}/chunks")

    assert manifest.json() == made["manifest"]
    assert sorted(files) == ["adapter_config.json", "adapter_model.safetensors", "manifest.json"]
    assert files["manifest.json"].content == manifest.content
    weights = files["adapter_model.safetensors"].content
    assert sha256_hex(weights) == made["manifest"]["identity"]["weights_sha256"]
    assert files["adapter_model.safetensors"].headers["etag"] == f'"{made["digest"]}-adapter_model.safetensors"'
    assert chunks.json() == made["chunks"]


@pytest.mark.parametrize("name", ["context.key", "state.safetensors", "chunks.json", "..%2Fmanifest.json", "x"])
def test_what_does_not_travel_cannot_be_fetched(tiny: TinyService, name: str) -> None:
    made = tiny.generate(FERRY)

    answer = tiny.call.get(f"/v1/adapters/{made['digest']}/files/{name}")

    assert answer.status_code in (400, 404)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("digest", ["0" * 64, "nothing", "..%2F..%2Fetc"])
def test_an_adapter_that_is_not_there_is_a_problem(tiny: TinyService, digest: str) -> None:
    answer = tiny.call.get(f"/v1/adapters/{digest}")

    assert answer.status_code == 404
    assert answer.json()["code"] in ("unknown_adapter", "not_found")


def test_a_session_can_be_removed_once_it_is_unloaded(tiny: TinyService, tmp_path: Path) -> None:
    digest = tiny.load("ferry-1", FERRY)

    refused = tiny.call("DELETE", f"/v1/adapters/{digest}")
    unloaded = tiny.call.post("/v1/unload_lora_adapter", {"lora_name": "ferry-1"})
    removed = tiny.call("DELETE", f"/v1/adapters/{digest}")

    assert (refused.status_code, unloaded.status_code, removed.status_code) == (409, 200, 204)
    assert "ferry-1" in refused.json()["detail"]
    assert tiny.call.get(f"/v1/adapters/{digest}").status_code == 404
    assert list((tmp_path / "store" / "adapters").iterdir()) == []


def test_the_store_holds_whole_sessions(tiny: TinyService, tmp_path: Path) -> None:
    made = tiny.generate(FERRY)

    session = read_session(tmp_path / "store" / "adapters" / made["digest"])

    assert session.adapter.digest == made["digest"]
    assert session.key.hex() == KEY


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        ({"documents": []}, 422, "invalid_input", "documents"),
        ({}, 422, "invalid_input", "documents"),
        ({"documents": [FERRY], "keys": KEY}, 422, "invalid_input", "keys"),
        ({"documents": [FERRY], "key": "12"}, 422, "invalid_input", "key"),
        ({"documents": [FERRY], "decay": 0}, 422, "invalid_input", "decay"),
        ({"documents": [{"name": "a"}]}, 422, "invalid_input", "either a text or a reference"),
        ({"documents": [{"text": "a"}]}, 422, "invalid_input", "has a name"),
        ({"documents": [{"name": "a", "text": " "}]}, 422, "invalid_context", "must hold text"),
        ({"documents": [{"name": "a", "text": "x"}]}, 422, "invalid_context", "at least 2 tokens"),
        ({"documents": [FERRY, FERRY]}, 422, "invalid_context", "distinct names"),
        ({"documents": [{"name": "a", "text": "\ud800b"}]}, 422, "invalid_input", "unpaired surrogate"),
        ({"documents": [{"reference": "a.md"}]}, 422, "invalid_context", "no context folder"),
    ],
)
def test_a_context_that_cannot_be_used_is_a_problem(
    tiny: TinyService, body: object, status: int, code: str, says: str
) -> None:
    answer = tiny.call.post("/v1/generate", body)
    problem = answer.json()

    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:ringi:problem:{code}"
    assert says in problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]


def test_chunks_and_sessions_that_are_not_there_are_problems(tiny: TinyService) -> None:
    made = tiny.generate(FERRY, TEA)
    wrong = [
        ("/v1/extend", {"adapter": "0" * 64, "documents": [TEA]}, 404, "unknown_adapter"),
        ("/v1/extend", {"adapter": made["digest"], "documents": [TEA]}, 409, "mismatch"),
        ("/v1/erase", {"adapter": made["digest"], "chunks": ["00000000"]}, 404, "unknown_chunk"),
        ("/v1/erase", {"adapter": made["digest"], "documents": ["coffee"]}, 400, "invalid_input"),
        ("/v1/erase", {"adapter": made["digest"], "documents": ["ferry", "tea"]}, 400, "invalid_input"),
        ("/v1/erase", {"adapter": made["digest"]}, 422, "invalid_input"),
    ]

    for path, body, status, code in wrong:
        answer = tiny.call.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path


def test_an_error_during_a_stream_is_its_last_event(tiny: TinyService) -> None:
    made = tiny.generate(FERRY)
    body = {"adapter": made["digest"], "documents": ["ferry"]}

    answer = tiny.call.post("/v1/erase", body, headers={"accept": "text/event-stream"})

    assert answer.status_code == 200
    ((name, problem),) = events(answer.text)
    assert (name, problem["code"]) == ("error", "invalid_input")


def test_references_are_read_beneath_the_context_folder_only(tmp_path: Path) -> None:
    contexts = tmp_path / "contexts"
    (contexts / "deep").mkdir(parents=True)
    (contexts / "deep" / "tea.md").write_text(TEA["text"])
    (tmp_path / "secret.md").write_text("secret words of another folder")
    (contexts / "link.md").symlink_to(tmp_path / "secret.md")
    tiny = TinyService(tmp_path / "store", context_root=contexts)

    def generate(**document: str) -> tuple[int, dict[str, object]]:
        answer = tiny.call.post("/v1/generate", {"documents": [document], "key": KEY})
        return answer.status_code, answer.json()

    by_reference = generate(reference="deep/tea.md", name="tea")
    assert by_reference[1]["digest"] == tiny.generate(TEA)["digest"]
    for outside in ("../secret.md", "link.md", str(tmp_path / "secret.md"), "none.md", "deep"):
        status, problem = generate(reference=outside)
        assert (status, problem["code"]) == (422, "invalid_context"), outside
        assert "secret words" not in str(problem)
    assert tiny.service.close()


def test_a_full_disk_leaves_nothing_half_written_and_can_be_tried_again(
    tiny: TinyService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        answer = tiny.call.post("/v1/generate", {"documents": [FERRY], "key": KEY})

    assert (answer.status_code, answer.json()["code"]) == (507, "storage")
    assert "No space left" in answer.json()["detail"]
    assert list((tmp_path / "store" / "adapters").iterdir()) == []
    assert tiny.generate(FERRY)["created"] is True


def test_a_context_over_the_limit_is_refused_before_anything_runs(tmp_path: Path) -> None:
    core = tiny_core()
    tiny = TinyService(
        tmp_path / "store", core=GenerationCore(core.base, core.generator, limits=Limits(context_tokens=50))
    )

    answer = tiny.call.post("/v1/generate", {"documents": [{"name": "a", "text": "word " * 50}]})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_context")
    assert "at most 50 tokens" in answer.json()["detail"]
    assert tiny.service.close()
