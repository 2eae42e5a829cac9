"""A real vLLM on loopback, which tests stop and start again; it lies in an environment of its own."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

EXECUTABLE = "RINGI_VLLM"
"""The variable that names vLLM's command."""
TOKEN = "a-token-of-vllm-for-tests"
LARGEST_RANK = 256
START_SECONDS = 900.0
STOP_SECONDS = 60.0
KEPT = 8
"""Adapters that vLLM keeps in memory."""


def executable(environ: Mapping[str, str] = os.environ) -> Path | None:
    """vLLM's command; None where there is none to run."""
    named = environ.get(EXECUTABLE)
    return Path(named) if named and os.access(named, os.X_OK) else None


class VllmServer:
    """One address; whether vLLM listens there is for the test to say."""

    def __init__(self, model: Path, log: Path) -> None:
        self.model, self.log = model, log
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = TOKEN
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Serve the base without any adapter; answers after how many seconds it was ready."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), env=_environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, process_group=0
            )
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() - began > START_SECONDS:
                self.stop()
                raise RuntimeError(f"vLLM did not start: {self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.5)
        return time.monotonic() - began

    def stop(self) -> None:
        """End it with all its processes: adapters that it was given are forgotten."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _command(self) -> list[str]:
        return [
            *(str(executable()), "serve", str(self.model)),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--dtype", "float32", "--max-model-len", "1024", "--max-num-seqs", "4", "--enforce-eager"),
            *("--kv-cache-memory-bytes", str(256 * 2**20), "--gpu-memory-utilization", "0.1"),
            *("--enable-lora", "--max-lora-rank", str(LARGEST_RANK)),
            *("--distributed-executor-backend", "uni"),
            *("--max-loras", "2", "--max-cpu-loras", str(KEPT)),
        ]


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_API_KEY": TOKEN,
        # It takes the processors that this process may use, not all of the machine.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        # Nothing is compiled on the way: the first request for log-probabilities would wait for a C++ compiler, and a
        # slow one ends the server.
        "TORCHDYNAMO_DISABLE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }


@contextmanager
def vllm_server(model: Path, log: Path) -> Iterator[VllmServer]:
    """A vLLM that listens until the block ends."""
    server = VllmServer(model, log)
    server.start()
    try:
        yield server
    finally:
        server.stop()
