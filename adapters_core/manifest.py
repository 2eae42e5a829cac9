"""The manifest: what an adapter is made of, by which its digest names it.

Two parts, both canonical JSON (RFC 8785):

    identity      what was computed: base, generator, tokenizer, chunk commitments, parent, configuration, libraries,
                  device, dtype, threads, digest of the bytes, norms.   adapter digest = SHA-256(identity)
    observation   how it went: when, how long, by which code.           not part of the digest

So the same context, generator, base, dtype, device and thread count give the same digest whenever and wherever they
are run, and everything that a reader decides on is bound by it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rfc8785 import CanonicalizationError

from adapters_core.canonical import canonical_bytes, digest_of, sha256_hex
from adapters_core.errors import IntegrityError
from adapters_core.from_json import build

SCHEMA = "ringi-adapter-1"


@dataclass(frozen=True, kw_only=True)
class ChunkRecord:
    """A chunk as manifests know it: no text."""

    commitment: str
    """HMAC-SHA-256 under the context's key of the chunk's document name, place and text."""
    tokens: int


@dataclass(frozen=True, kw_only=True)
class BaseRecord:
    """Which base."""

    digest: str
    weights: str
    config: str
    tokenizer: str | None
    source: str
    revision: str | None


@dataclass(frozen=True, kw_only=True)
class GeneratorRecord:
    """Which generator."""

    digest: str
    config: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class SiteNorms:
    """Size of one site's delta."""

    frobenius: float
    spectral: float
    effective_rank: float
    spectral_gap: float | None
    lost: float
    """Frobenius norm of what rank reduction took away; 0 where nothing was reduced."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the numbers depend on besides their inputs."""

    device: str
    dtype: str
    threads: int
    libraries: Mapping[str, str]
    seeds: Mapping[str, int]
    """Random seeds by purpose; generation draws none."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The part that the digest binds."""

    base: BaseRecord
    generator: GeneratorRecord
    environment: Environment
    parent: str | None
    """Digest of the adapter this one continues; None: the first of its line."""
    added: tuple[ChunkRecord, ...]
    """Chunks that came with this step, in order."""
    erased: tuple[str, ...]
    """Commitments of chunks that went with this step."""
    chunk_count: int
    """Chunks in the state."""
    token_count: int
    """Tokens in the state."""
    decay: float
    state_sha256: str
    """Of the total state's bytes."""
    weights_sha256: str
    """Of adapter_model.safetensors."""
    config_sha256: str
    """Of adapter_config.json."""
    session_commitment: str
    """HMAC-SHA-256 under the context's key of all that the core keeps: chunks, their places and states, in order."""
    rank: int
    """Uniform rank of the written pairs."""
    norms: Mapping[str, SiteNorms]
    """By module path."""
    drift: Mapping[str, float] | None
    """Against the parent: cosine of the deltas and norm of their difference; None without a parent."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The part that differs from run to run."""

    created_at: str
    """UTC, ISO 8601."""
    seconds: float
    """Time of generation."""
    code_version: str
    batched: bool
    """Whether other contexts were encoded in the same batches (bytes may then differ in the last bits)."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Identity and observation of one adapter."""

    identity: Identity
    observation: Observation

    @property
    def digest(self) -> str:
        """The adapter's name."""
        return digest_of(asdict(self.identity))

    def to_json(self) -> dict[str, object]:
        """As plain JSON data, the digest included for readers."""
        return {
            "schema": SCHEMA,
            "digest": self.digest,
            "identity": asdict(self.identity),
            "observation": asdict(self.observation),
        }

    def to_bytes(self) -> bytes:
        """The file's content: canonical JSON."""
        return canonical_bytes(self.to_json())

    def sha256(self) -> str:
        """Digest of the whole file, observation included."""
        return sha256_hex(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Inverse of :meth:`to_bytes`.

        Raises:
            IntegrityError: not a manifest, not canonical, or its identity is not what its digest says.
        """
        try:
            tree = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise IntegrityError(f"a manifest must be JSON: {error}") from error
        if not isinstance(tree, dict) or tree.get("schema") != SCHEMA:
            schema = tree.get("schema") if isinstance(tree, dict) else None
            raise IntegrityError(f"a manifest must be of schema {SCHEMA}, got {schema!r:.80}")
        parts = {name: tree[name] for name in ("identity", "observation") if name in tree}
        manifest = build(cls, parts, place="manifest")
        try:
            written = manifest.to_bytes()
        except CanonicalizationError as error:  # NaN, or a whole number that no JSON reader keeps
            raise IntegrityError(f"a manifest must hold what canonical JSON can: {error}") from error
        if tree.get("digest") != manifest.digest:
            raise IntegrityError(
                f"the manifest says it is {tree.get('digest')}, its identity has {manifest.digest}: it was changed"
            )
        if written != data:
            raise IntegrityError("a manifest must be canonical JSON (RFC 8785): this one was written again")
        return manifest

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Read a manifest file.

        Raises:
            IntegrityError: there is none, or it is damaged.
        """
        try:
            return cls.from_bytes(path.read_bytes())
        except OSError as error:
            raise IntegrityError(f"no manifest at {path}: {error.strerror}") from error


def differences(first: Identity, second: Identity) -> dict[str, tuple[Any, Any]]:
    """The fields of two identities that are not equal, with both values."""
    return {
        field.name: (getattr(first, field.name), getattr(second, field.name))
        for field in fields(Identity)
        if getattr(first, field.name) != getattr(second, field.name)
    }
