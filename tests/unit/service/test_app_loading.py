"""Loading adapters by name, past the gate."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapters_core.artifact import MANIFEST, WEIGHTS, write_session
from adapters_core.data.documents import Document
from tests.tiny_service import BASE, FERRY, KEY, TEA, TinyService, serving, tiny_core


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[TinyService]:
    (tmp_path / "root").mkdir()
    yield from serving(tmp_path / "store", adapter_roots=(tmp_path / "root",))


def folder(tiny: TinyService, target: Path) -> Path:
    """A fresh adapter folder beneath an allowed root."""
    session = tiny.core.generate([Document(**FERRY)], key=bytes.fromhex(KEY))
    return write_session(session, target)


def load(tiny: TinyService, name: str, path: object) -> tuple[int, dict[str, object]]:
    answer = tiny.call.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(path)})
    body = answer.json()
    return answer.status_code, body.get("error", body)


def names(tiny: TinyService) -> list[str]:
    return [card["id"] for card in tiny.call.get("/v1/models").json()["data"]]


def ask(tiny: TinyService, model: str) -> list[float]:
    body = {"model": model, "prompt": "The ferry", "max_tokens": 3, "temperature": 0, "logprobs": 1}
    answer = tiny.call.post("/v1/completions", body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["logprobs"]["token_logprobs"]  # type: ignore[no-any-return]


def test_a_loaded_adapter_is_listed_with_its_parent_and_answers(tiny: TinyService, tmp_path: Path) -> None:
    path = folder(tiny, tmp_path / "root" / "ferry")

    status, card = load(tiny, "ferry-1", path)
    base, adapter = tiny.call.get("/v1/models").json()["data"]

    assert status == 200
    assert card == adapter
    assert (base["id"], base["parent"], base["root"]) == (BASE, None, "tiny-llama")
    assert (adapter["id"], adapter["parent"], adapter["root"]) == ("ferry-1", BASE, str(path))
    assert adapter["digest"] == tiny.generate(FERRY)["digest"]
    assert ask(tiny, "ferry-1") != ask(tiny, BASE)


def test_a_name_is_given_once(tiny: TinyService) -> None:
    ferry, tea = tiny.generate(FERRY)["digest"], tiny.generate(TEA)["digest"]

    first = load(tiny, "slot-1", ferry)
    again = load(tiny, "slot-1", ferry)
    other, problem = load(tiny, "slot-1", tea)

    assert first == again
    assert other == 409
    assert "a name is given once" in str(problem["message"])
    assert load(tiny, BASE, ferry)[0] == 409
    assert names(tiny) == [BASE, "slot-1"]
    assert load(tiny, "slot-2", ferry)[0] == 200, "one adapter may have several names"


def test_unloading_takes_a_name_back(tiny: TinyService) -> None:
    tiny.load("ferry-1", FERRY)

    first = tiny.call.post("/v1/unload_lora_adapter", {"lora_name": "ferry-1"})
    again = tiny.call.post("/v1/unload_lora_adapter", {"lora_name": "ferry-1"})

    assert (first.status_code, again.status_code) == (200, 404)
    assert names(tiny) == [BASE]
    assert tiny.call.post("/v1/completions", {"model": "ferry-1", "prompt": "a"}).status_code == 404


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "a b", "x" * 129, "ü"])
def test_what_is_no_name_is_refused(tiny: TinyService, name: str) -> None:
    status, problem = load(tiny, name, tiny.generate(FERRY)["digest"])

    assert (status, problem["code"]) == (400, "invalid_input")


def test_paths_outside_the_allowed_folders_are_refused(tiny: TinyService, tmp_path: Path) -> None:
    outside = folder(tiny, tmp_path / "elsewhere")
    (tmp_path / "root" / "link").symlink_to(outside)

    for path in (outside, tmp_path / "root" / "link", "../../elsewhere", tmp_path / "root", "", ".", "\0", "none"):
        status, problem = load(tiny, "x", path)
        assert (status, problem["code"]) == (400, "invalid_input"), path
    assert names(tiny) == [BASE]


def test_loading_in_place_is_refused(tiny: TinyService) -> None:
    body = {"lora_name": "x", "lora_path": tiny.generate(FERRY)["digest"], "load_inplace": True}

    assert tiny.call.post("/v1/load_lora_adapter", body).status_code == 400


def _nan(path: Path) -> None:
    tensors = load_file(path / WEIGHTS)
    next(iter(tensors.values()))[0, 0] = float("nan")
    save_file(tensors, path / WEIGHTS, metadata={"format": "pt"})
    _bless(path)


def _huge(path: Path) -> None:
    tensors = {name: tensor * 1e4 for name, tensor in load_file(path / WEIGHTS).items()}
    save_file(tensors, path / WEIGHTS, metadata={"format": "pt"})
    _bless(path)


def _renamed(path: Path) -> None:
    tensors = {name.replace("base_model.model.", ""): t for name, t in load_file(path / WEIGHTS).items()}
    save_file(tensors, path / WEIGHTS, metadata={"format": "pt"})
    _bless(path)


def _cut(path: Path) -> None:
    data = (path / WEIGHTS).read_bytes()
    (path / WEIGHTS).write_bytes(data[: len(data) // 2])


def _flipped(path: Path) -> None:
    data = bytearray((path / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (path / WEIGHTS).write_bytes(data)


def _scaled(path: Path) -> None:
    config = json.loads((path / "adapter_config.json").read_text())
    (path / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": config["r"] * 2}))


def _without_manifest(path: Path) -> None:
    (path / MANIFEST).unlink()


def _bless(path: Path) -> None:
    """A manifest that says of the changed weights what it must: only what they hold is wrong."""
    from dataclasses import replace

    from adapters_core.canonical import file_sha256
    from adapters_core.manifest import Manifest

    manifest = Manifest.read(path / MANIFEST)
    identity = replace(manifest.identity, weights_sha256=file_sha256(path / WEIGHTS))
    (path / MANIFEST).write_bytes(replace(manifest, identity=identity).to_bytes())


@pytest.mark.parametrize("damage", [_nan, _huge, _renamed, _cut, _flipped, _scaled, _without_manifest])
def test_the_gate_refuses_a_bad_adapter_and_answers_stay_as_they_were(
    tiny: TinyService, tmp_path: Path, damage: object
) -> None:
    tiny.load("good", TEA)
    before = ask(tiny, BASE), ask(tiny, "good")
    path = folder(tiny, tmp_path / "root" / "bad")
    damage(path)  # type: ignore[operator]

    status, problem = load(tiny, "bad", path)

    assert (status, problem["code"]) == (400, "unsafe_adapter")
    assert names(tiny) == [BASE, "good"]
    assert (ask(tiny, BASE), ask(tiny, "good")) == before


def test_an_adapter_of_another_base_is_refused(tiny: TinyService, tmp_path: Path) -> None:
    other = tiny_core("mistral")
    path = write_session(other.generate([Document(**FERRY)]), tmp_path / "root" / "other")

    status, problem = load(tiny, "other", path)

    assert (status, problem["code"]) == (400, "unsafe_adapter")
    assert "base" in str(problem["message"])


def test_adapters_without_a_manifest_are_taken_where_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    tiny = TinyService(tmp_path / "store", adapter_roots=(tmp_path / "root",), foreign_adapters=True)
    path = folder(tiny, tmp_path / "root" / "foreign")
    _without_manifest(path)
    bad = tmp_path / "root" / "bad"
    shutil.copytree(path, bad)
    tensors = load_file(bad / WEIGHTS)
    next(iter(tensors.values()))[0, 0] = float("inf")
    save_file(tensors, bad / WEIGHTS, metadata={"format": "pt"})

    assert load(tiny, "foreign", path)[0] == 200
    assert load(tiny, "bad", bad)[0] == 400
    assert ask(tiny, "foreign") != ask(tiny, BASE)
    assert tiny.service.close()


def test_an_adapter_that_left_memory_comes_back_unless_its_files_were_changed(tmp_path: Path) -> None:
    tiny = TinyService(tmp_path / "store", resident_adapters=1)
    ferry = tiny.load("ferry-1", FERRY)
    before = ask(tiny, "ferry-1")
    tiny.load("tea-1", TEA)  # makes the other one leave

    assert ask(tiny, "ferry-1") == before
    ask(tiny, "tea-1")
    _flipped(tmp_path / "store" / "adapters" / ferry)
    answer = tiny.call.post("/v1/completions", {"model": "ferry-1", "prompt": "a"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "integrity")
    assert tiny.service.close()


def test_names_survive_a_restart(tmp_path: Path) -> None:
    first = TinyService(tmp_path / "store")
    first.load("ferry-1", FERRY)
    before = ask(first, "ferry-1")
    assert first.service.close()

    second = TinyService(tmp_path / "store")

    assert names(second) == [BASE, "ferry-1"]
    assert ask(second, "ferry-1") == before
    assert second.service.close()


def test_swapping_between_resident_adapters_reads_nothing(tiny: TinyService) -> None:
    tiny.load("ferry-1", FERRY)
    tiny.load("tea-1", TEA)
    loads = tiny.service.metrics.loads.labels("loaded")._value.get()
    held = [tiny.service.shelf.resolve(name).pairs for name in ("ferry-1", "tea-1")]

    again = [tiny.service.shelf.resolve(name).pairs for name in ("ferry-1", "tea-1")]

    assert all(one is other for one, other in zip(held, again, strict=True))
    assert tiny.service.metrics.loads.labels("loaded")._value.get() == loads
    assert all(pair.a_RI.dtype == torch.float32 for pair in (held[0] or {}).values())
