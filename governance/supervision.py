"""Processes that run together: started, watched, started again when they fall, stopped together."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from adapters_core.errors import UnavailableError

STOP_SECONDS = 15.0
READY_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 60.0
_SHOWN = "» "
"""What a process prints with this mark in front is for the people at the terminal."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """One process."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to this process's own."""
    ready: str | None = None
    """Address that answers with success once it is ready."""
    wait: bool = False
    """Whether the start waits until it is ready."""
    ends: bool = False
    """Whether its end is no failure."""


@dataclass(kw_only=True)
class _Running:
    child: Child
    process: subprocess.Popen[str]
    since: float
    falls: int = 0
    again_at: float | None = None
    """When it is started again; None while it runs."""
    done: bool = False


class Supervisor:
    """Keeps processes running; each writes into a log file of its own."""

    def __init__(self, children: Sequence[Child], *, logs: Path, say: Callable[[str], None]) -> None:
        """Prepare; nothing is started yet.

        Args:
            children: what to run.
            logs: folder of their output.
            say: told what people should know.
        """
        self._children, self._logs, self._say = children, logs, say
        self._running: list[_Running] = []
        self._readers: list[threading.Thread] = []
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start all of them, and wait for those that others need.

        Raises:
            UnavailableError: one of those ended, or does not become ready.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        for child in self._children:
            self._running.append(_Running(child=child, process=self._spawn(child), since=time.monotonic()))
        for running in self._running:
            if running.child.wait:
                self._wait_for(running)
        for running in self._running:
            if running.child.ready and not running.child.wait:
                threading.Thread(target=self._tell_ready, args=(running.child,), daemon=True).start()

    def watch(self) -> None:
        """Start again what falls, until somebody interrupts."""
        while not self._stopped.wait(_LOOK_SECONDS):
            for running in self._running:
                self._look_at(running)

    def stop(self) -> None:
        """Ask all of them to end, the last first; end what does not by force."""
        self._stopped.set()
        alive = [running.process for running in reversed(self._running) if running.process.poll() is None]
        for process in alive:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in alive:
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers:
            reader.join(timeout=1.0)  # a grandchild may hold the pipe open

    def _spawn(self, child: Child) -> subprocess.Popen[str]:
        # A session of its own: Ctrl-C reaches this process, which then ends them in order.
        process = subprocess.Popen(  # noqa: S603  our own commands
            list(child.command),
            env={**os.environ, "PYTHONUNBUFFERED": "1", **child.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        reader = threading.Thread(target=self._log, args=(child, process), daemon=True)
        reader.start()
        self._readers.append(reader)
        return process

    def _log(self, child: Child, process: subprocess.Popen[str]) -> None:
        path = self._logs / f"{child.name.replace(' ', '-')}.log"
        if process.stdout is None:
            return
        with process.stdout as lines, path.open("a", encoding="utf-8") as file:
            for line in lines:
                file.write(line)
                file.flush()
                if line.startswith(_SHOWN):
                    self._say(f"[{child.name}] {line.removeprefix(_SHOWN).rstrip()}")

    def _look_at(self, running: _Running) -> None:
        now = time.monotonic()
        if running.again_at is not None and now >= running.again_at:
            running.process, running.since, running.again_at = self._spawn(running.child), now, None
            return
        status = running.process.poll()
        if status is None or running.again_at is not None or running.done:
            return
        if running.child.ends and status == 0:
            running.done = True
            return
        running.falls = 1 if now - running.since > _STEADY_SECONDS else running.falls + 1
        pause = min(_LONGEST_PAUSE, 2.0 ** (running.falls - 1))
        running.again_at = now + pause
        self._say(f"{running.child.name} ended (status {status}), starts again in {pause:.0f} s: see {self._logs}")

    def _wait_for(self, running: _Running) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not _is_ready(str(running.child.ready)):
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError(f"{running.child.name} did not start: see {self._logs}")
            time.sleep(_LOOK_SECONDS / 5)

    def _tell_ready(self, child: Child) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            if _is_ready(str(child.ready)):
                self._say(f"{child.name} is ready")
                return


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False
