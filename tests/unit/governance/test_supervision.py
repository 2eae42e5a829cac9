"""Processes that run together: one that falls comes back, all end together, what one says is heard."""

import sys
import threading
from pathlib import Path

import pytest

from adapters_core.errors import UnavailableError
from governance.supervision import Child, Supervisor


def python(name: str, code: str, **more: object) -> Child:
    return Child(name=name, command=[sys.executable, "-c", code], **more)  # type: ignore[arg-type]  # its own fields


def heard(children: list[Child], logs: Path, wanted: str) -> list[str]:
    """What is said until something is said."""
    said: list[str] = []
    enough = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        if wanted in text:
            enough.set()

    supervisor = Supervisor(children, logs=logs, say=say)
    supervisor.start()
    watching = threading.Thread(target=supervisor.watch, daemon=True)
    watching.start()
    assert enough.wait(30), said
    supervisor.stop()
    watching.join(30)
    assert not watching.is_alive()
    return said


def test_what_a_process_marks_is_shown_and_the_rest_is_logged(tmp_path: Path) -> None:
    said = heard([python("one", "print('» hello'); print('more'); import time; time.sleep(60)")], tmp_path, "hello")

    assert said == ["[one] hello"]
    assert "» hello" in (tmp_path / "one.log").read_text()


def test_a_process_that_falls_is_started_again(tmp_path: Path) -> None:
    said = heard([python("one", "print('» up'); raise SystemExit(3)")], tmp_path, "in 2 s")

    assert said.count("[one] up") == 2
    assert "status 3" in said[1]


def test_a_process_that_may_end_is_not_started_again(tmp_path: Path) -> None:
    said = heard(
        [python("once", "print('» done')", ends=True), python("other", "raise SystemExit(1)")], tmp_path, "in 4 s"
    )

    assert said.count("[once] done") == 1


def test_a_start_that_fails_is_said_at_once(tmp_path: Path) -> None:
    child = python("web", "raise SystemExit(1)", ready="http://127.0.0.1:9/healthz", wait=True)
    supervisor = Supervisor([child], logs=tmp_path, say=lambda _text: None)

    with pytest.raises(UnavailableError, match="web did not start"):
        supervisor.start()
    supervisor.stop()
