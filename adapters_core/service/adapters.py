"""Adapters that can be asked by name: gated when they are loaded, kept on the model's device while they are used."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters_core.errors import (
    InputError,
    IntegrityError,
    MismatchError,
    RingiError,
    UnknownAdapterError,
    UnsafeAdapterError,
)
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pairs
from adapters_core.service.loading import read_gated
from adapters_core.service.metrics import Metrics
from adapters_core.service.names import LoadedName, NameRegistry
from adapters_core.service.resident import ResidentPairs
from adapters_core.service.store import SessionStore


@dataclass(frozen=True, kw_only=True, eq=False)
class ResolvedModel:
    """What a model's name stands for."""

    name: str
    digest: str
    """Of the adapter; of the base, where it is the base."""
    pairs: Pairs | None
    """None: the bare base."""


class AdapterShelf:
    """Names, the adapters behind them, and the gate before them."""

    def __init__(
        self,
        base: BaseModel,
        *,
        base_name: str,
        names: NameRegistry,
        store: SessionStore,
        roots: Sequence[Path],
        capacity: int,
        foreign: bool,
        metrics: Metrics,
    ) -> None:
        """Serve adapters of a base.

        Args:
            base: what they are for.
            base_name: its name, which no adapter may take.
            names: shared by all replicas.
            store: sessions, whose adapters can be loaded by digest.
            roots: other folders from which adapters may be loaded.
            capacity: adapters on the device at once.
            foreign: whether adapters without a manifest may be loaded.
            metrics: counts loads.
        """
        self._base = base
        self.base_name = base_name
        self._names = names
        self._store = store
        self._roots = tuple(root.resolve() for root in (store.folder, *roots))
        self._resident = ResidentPairs(capacity, metrics)
        self._foreign = foreign
        self._metrics = metrics
        self._loading = threading.Lock()

    def load(self, name: str, path: str) -> tuple[LoadedName, bool]:
        """Give an adapter a name, past the gate; gives the record and whether it is new.

        Args:
            name: free, or this adapter's already.
            path: its folder, beneath one of the roots; a digest names a session of the store.

        Raises:
            InputError: the path lies elsewhere, or there is nothing, or the name cannot be used.
            UnsafeAdapterError: the gate refuses it.
            MismatchError: the name is another adapter's.
        """
        if name == self.base_name:
            raise MismatchError(f"{name!r} is the base's name: choose another")
        folder = self._allowed(path)
        digest, pairs = self._read(folder)
        record = LoadedName(name=name, digest=digest, path=str(folder), loaded_at=int(time.time()))
        kept = self._names.give(record)
        self._resident.put(digest, pairs)
        return kept, kept is record

    def unload(self, name: str) -> None:
        """Take a name back. Answers on their way under it come to their end.

        Raises:
            UnknownAdapterError: nothing has that name.
        """
        record = self._names.find(name)
        if not self._names.take_back(name):
            raise UnknownAdapterError(f"no adapter is loaded under the name {name[:128]!r}")
        if record and all(other.digest != record.digest for other in self._names.all()):
            self._resident.drop(record.digest)

    def loaded(self) -> list[LoadedName]:
        """All names, in order."""
        return list(self._names.all())

    def resolve(self, model: str) -> ResolvedModel:
        """What answers under a name, made resident where it is not.

        A session of the store answers under its digest without being loaded: to try it out leaves no name behind.

        Raises:
            UnknownAdapterError: no adapter has that name.
            IntegrityError: its files are no longer what was loaded.
        """
        if model == self.base_name:
            return ResolvedModel(name=model, digest=self._base.digest, pairs=None)
        record = self._names.find(model)
        if record is None and self._store.holds(model):
            return self.of_digest(model)
        if record is None:
            raise UnknownAdapterError(
                f"no model {model[:128]!r}: the base is {self.base_name!r}, adapters are loaded first"
            )
        pairs = self._held(record.digest, Path(record.path))
        return ResolvedModel(name=model, digest=record.digest, pairs=pairs)

    def of_digest(self, digest: str) -> ResolvedModel:
        """A session's adapter, loaded under a name or not.

        Raises:
            UnknownAdapterError: the store has none of that digest.
            IntegrityError: as in :meth:`resolve`.
        """
        pairs = self._held(digest, self._store.path(digest))
        return ResolvedModel(name=digest, digest=digest, pairs=pairs)

    def _held(self, digest: str, folder: Path) -> Pairs:
        if (pairs := self._resident.get(digest)) is not None:
            return pairs
        with self._loading:  # one at a time: who waited finds it there
            if (pairs := self._resident.get(digest)) is not None:
                return pairs
            try:
                found, pairs = self._read(folder)
            except UnsafeAdapterError as error:
                raise IntegrityError(f"adapter {digest[:16]} passed the gate once and does not now: {error}") from error
            if found != digest:
                raise IntegrityError(f"the folder of adapter {digest[:16]} holds {found[:16]} now")
            self._resident.put(digest, pairs)
            return pairs

    def _read(self, folder: Path) -> tuple[str, Pairs]:
        try:
            digest, pairs = read_gated(folder, self._base, foreign=self._foreign)
        except RingiError as error:
            self._metrics.loads.labels(error.code).inc()
            raise
        self._metrics.loads.labels("loaded").inc()
        base = self._base
        return digest, {path: pair.to(dtype=base.dtype, device=base.device) for path, pair in pairs.items()}

    def _allowed(self, path: str) -> Path:
        """The folder a caller names, links followed; a relative path is one beneath the store's adapters."""
        try:
            folder = (self._store.folder / path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError("lora_path must be the folder of an adapter, there is none") from error
        if not any(folder.is_relative_to(root) for root in self._roots) or folder in self._roots:
            raise InputError("lora_path must lie beneath one of the folders that adapters may be loaded from")
        return folder
