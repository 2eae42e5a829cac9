"""llama.cpp's own server on loopback, in a process of its own that ends with its parent."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class LlamaCppServer:
    """A running server."""

    client: httpx.Client
    pid: int
    adapters: int

    def log_probabilities(self, ids: Sequence[int], scales: Sequence[float], *, top: int) -> dict[int, float]:
        """Natural log-probabilities of the most probable first tokens after a prompt.

        Every adapter's scale is sent: llama.cpp takes an empty list as "what is set globally".
        """
        if len(scales) != self.adapters:
            raise ValueError(f"one scale for each of the {self.adapters} adapters, got {len(scales)}")
        request = {
            "prompt": list(ids),
            "n_predict": 1,
            "n_probs": top,
            "temperature": 0.0,
            "cache_prompt": False,
            "lora": [{"id": index, "scale": scale} for index, scale in enumerate(scales)],
        }
        answer = self.client.post("/completion", json=request)
        answer.raise_for_status()
        probabilities = answer.json()["completion_probabilities"][0]["top_logprobs"]
        return {entry["id"]: entry["logprob"] for entry in probabilities}


@contextmanager
def llama_cpp_server(model: Path, adapters: Sequence[Path], log: Path) -> Iterator[LlamaCppServer]:
    """Start a server with a base and adapters, all of them off; end it by its process id."""
    arguments = json.dumps({"model": str(model), "adapters": [str(path) for path in adapters]})
    command = [sys.executable, __file__, arguments]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            address = process.stdout.readline().strip() if process.stdout else ""
            if not address.startswith("http://127.0.0.1:"):
                process.wait(timeout=10)
                raise RuntimeError(f"llama.cpp did not start: {log.read_text()[-2000:]}")
            with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
                _wait_until_ready(client)
                yield LlamaCppServer(client=client, pid=process.pid, adapters=len(adapters))
        finally:
            process.kill()


def _wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + START_SECONDS
    while client.get("/health").status_code != httpx.codes.OK:
        if time.monotonic() > deadline:
            raise TimeoutError("llama.cpp did not become ready")
        time.sleep(0.1)


def serve(arguments: dict[str, Any]) -> None:
    """Run the server until standard input ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = arguments["model"]
    params.n_ctx = 512
    params.n_parallel = 1
    params.warmup = False
    params.port = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 0.0) for path in arguments["adapters"]]
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
