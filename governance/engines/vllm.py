"""The embedded core, the same app on Ray Serve, and vLLM: one set of calls.

Where they differ, as ``tests/integration/governance/test_vllm_engine.py`` shows on a real vLLM: it refuses a name that
it has, answers 500 for an adapter that it cannot read and goes on, and lists a folder where the core lists a digest.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from adapters_core.errors import EngineError, EngineRefusedError, UnknownAdapterError
from governance.engines.calls import EngineCalls
from governance.engines.engine import Address, Nats, Reading, Resident

CORE_TOLERANCE = 0.005
"""Nats. The same base and dtype; answers that share a batch differ by 1e-4, vLLM in float32 by 0.002."""
_UNREADABLE = frozenset({"InternalServerError"})
"""What vLLM calls an adapter that it cannot read or has no room for: a higher rank, broken or missing files."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class VllmEngine:
    """An engine with run-time adapters."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        token: str | None = None,
        tolerance: Nats = CORE_TOLERANCE,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Name an engine; nothing is asked yet."""
        self.name = name
        self.tolerance = tolerance
        self._calls = EngineCalls(url, token=token, transport=transport)
        self._base: str | None = None

    def residents(self) -> tuple[Resident, ...]:
        """What it serves now."""
        cards = self._calls.ask("GET", "/v1/models")
        try:
            found = tuple(_resident(card) for card in cards["data"])
        except (KeyError, TypeError) as error:
            raise EngineError(f"the engine {self.name} must list its models, it answered {cards!r:.200}") from error
        self._base = next((one.name for one in found if one.parent is None), None)
        return found

    def load(self, name: str, path: Path | str, digest: str) -> None:
        """Load an adapter; the same one under the same name again changes nothing."""
        body = {"lora_name": name, "lora_path": str(path)}
        try:
            self._calls.ask("POST", "/v1/load_lora_adapter", body, final=_UNREADABLE)
        except EngineRefusedError:
            # vLLM refuses to load what it has; ours answers with success.
            if any(one.name == name and str(one.root) == str(path) for one in self.residents()):
                return
            # A server whose engine has ended says the same of every adapter, and that passes: it is started again.
            self._calls.ask("GET", "/health")
            raise

    def unload(self, name: str) -> None:
        """Take a name back."""
        try:
            self._calls.ask("POST", "/v1/unload_lora_adapter", {"lora_name": name})
        except UnknownAdapterError:
            return
        except EngineRefusedError:
            if any(one.name == name for one in self.residents()):
                raise

    def discard(self, digest: str) -> bool:
        """Nothing to do: it loads from folders of ours, and an adapter without a name is out of its memory."""
        return False

    def read_out(self, name: str | None, prompts: Sequence[str], *, top: int) -> Reading:
        """Log-probabilities of the first token after each prompt."""
        body = {
            "model": name or self._base_name(),
            "prompt": list(prompts),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": top,
        }
        answer = self._calls.ask("POST", "/v1/completions", body)
        try:
            choices = sorted(answer["choices"], key=lambda choice: int(choice["index"]))
            return tuple(choice["logprobs"]["top_logprobs"][0] for choice in choices)
        except (KeyError, TypeError, IndexError) as error:
            raise EngineError(f"the engine {self.name} must give log-probabilities: {answer!r:.200}") from error

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    def address(self, name: str | None, path: str, body: Mapping[str, Any]) -> Address:
        """How to ask it."""
        asked = {**body, "model": name or self._base_name()}
        return Address(url=self._calls.url + path, headers=self._calls.headers, body=asked)

    def _base_name(self) -> str:
        if self._base is None:
            self.residents()
        if self._base is None:
            raise EngineError(f"the engine {self.name} must serve a base, it lists none")
        return self._base


def _resident(card: Mapping[str, Any]) -> Resident:
    """The core says the digest of an adapter; vLLM says its folder, which is named by the digest."""
    root, parent, digest = card.get("root"), card.get("parent"), card.get("digest")
    named = PurePosixPath(str(root)).name
    if digest is None and parent is not None and _DIGEST.fullmatch(named):
        digest = named
    return Resident(name=card["id"], root=root, parent=parent, digest=digest)
