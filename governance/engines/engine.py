"""What a serving engine can be asked for, whichever it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from adapters_core.ledger.verification import serving

Nats = float
Reading = tuple[Mapping[str, Nats], ...]
"""A prompt each: the most probable next tokens with their log-probabilities."""
DIGITS = serving.DIGITS
"""Of an adapter's digest, at the end of the names under which engines have it."""


def loaded_name(slot: str, adapter: str) -> str:
    """The name of a slot's adapter in an engine: never given to another one."""
    return f"{slot}-{adapter[:DIGITS]}"


@dataclass(frozen=True, kw_only=True)
class Resident:
    """A model that an engine can be asked for."""

    name: str
    root: str | None
    """Where its files came from, as the engine says it."""
    parent: str | None
    """The base, of an adapter; None for the base itself."""
    digest: str | None
    """Of the adapter, where the engine knows it."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """How the gateway asks for one answer."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class Engine(Protocol):
    """A serving engine. Every call may be repeated."""

    @property
    def name(self) -> str:
        """As slots name it."""
        ...

    @property
    def tolerance(self) -> Nats:
        """How far its log-probabilities may lie from those of the core for the same adapter."""
        ...

    def residents(self) -> tuple[Resident, ...]:
        """What it serves now, the base among it.

        Raises:
            EngineError: it gives no answer.
        """
        ...

    def load(self, name: str, path: Path | str, digest: str) -> None:
        """Load an adapter under a name that is given once.

        Raises:
            EngineError: it gives no answer.
            RingiError: it refuses, as another class than EngineError.
        """
        ...

    def unload(self, name: str) -> None:
        """Take a name back; that it is not there is no error. Raises as :meth:`load`."""
        ...

    def discard(self, digest: str) -> bool:
        """Remove files of an adapter that are the engine's own; answers whether it keeps it in memory till it restarts.

        Raises as :meth:`load`, and EngineError or StorageError while a file of the adapter cannot be removed.
        """
        ...

    def read_out(self, name: str | None, prompts: Sequence[str], *, top: int) -> Reading:
        """Log-probabilities of the first token after each prompt, under an adapter or the bare base.

        Raises as :meth:`load`.
        """
        ...

    def address(self, name: str | None, path: str, body: Mapping[str, Any]) -> Address:
        """How to ask it, over the OpenAI interface, under an adapter or the bare base. Raises as :meth:`residents`."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
