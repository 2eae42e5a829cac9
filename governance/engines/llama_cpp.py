"""llama.cpp: adapters are given at its start, and each request says the scale of every one of them.

An empty list of scales means "as set globally", and the prompt cache is reused across adapters: so the list is always
complete, and the cache is off. An adapter's file is named by the adapter's digest, which is how it is found again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from adapters_core.errors import EngineError, EngineRefusedError, StorageError, UnknownAdapterError
from governance.engines.calls import EngineCalls
from governance.engines.engine import DIGITS, Address, Nats, Reading, Resident

TOLERANCE = 0.15
"""Nats: a quantised base, other kernels. Measured up to 0.09 with Q4_1."""


class LlamaCppEngine:
    """A llama.cpp server with adapters in files ``<digest>.gguf``."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        token: str | None = None,
        tolerance: Nats = TOLERANCE,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Name a server; nothing is asked yet."""
        self.name = name
        self.tolerance = tolerance
        self._calls = EngineCalls(url, token=token, transport=transport)

    def residents(self) -> tuple[Resident, ...]:
        """The base, and the adapters that it was started with."""
        base = Resident(name="base", root=None, parent=None, digest=None)
        return (base, *(self._resident(entry) for entry in self._adapters()))

    def load(self, name: str, path: Path | str, digest: str) -> None:
        """Nothing to do where it was started with this adapter; else it cannot be loaded now."""
        if not any(_digest(entry) == digest for entry in self._adapters()):
            raise EngineRefusedError(
                f"llama.cpp takes adapters when it starts: put {digest}.gguf (ringi export --format gguf) into its "
                f"folder, start {self.name} again with it, then deploy {name}"
            )

    def unload(self, name: str) -> None:
        """Nothing to do: without a scale of 1 in a request it takes no part in the answer. Its file: ``discard``."""

    def discard(self, digest: str) -> bool:
        """Remove ``<digest>.gguf`` from where the server has its adapters; it keeps what it has read until it restarts.

        Raises:
            EngineError: it gives no answer, or it has the adapter and no file of it was found here to be removed.
            StorageError: the file could not be removed.
        """
        entries = self._adapters()
        folders = {Path(str(entry["path"])).parent for entry in entries}
        removed = [_remove(folder / f"{digest}.gguf") for folder in folders]
        held = any(_digest(entry) == digest for entry in entries)
        if held and not any(removed):
            raise EngineError(
                f"{self.name} must be started without {digest}.gguf, which is not where it says, seen from here: see "
                f"that the file is gone from its folder, then start {self.name} again"
            )
        return held

    def read_out(self, name: str | None, prompts: Sequence[str], *, top: int) -> Reading:
        """Log-probabilities of the first token after each prompt."""
        scales = self._scales(name)
        return tuple(self._read(prompt, scales, top) for prompt in prompts)

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    def address(self, name: str | None, path: str, body: Mapping[str, Any]) -> Address:
        """How to ask it."""
        asked = {**body, "model": name or "base", "lora": self._scales(name), "cache_prompt": False}
        return Address(url=self._calls.url + path, headers=self._calls.headers, body=asked)

    def _read(self, prompt: str, scales: list[dict[str, Any]], top: int) -> Mapping[str, Nats]:
        body = {
            "prompt": prompt,
            "n_predict": 1,
            "n_probs": top,
            "temperature": 0.0,
            "cache_prompt": False,
            "lora": scales,
        }
        answer = self._calls.ask("POST", "/completion", body)
        try:
            found = answer["completion_probabilities"][0]["top_logprobs"]
            return {str(entry["token"]): float(entry["logprob"]) for entry in found}
        except (KeyError, TypeError, IndexError) as error:
            raise EngineError(f"the engine {self.name} must give log-probabilities: {answer!r:.200}") from error

    def _scales(self, name: str | None) -> list[dict[str, Any]]:
        """Every adapter's scale: 1 for the one that is asked for, 0 for the others.

        Raises:
            UnknownAdapterError: it was not started with this adapter.
        """
        entries = self._adapters()
        wanted = name.rpartition("-")[2] if name else None
        chosen = [entry["id"] for entry in entries if wanted and _digest(entry)[:DIGITS] == wanted]
        if name and not chosen:
            raise UnknownAdapterError(f"{self.name} must have been started with the adapter of {name}, it was not")
        return [{"id": entry["id"], "scale": 1.0 if entry["id"] in chosen[:1] else 0.0} for entry in entries]

    def _adapters(self) -> list[dict[str, Any]]:
        found = self._calls.ask("GET", "/lora-adapters")
        if not isinstance(found, list):
            raise EngineError(f"the engine {self.name} must list its adapters, it answered {found!r:.200}")
        return found

    def _resident(self, entry: Mapping[str, Any]) -> Resident:
        digest = _digest(entry)
        return Resident(name=digest[:DIGITS], root=str(entry["path"]), parent="base", digest=digest)


def _remove(file: Path) -> bool:
    """Remove a file; answers whether there was one. A path that is not whole means another folder here."""
    if not file.is_absolute() or not file.is_file():
        return False
    try:
        file.unlink()
    except OSError as error:
        raise StorageError(f"{file} must be removed with its adapter, it could not be: {error.strerror}") from error
    return True


def _digest(entry: Mapping[str, Any]) -> str:
    return PurePosixPath(str(entry.get("path", ""))).stem
