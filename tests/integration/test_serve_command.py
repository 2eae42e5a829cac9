"""``ringi serve`` as a process: it announces its address, asks for the token, answers, and ends in order."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters_core.cli.main import main
from tests.tiny_files import TinyFiles, write_tiny_files

TOKEN = "a-token-of-enough-length"
START_S = 120


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyFiles:
    return write_tiny_files(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def served(tiny: TinyFiles, tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    command = [sys.executable, "-m", "adapters_core", "serve", "--port", "0", "--store", str(tmp_path / "store")]
    process = subprocess.Popen(
        [*command, *tiny.options], stderr=subprocess.PIPE, text=True, env={**os.environ, "RINGI_TOKEN": TOKEN}
    )
    try:
        yield _address(process), process
    finally:
        process.kill()
        process.communicate(timeout=START_S)


def test_the_service_answers_those_who_bear_the_token_and_stops_when_told(
    served: tuple[str, "subprocess.Popen[str]"],
) -> None:
    url, process = served
    assert httpx.get(f"{url}/health", timeout=START_S).status_code == 200
    assert httpx.get(f"{url}/v1/models", timeout=START_S).status_code == 401
    found = httpx.get(f"{url}/v1/models", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=START_S)
    assert found.status_code == 200
    assert len(found.json()["data"]) == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=START_S) in (0, -signal.SIGTERM)


def test_serving_without_a_token_must_be_asked_for(
    tiny: TinyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RINGI_TOKEN", raising=False)
    assert main(["serve", "--port", "0", "--store", str(tmp_path / "store"), *tiny.options]) == 2
    assert "token" in capsys.readouterr().err


def _address(process: "subprocess.Popen[str]") -> str:
    if process.stderr is None:
        raise RuntimeError("the process has no standard error")
    for line in process.stderr:
        if found := re.search(r"http://[\d.]+:\d+", line):
            return found.group()
    raise RuntimeError(f"the service ended with {process.wait()} before it announced its address")
