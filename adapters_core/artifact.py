"""An adapter on disk: a folder that PEFT and vLLM load as it is.

    adapter_config.json, adapter_model.safetensors   PEFT's format (export rule of :mod:`export.peft_format`)
    manifest.json                                    canonical JSON; its digest names the adapter
    state.safetensors                                the exact total, and every chunk's own state
    chunks.json                                      where each chunk lies in its documents (no text)
    context.key                                      key of the commitments, readable by its owner only

The manifest's digest binds all of them: the weights, the configuration and the total by their sha256, the chunks with
their places and states by a commitment under the key. Reading checks every one.

The last three are what extending and erasing need. They stay with the generation core; only the first three travel to
serving engines and registries (:func:`served_files`).
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor

from adapters_core.canonical import canonical_bytes, commitment, sha256_hex
from adapters_core.errors import InputError, IntegrityError, NumericalError
from adapters_core.export.peft_format import from_peft_tensors, peft_config, to_peft_tensors, uniform_rank
from adapters_core.from_json import build
from adapters_core.manifest import Manifest
from adapters_core.modeling.adapter import Adapter
from adapters_core.modeling.digests import tensor_buffer
from adapters_core.modeling.finite import all_finite
from adapters_core.modeling.kept_states import KeptStates, Stored
from adapters_core.modeling.lora import Pairs
from adapters_core.modeling.state import ChunkEntry, State
from adapters_core.modeling.tensor_file import Layout, file_bytes, file_sha256, starts, streamed
from adapters_core.storage import atomic_folder

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
MANIFEST = "manifest.json"
STATE = "state.safetensors"
CHUNKS = "chunks.json"
KEY = "context.key"
KEPT = (STATE, CHUNKS, KEY)
"""Files that stay with the core."""
KEY_BYTES = 32
_TOTAL = "total"
_CHUNK = "chunk."


@dataclass(frozen=True, kw_only=True)
class ChunkPlace:
    """Where a chunk lies: nothing of its text."""

    commitment: str
    document: str
    index: int
    start: int
    end: int
    tokens: int
    state_sha256: str
    """Of the chunk's own state."""

    @cached_property
    def canonical(self) -> bytes:
        """This place as canonical JSON, written once however often a stream is committed to."""
        return canonical_bytes(asdict(self))


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """An adapter with all it needs to be extended and to have chunks erased."""

    adapter: Adapter
    state: State
    chunk_states: KeptStates
    """By commitment."""
    places: Mapping[str, ChunkPlace]
    """By commitment, in the order of the state."""
    key: bytes
    """Key of the commitments."""


@dataclass(frozen=True, kw_only=True)
class _Record:
    """The content of chunks.json."""

    decay: float
    places: tuple[ChunkPlace, ...]


def state_sha256(state_NKV: Tensor) -> str:
    """Digest of a state's bytes."""
    return sha256_hex(tensor_buffer(state_NKV))


def commit_session(key: bytes, decay: float, places: Iterable[ChunkPlace]) -> str:
    """Keyed commitment of what a session keeps: decay, and the chunks with their places and states, in order."""
    return commitment(key, b"\n".join((canonical_bytes(decay), *(place.canonical for place in places))))


def weights_bytes(pairs: Pairs, *, dtype: torch.dtype = torch.float32) -> bytes:
    """The bytes of adapter_model.safetensors: a function of the pairs alone."""
    return file_bytes(to_peft_tensors(pairs, dtype=dtype))


def weights_sha256(pairs: Pairs) -> str:
    """Digest of :func:`weights_bytes`, which are never held as a whole."""
    return file_sha256(to_peft_tensors(pairs))


def config_bytes(pairs: Pairs, *, base_name: str) -> bytes:
    """The bytes of adapter_config.json."""
    config = peft_config(pairs, rank=uniform_rank(pairs), base_name=base_name)
    return (json.dumps(config, indent=1, sort_keys=True) + "\n").encode()


def served_files(adapter: Adapter, *, dtype: torch.dtype = torch.float32) -> dict[str, bytes]:
    """The files that travel to engines and registries, by name."""
    return {
        CONFIG: config_bytes(adapter.pairs, base_name=adapter.manifest.identity.base.source),
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
        with _for_the_owner(staging / STATE) as file:
            file.writelines(_state_pieces(session))
        places = tuple(session.places[entry.commitment] for entry in session.state.entries)
        (staging / CHUNKS).write_bytes(canonical_bytes(asdict(_Record(decay=session.state.decay, places=places))))
        with _for_the_owner(staging / KEY) as file:
            file.write(f"{session.key.hex()}\n".encode())
    return folder


def _for_the_owner(path: Path) -> BinaryIO:
    """A new file that its owner alone can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _state_pieces(session: Session) -> Iterator[bytes | memoryview]:
    """The bytes of state.safetensors; of the chunks' states no two are in memory at once."""
    total_NKV = session.state.total_NKV
    shape = tuple(total_NKV.shape)
    layouts = {_TOTAL: Layout(total_NKV.dtype, shape)}
    layouts |= {_CHUNK + commitment: Layout(torch.float32, shape) for commitment in session.chunk_states}

    def tensor_of(name: str) -> Tensor:
        return total_NKV if name == _TOTAL else session.chunk_states[name.removeprefix(_CHUNK)].state_NKV

    return streamed(layouts, tensor_of)


def read_adapter(folder: Path) -> Adapter:
    """Read the served files of an adapter and check them against its manifest.

    Raises:
        InputError: no such folder, or weights without a manifest.
        IntegrityError: a file is missing, truncated or changed.
        NumericalError: a factor holds NaN or infinite values.
    """
    if not folder.is_dir():
        raise InputError(f"no adapter folder at {folder}")
    if not ((folder / MANIFEST).exists() or holds_state(folder)) and (folder / WEIGHTS).is_file():
        raise InputError(
            f"{folder} holds weights of PEFT and no {MANIFEST}, which says what they are made of: "
            "name the folder that the adapter was generated into"
        )
    manifest = Manifest.read(folder / MANIFEST)
    _read_checked(folder / CONFIG, manifest.identity.config_sha256)
    data = _read_checked(folder / WEIGHTS, manifest.identity.weights_sha256)
    try:
        pairs = from_peft_tensors(load(data))
    except (SafetensorError, ValueError, KeyError) as error:  # the bytes are as the manifest says: it was made so
        raise IntegrityError(f"{folder / WEIGHTS} is not a whole safetensors file: {error}") from error
    for module, pair in pairs.items():
        if not (all_finite(pair.a_RI) and all_finite(pair.b_OR)):
            raise NumericalError(f"{folder}: {module} must be finite, it holds NaN or infinite values")
    return Adapter(pairs=pairs, manifest=manifest)


def holds_state(folder: Path) -> bool:
    """Whether a folder was written as a session, and not only exported (some of its files may still be missing)."""
    return any((folder / name).exists() for name in KEPT)


def read_session(folder: Path) -> Session:
    """Read an adapter with its state.

    Raises:
        InputError: no such folder, or one without a state (an adapter that was only exported).
        IntegrityError: a file is missing, truncated or changed.
    """
    adapter = read_adapter(folder)
    if not holds_state(folder):
        raise InputError(f"{folder} holds an adapter without its state: it can be served, not extended or erased from")
    identity = adapter.manifest.identity
    key, record = _read_key(folder / KEY), _read_record(folder / CHUNKS)
    if commit_session(key, record.decay, record.places) != identity.session_commitment:
        raise IntegrityError(
            f"{folder / CHUNKS} or {folder / KEY} is not what the manifest was made with: it was changed"
        )
    total_NKV, chunk_states = _read_states(folder / STATE, identity.state_sha256, record.places)
    entries = tuple(ChunkEntry(commitment=place.commitment, tokens=place.tokens) for place in record.places)
    return Session(
        adapter=adapter,
        state=State(total_NKV=total_NKV, entries=entries, decay=record.decay),
        chunk_states=chunk_states,
        places={place.commitment: place for place in record.places},
        key=key,
    )


def _read_checked(path: Path, sha256: str) -> bytes:
    data = _read(path)
    if (found := sha256_hex(data)) != sha256:
        raise IntegrityError(f"{path} must have sha256 {sha256}, got {found}: it was changed or cut short")
    return data


def _read_key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(_read(path).decode().strip())
    except ValueError as error:
        raise IntegrityError(f"{path} must hold {2 * KEY_BYTES} hexadecimal digits: {error}") from error
    if len(key) != KEY_BYTES:
        raise IntegrityError(f"{path} must hold {2 * KEY_BYTES} hexadecimal digits, got {2 * len(key)}")
    return key


def _read_record(path: Path) -> _Record:
    try:
        return build(_Record, json.loads(_read(path)), place=path.name)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} must be JSON: {error}") from error


def _read_states(path: Path, total_sha256: str, places: Iterable[ChunkPlace]) -> tuple[Tensor, KeptStates]:
    """The total, and the chunks' own states where they lie; each is checked, and one at a time is in memory."""
    by_name = {_CHUNK + place.commitment: place for place in places}
    try:
        with safe_open(path, framework="pt") as file:
            if set(file.keys()) != {_TOTAL, *by_name}:
                raise IntegrityError(f"{path} must hold the total and the states of its {len(by_name)} chunks")
            total_NKV = _checked_state(path, _TOTAL, file.get_tensor(_TOTAL), total_sha256)
            for name, place in by_name.items():
                state_NKV = _checked_state(path, name, file.get_tensor(name), place.state_sha256)
                if state_NKV.dtype != torch.float32 or state_NKV.shape != total_NKV.shape:
                    raise IntegrityError(
                        f"{path}: {name[:20]} must be {tuple(total_NKV.shape)}, torch.float32, got "
                        f"{tuple(state_NKV.shape)}, {state_NKV.dtype}"
                    )
        place_of = starts(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise IntegrityError(f"{path} is not a whole safetensors file: {error}") from error
    stored = (
        Stored(commitment=one.commitment, tokens=one.tokens, start=place_of[name], sha256=one.state_sha256)
        for name, one in by_name.items()
    )
    return total_NKV, KeptStates.in_file(path, tuple(total_NKV.shape), stored)


def _checked_state(path: Path, name: str, tensor: Tensor, sha256: str) -> Tensor:
    if (found := state_sha256(tensor)) != sha256:
        raise IntegrityError(f"{path}: {name[:20]} must have sha256 {sha256}, got {found}")
    return tensor


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IntegrityError(f"{path} must be readable: {error.strerror}") from error
