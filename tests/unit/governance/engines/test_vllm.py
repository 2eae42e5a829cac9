"""What the driver makes of answers in vLLM's words; a real vLLM gives them in tests/integration/governance."""

import httpx
import pytest

from adapters_core.errors import EngineError, EngineRefusedError
from governance.engines.vllm import VllmEngine

DIGEST = "5d" * 32
UNREADABLE = {"error": {"message": "LoRA rank 512 is greater than max_lora_rank 256.", "type": "InternalServerError"}}
"""As vLLM 0.32 answers, with the status 500."""


def engine(*, health: int = 200, failure: httpx.Response | None = None, parent: str | None = "base") -> VllmEngine:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(health)
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "one", "root": f"/var/{DIGEST}", "parent": parent}]})
        return failure or httpx.Response(500, json={"error": {**UNREADABLE["error"], "param": None, "code": 500}})

    return VllmEngine("vllm", "http://vllm", transport=httpx.MockTransport(answer))


def test_an_adapter_that_a_sound_server_cannot_read_is_refused_for_good() -> None:
    with pytest.raises(EngineRefusedError, match="greater than max_lora_rank"):
        engine().load("desk", f"/var/{'6e' * 32}", "6e" * 32)


def test_a_server_whose_engine_has_ended_is_asked_again_later() -> None:
    with pytest.raises(EngineError):
        engine(health=503).load("desk", f"/var/{DIGEST}", DIGEST)


@pytest.mark.parametrize("failure", [httpx.Response(500, text="Internal Server Error"), httpx.Response(503)])
def test_a_failure_in_other_words_is_asked_again_later(failure: httpx.Response) -> None:
    """A replica of Ray Serve that ends takes its requests with it, and is back in seconds."""
    with pytest.raises(EngineError):
        engine(failure=failure).load("desk", f"/var/{DIGEST}", DIGEST)


@pytest.mark.parametrize(("parent", "digest"), [("base", DIGEST), (None, None)])
def test_the_digest_of_an_adapter_is_read_from_its_folder(parent: str | None, digest: str | None) -> None:
    (resident,) = engine(parent=parent).residents()

    assert resident.digest == digest
