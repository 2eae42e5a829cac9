"""An adapter on disk: a folder that PEFT and vLLM load as it is.

    adapter_config.json, adapter_model.safetensors   PEFT's format (export rule of :mod:`export.peft_format`)
    manifest.json                                    canonical JSON; its digest names the adapter
    state.safetensors                                the exact total, and every chunk's own state
    chunks.json                                      where each chunk lies in its documents (no text)
    context.key                                      key of the commitments, readable by its owner only

The last three are what extending and erasing need. They stay with the generation core; only the first three travel to
serving engines and registries (:func:`served_files`).
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save, save_file

from adapters_core.canonical import canonical_bytes, sha256_hex
from adapters_core.errors import InputError, IntegrityError
from adapters_core.export.peft_format import from_peft_tensors, peft_config, to_peft_tensors, uniform_rank
from adapters_core.manifest import Manifest
from adapters_core.modeling.adapter import Adapter
from adapters_core.modeling.lora import Pairs
from adapters_core.modeling.state import ChunkEntry, ChunkState, State
from adapters_core.storage import atomic_folder

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
MANIFEST = "manifest.json"
STATE = "state.safetensors"
CHUNKS = "chunks.json"
KEY = "context.key"
KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class ChunkPlace:
    """Where a chunk lies: nothing of its text."""

    commitment: str
    document: str
    index: int
    start: int
    end: int
    tokens: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """An adapter with all it needs to be extended and to have chunks erased."""

    adapter: Adapter
    state: State
    chunk_states: Mapping[str, ChunkState]
    """By commitment."""
    places: Mapping[str, ChunkPlace]
    """By commitment."""
    key: bytes
    """Key of the commitments."""


def weights_bytes(pairs: Pairs, *, dtype: torch.dtype = torch.float32) -> bytes:
    """The bytes of adapter_model.safetensors: a function of the pairs alone."""
    return save(to_peft_tensors(pairs, dtype=dtype), metadata={"format": "pt"})


def served_files(adapter: Adapter, *, dtype: torch.dtype = torch.float32) -> dict[str, bytes]:
    """The files that travel to engines and registries, by name."""
    config = peft_config(
        adapter.pairs, rank=uniform_rank(adapter.pairs), base_name=adapter.manifest.identity.base.source
    )
    return {
        CONFIG: (json.dumps(config, indent=1, sort_keys=True) + "\n").encode(),
        WEIGHTS: weights_bytes(adapter.pairs, dtype=dtype),
        MANIFEST: adapter.manifest.to_bytes(),
    }


def write_session(session: Session, folder: Path) -> Path:
    """Write a session's folder, whole or not at all.

    Raises:
        StorageError: the folder exists, or could not be written.
        BusyError: another process is writing it.
    """
    with atomic_folder(folder) as staging:
        for name, data in served_files(session.adapter).items():
            (staging / name).write_bytes(data)
        tensors = {"total": session.state.total_NKV}
        tensors |= {f"chunk.{c}": state.state_NKV for c, state in session.chunk_states.items()}
        save_file(tensors, staging / STATE, metadata={"format": "pt"})
        record = {
            "decay": session.state.decay,
            "entries": [asdict(entry) for entry in session.state.entries],
            "places": [asdict(place) for place in session.places.values()],
        }
        (staging / CHUNKS).write_bytes(canonical_bytes(record))
        handle = os.open(staging / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(session.key.hex() + "\n")
    return folder


def read_adapter(folder: Path) -> Adapter:
    """Read the served files of an adapter and check them against its manifest.

    Raises:
        InputError: no such folder.
        IntegrityError: a file is missing, truncated or changed.
    """
    if not folder.is_dir():
        raise InputError(f"no adapter folder at {folder}")
    manifest = Manifest.read(folder / MANIFEST)
    path = folder / WEIGHTS
    try:
        data = path.read_bytes()
        if (found := sha256_hex(data)) != manifest.identity.weights_sha256:
            raise IntegrityError(f"{path} must have sha256 {manifest.identity.weights_sha256}, got {found}")
        pairs = from_peft_tensors(load_file(path))
    except (OSError, SafetensorError) as error:
        raise IntegrityError(f"{path} is not a whole safetensors file: {error}") from error
    return Adapter(pairs=pairs, manifest=manifest)


def read_session(folder: Path) -> Session:
    """Read an adapter with its state.

    Raises:
        InputError: no such folder, or one without a state (an adapter that was only exported).
        IntegrityError: a file is missing, truncated or changed.
    """
    adapter = read_adapter(folder)
    if not (folder / STATE).is_file():
        raise InputError(f"{folder} holds an adapter without its state: it can be served, not extended or erased from")
    try:
        key = bytes.fromhex((folder / KEY).read_text().strip())
        record = json.loads((folder / CHUNKS).read_bytes())
        entries = tuple(ChunkEntry(**entry) for entry in record["entries"])
        places = {place["commitment"]: ChunkPlace(**place) for place in record["places"]}
        with safe_open(folder / STATE, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        state = State(
            total_NKV=tensors.pop("total"), entries=entries, decay=float(record["decay"])
        )  # canonical JSON writes 1.0 as 1
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise IntegrityError(f"the state in {folder} is damaged: {error!r}") from error
    if (found := state.sha256()) != adapter.manifest.identity.state_sha256:
        raise IntegrityError(
            f"the state in {folder} must have sha256 {adapter.manifest.identity.state_sha256}, got {found}"
        )
    tokens = {entry.commitment: entry.tokens for entry in entries}
    chunk_states = {
        name.removeprefix("chunk."): ChunkState(
            commitment=name.removeprefix("chunk."), tokens=tokens.get(name.removeprefix("chunk."), 0), state_NKV=tensor
        )
        for name, tensor in tensors.items()
    }
    if set(chunk_states) != set(tokens):
        raise IntegrityError(f"the state in {folder} must hold the states of its {len(tokens)} chunks")
    return Session(adapter=adapter, state=state, chunk_states=chunk_states, places=places, key=key)
