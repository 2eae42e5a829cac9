"""What a worker works with; handed in, so that tests hand in theirs."""

from collections.abc import Callable
from dataclasses import dataclass

from adapters_core.errors import BusyError, EngineError, StorageError
from adapters_core.ledger.records import Actor
from adapters_core.ledger.session import Ledger
from adapters_core.ledger.vault import MasterKey
from adapters_core.service.client import CoreClient
from governance.engines.registry import Engines

LEASE_SECONDS = 30.0
SYSTEM = Actor(id="worker", name="worker", kind="system")
"""Who records what nobody did: the end of a deployment, a drift, a deletion."""


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """One worker's tools."""

    name: str
    """Tells workers apart in jobs and messages."""
    ledger: Ledger
    master: MasterKey
    core: CoreClient
    engines: Engines
    mlflow_url: str
    webhooks: tuple[str, ...] = ()
    webhook_secret: str = ""
    mlflow_ready: Callable[[], bool] = lambda: True
    """Whether it is worth asking MLflow again."""
    lease_seconds: float = LEASE_SECONDS
    answered: int = 8
    """Questions of each context that the model also answers, under every method."""
    resident_per_slot: int = 4
    """Adapters of a slot that stay loaded, for a rollback without a load."""


def passes(error: Exception) -> bool:
    """Whether the reason of a failure may pass by itself: something is down, busy or full."""
    return isinstance(error, EngineError | BusyError | StorageError)
