"""What the system records without a person's words is said in the reader's language; what a person wrote stays."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from adapters_core.canonical import sha256_hex
from adapters_core.errors import RingiError, UnknownAdapterError
from governance import artifacts
from governance.engines import canary
from governance.engines.engine import Resident
from governance.engines.llama_cpp import LlamaCppEngine
from governance.engines.registry import Engines
from governance.installation import artifact_path
from governance.policy.system_words import WRITTEN, spoken, written
from governance.worker import deploying

VALUES = {"context": "0b9b3a4e-7d0f-4a55-9a0e-000000000001", "name": "standard", "version": 2}
DIGEST = "a" * 64


def left_in_english(text: str) -> list[str]:
    """Three words in a row: names of things are shorter."""
    return re.findall(r"[A-Za-z]+ [a-z]+ [a-z]+", text)


class OddEngine:
    """Serves another adapter, and answers as no other engine does."""

    name, tolerance = "core", 0.005

    def residents(self) -> tuple[Resident, ...]:
        return (Resident(name="desk-" + DIGEST[:16], root="/x", parent="base", digest="b" * 64),)

    def read_out(self, *_args: object, **_more: object) -> tuple[dict[str, float], ...]:
        return ()


class Llama(LlamaCppEngine):
    """Started without any adapter."""

    def _adapters(self) -> list[dict[str, Any]]:
        return []


def llama() -> LlamaCppEngine:
    return Llama("small", "http://127.0.0.1:9")


def changed_file() -> None:
    digest = sha256_hex(b"sound")
    artifacts.keep(b"sound")
    artifact_path(digest).write_bytes(b"damaged")
    artifacts.read(digest)


def folder_with(change: Callable[[Path], object]) -> None:
    files = {"weights": artifacts.keep(b"weights")}
    folder = artifacts.adapter_folder(DIGEST, files)
    folder.chmod(0o755)
    change(folder)
    artifacts.adapter_folder(DIGEST, files)


def overwrite(folder: Path) -> None:
    (folder / "weights").chmod(0o644)
    (folder / "weights").write_bytes(b"damaged")


FAULTS: dict[str, Callable[[], Any]] = {
    "no canary": lambda: canary.canary_from(None),
    "another answer": lambda: canary.check(OddEngine(), "desk-1", canary.Canary(adapter=({"a": -1.0},), base=())),  # type: ignore[arg-type]
    "another adapter": lambda: deploying._resident(OddEngine(), "desk-" + DIGEST[:16], DIGEST),  # type: ignore[arg-type]
    "changed file": changed_file,
    "another file": lambda: folder_with(lambda folder: (folder / "more").touch()),
    "changed folder": lambda: folder_with(overwrite),
    "no such engine": lambda: Engines({"small": "vllm+http://127.0.0.1:9"}, {})["core"],
    "not started with it": lambda: llama().load("desk-1", "/x", DIGEST),
    "not known": lambda: llama().read_out("desk-1", ("Hello",), top=5),
}


@pytest.mark.parametrize("code", sorted(WRITTEN))
def test_what_the_system_writes_is_said_in_the_readers_language(code: str) -> None:
    text = written(code, **VALUES)

    for field in WRITTEN[code].fields:
        with translation.override("ja"):
            said = spoken(field, text)
        assert said != text
        assert not left_in_english(said)
        assert all(str(VALUES[name]) in said for name in re.findall(r"\{(\w+)\}", WRITTEN[code].written))
        with translation.override("en"):
            assert spoken(field, text).rstrip(".").lower().removeprefix("the ") == text.removeprefix("the ")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_what_ends_a_deployment_is_said_in_the_readers_language(fault: str) -> None:
    with pytest.raises(RingiError) as raised:
        FAULTS[fault]()
    error = raised.value

    with translation.override("ja"):
        said = spoken("error", f"{error.code}: {error}")
    assert not said.startswith(error.code)
    assert not left_in_english(said), said


def test_what_an_engine_says_in_its_own_words_stays_beside_what_it_means() -> None:
    with translation.override("ja"):
        said = spoken("error", f"{UnknownAdapterError.code}: no such thing here")

    assert said == "エンジンがこのアダプタを認識していません。エンジンの応答： no such thing here"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("reason", "context 12 was erased"),
        ("reason", "stopped by the kill switch"),
        ("comment", "a new evaluation of the adapter was recorded"),
        ("comment", "canary: they sing no more"),
        ("error", "something: else"),
        ("reason", ""),
    ],
)
def test_what_a_person_wrote_is_left_as_it_is(field: str, text: str) -> None:
    with translation.override("ja"):
        assert spoken(field, text) == text


def test_an_adapter_that_is_lost_after_loading_is_told_in_the_readers_language() -> None:
    with translation.override("ja"):
        said = spoken("error", "canary: core must list desk-1 after loading it, it does not: it is not served")

    assert said.startswith("読み込み後も core の一覧に desk-1 がありません")
