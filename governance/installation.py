"""This installation's ledger and keys: opened once per process, where the settings say."""

import sysconfig
from asyncio import AbstractEventLoop
from functools import cached_property
from pathlib import Path
from weakref import WeakKeyDictionary

import httpx
from django.apps import apps
from django.conf import settings

from adapters_core.ledger.session import Ledger, open_ledger
from adapters_core.ledger.signing import SigningKey, load_key
from adapters_core.ledger.vault import MasterKey, load_master_key
from governance.engines.registry import Engines, configured_engines

NAME = "governance"


class Installation:
    """What every action and every page reads from."""

    @cached_property
    def signing_key(self) -> SigningKey:
        """Signs decisions and checkpoints.

        Raises:
            StorageError: `manage.py setup` has not made it.
        """
        return load_key(key_path("ledger.key"))

    @cached_property
    def master_key(self) -> MasterKey:
        """Opens the vault.

        Raises:
            StorageError: `manage.py setup` has not made it.
        """
        return load_master_key(key_path("vault.key"))

    @cached_property
    def core_token(self) -> str | None:
        """What the core wants callers to bear: from the settings, else as setup has drawn it; None without either."""
        given: str | None = settings.CORE_TOKEN
        path = key_path("core.token")
        return given or (path.read_text(encoding="ascii").strip() if path.is_file() else None)

    @cached_property
    def engines(self) -> Engines:
        """The serving engines."""
        return configured_engines(self.core_token)

    @cached_property
    def connections(self) -> WeakKeyDictionary[AbstractEventLoop, httpx.AsyncClient]:
        """Connections of the gateway to engines, by the event loop that they belong to."""
        return WeakKeyDictionary()

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger."""
        return open_ledger(settings.LEDGER_URL, signer=self.signing_key)


def installation() -> Installation:
    """The one of this process."""
    held: Installation = getattr(apps.get_app_config(NAME), "installation")  # noqa: B009  Django types the base class
    return held


def key_path(name: str) -> Path:
    """Where a key lies: a folder that only its owner may enter."""
    folder: Path = settings.VAR / "keys"
    return folder / name


def artifact_path(digest: str) -> Path:
    """Where the file of this SHA-256 lies."""
    root: Path = settings.VAR / "artifacts"
    return root / digest[:2] / digest


def examples_folder() -> Path:
    """Where the examples lie: beside the packages in a checkout, under ``share`` where a wheel is installed."""
    beside: Path = settings.BASE_DIR / "examples"
    return beside if beside.is_dir() else Path(sysconfig.get_path("data")) / "share" / "ringi" / "examples"
