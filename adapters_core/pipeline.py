"""The generation core: contexts in, adapters out.

    documents -> chunks -> states -> sum -> normalised state -> pairs -> manifest

Everything here is a function of its arguments; a session is a value. Extending and erasing give new sessions whose
adapters name their parent.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from adapters_core.artifact import (
    KEY_BYTES,
    ChunkPlace,
    Session,
    commit_session,
    config_bytes,
    state_sha256,
    weights_sha256,
)
from adapters_core.canonical import canonical_bytes, commitment, sha256_hex
from adapters_core.config import MAX_CONTEXT_TOKENS
from adapters_core.data.chunking import Chunk, chunk_documents
from adapters_core.data.documents import Document
from adapters_core.errors import InputError, MismatchError, UnknownChunkError
from adapters_core.export.peft_format import uniform_rank
from adapters_core.manifest import (
    BaseRecord,
    ChunkRecord,
    Environment,
    GeneratorRecord,
    Identity,
    Manifest,
    Observation,
)
from adapters_core.modeling.adapter import Adapter, drift, reduced, site_norms, spectral_norms
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.generator_file import load_generator
from adapters_core.modeling.kept_states import KeptStates
from adapters_core.modeling.lora import Pair, applied
from adapters_core.modeling.side_by_side import MOST_THREADS, Mapper, SideBySide
from adapters_core.modeling.state import ChunkState, State
from adapters_core.modeling.taps import encode
from adapters_core.versions import code_version, library_versions

ProgressCallback = Callable[[int, int], None]
"""Called with (chunks done, chunks in all)."""


def no_progress(_done: int, _total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one call may ask for."""

    context_tokens: int = MAX_CONTEXT_TOKENS
    """Most tokens of the documents of one call."""
    rank: int | None = None
    """Highest rank of a written adapter; None: the generator's."""


class GenerationCore:
    """A frozen base and its generator, and what they do together. Stateless between calls."""

    def __init__(self, base: BaseModel, generator: Generator, *, limits: Limits | None = None) -> None:
        """Bind a generator to its base.

        Raises:
            MismatchError: the generator was made for another base.
        """
        if generator.base_digest != base.digest:
            raise MismatchError(
                f"the generator was made for base {generator.base_digest[:16]}, this one is {base.digest[:16]}"
            )
        self.base = base
        self.generator = generator.freeze()
        self.generator.prepare(base.dtype)
        self.limits = limits or Limits()
        self.generator_digest = generator.digest()
        self._each: Mapper = _mapper(base, generator)

    def generate(
        self,
        documents: Sequence[Document],
        *,
        key: bytes | None = None,
        decay: float = 1.0,
        progress: ProgressCallback = no_progress,
    ) -> Session:
        """Turn documents into an adapter.

        Args:
            documents: the context.
            key: key of the chunk commitments, 32 bytes; None draws one. The same key gives the same digest.
            decay: factor on what was seen before, at each chunk; 1: a plain sum.
            progress: told after each chunk.

        Raises:
            ContextError: the context is empty, too short or over the limit.
            NumericalError: the generator's weights are damaged.
        """
        return self.complete(self.prepare(documents, key=key, decay=decay), progress=progress)

    def extend(
        self, session: Session, documents: Sequence[Document], *, progress: ProgressCallback = no_progress
    ) -> Session:
        """Add documents to a session: a new adapter that names the old one as its parent.

        The cost depends on the new documents alone, however long the stream has been.

        Raises:
            MismatchError: the session is of another base or generator, or holds one of these chunks already.
            ContextError: as in :meth:`generate`.
        """
        return self.complete(self.prepare(documents, session=session), progress=progress)

    def erase(self, session: Session, commitments: Sequence[str]) -> Session:
        """Take chunks away: the new adapter is bit for bit the one that never saw them.

        Args:
            session: where they are.
            commitments: of the chunks; a unique beginning of at least 8 digits is enough.

        Raises:
            UnknownChunkError: one of them is not in the session, or its beginning is not unique.
            InputError: nothing would be left, or the generator encodes sequentially (a later chunk then depends on
                the erased one: generate again from the chunks that stay).
        """
        started = time.perf_counter()
        if self.generator.config.encoding != "independent":
            raise InputError("erasing is exact only with independent encoding: generate again without these chunks")
        line = self._line(session)
        chosen = tuple(dict.fromkeys(_resolve(line.state, prefix) for prefix in commitments))
        if not chosen:
            raise InputError("name at least one chunk to erase, got none")
        if len(chosen) == len(line.state.entries):
            raise InputError("erasing every chunk leaves no adapter: retire it instead")
        state, kept = line.state, line.chunk_states.copy()
        for name in chosen:
            chunk = kept.pop(name)
            remaining = (kept[e.commitment] for e in state.entries if e.commitment != name)
            state = state.erase(chunk, remaining=remaining)
        places = {c: place for c, place in line.places.items() if c in kept}
        after = replace(line, state=state, chunk_states=kept, places=places)
        return self._finish(after, (), chosen, started, batched=False)

    def chunks(self, documents: Sequence[Document]) -> tuple[Chunk, ...]:
        """The chunks that documents are encoded in.

        Raises:
            ContextError: as in :meth:`generate`.
        """
        return chunk_documents(
            documents,
            self.base.require_tokenizer(),
            chunk_tokens=self._chunk_tokens(),
            max_tokens=self.limits.context_tokens,
        )

    def prepare(
        self,
        documents: Sequence[Document],
        *,
        session: Session | None = None,
        key: bytes | None = None,
        decay: float = 1.0,
    ) -> "Prepared":
        """Check and chunk documents without running the base: the first half of generating, or of extending.

        Args:
            documents: the context.
            session: what to extend (it has its own key and decay); None: a new one.
            key: as in :meth:`generate`.
            decay: as in :meth:`generate`.

        Raises:
            ContextError, InputError, MismatchError: as in :meth:`generate` and :meth:`extend`.
        """
        started = time.perf_counter()
        line = self._line(session) if session else self._new_line(key, decay)
        named = tuple((commit_chunk(line.key, chunk), chunk) for chunk in self.chunks(documents))
        if twice := [name for name, _ in named if name in line.chunk_states]:
            raise MismatchError(f"{len(twice)} of these chunks are in the session already: a chunk counts once")
        return Prepared(line=line, named=named, started=started)

    def complete(
        self,
        prepared: "Prepared",
        states_NKV: Sequence[Tensor] | None = None,
        *,
        progress: ProgressCallback = no_progress,
    ) -> Session:
        """The second half of generating, or of extending.

        Args:
            prepared: the first half.
            states_NKV: the chunks' states of :meth:`encode_many` (the manifest then says that they were batched);
                None: encode them now, one by one.
            progress: told after each chunk.

        Raises:
            NumericalError: as in :meth:`generate`.
        """
        if states_NKV is None:
            return self._advance(prepared, self._encode_next, progress, batched=False)
        encoded = iter(states_NKV)
        return self._advance(prepared, lambda _state, _chunk: next(encoded), progress, batched=True)

    @torch.no_grad()
    def encode(self, token_ids: Sequence[int]) -> Tensor:
        """State of one chunk under the base as it is adapted now: N x K x V, float32."""
        ids_1T = torch.tensor([token_ids], device=self.base.device)
        return encode(self.base, self.generator, ids_1T)[0]

    def pairs_of(self, chunks: Sequence[Sequence[int]]) -> dict[str, Pair]:
        """The pairs of chunks of token ids and nothing else: no commitments, norms or manifest (for measuring)."""
        total_NKV = torch.stack([self.encode(token_ids) for token_ids in chunks]).sum(0)
        return self.pairs(total_NKV)

    def pairs(self, state_NKV: Tensor) -> dict[str, Pair]:
        """The pairs of a state, its sites folded side by side on a CPU.

        Raises:
            NumericalError: the state or the generator's weights hold NaN or infinite values.
        """
        return self.generator.pairs(state_NKV, self._each)

    @torch.no_grad()
    def encode_many(self, chunks: Sequence[Sequence[int]]) -> list[Tensor]:
        """States of chunks of any contexts in one padded pass: each N x K x V, float32.

        A batched product rounds otherwise than a single one, so the bytes of the adapters may differ in their last
        bits from those of :meth:`generate` (law 7 holds, law 6 does not).

        Raises:
            InputError: the generator encodes sequentially: a chunk then waits for the ones before it.
        """
        if self.generator.config.encoding != "independent":
            raise InputError("chunks are encoded in batches only with independent encoding: generate one by one")
        longest = max(map(len, chunks))
        ids_BT = torch.zeros(len(chunks), longest, dtype=torch.long)
        mask_BT = torch.zeros_like(ids_BT)
        for row, token_ids in enumerate(chunks):
            ids_BT[row, : len(token_ids)] = torch.tensor(token_ids)
            mask_BT[row, : len(token_ids)] = 1
        device = self.base.device
        return list(encode(self.base, self.generator, ids_BT.to(device), mask_BT.to(device)))

    def _advance(
        self, prepared: "Prepared", encoder: "_Encoder", progress: ProgressCallback, *, batched: bool
    ) -> Session:
        line, named = prepared.line, prepared.named
        state, states, places = line.state, line.chunk_states.copy(), dict(line.places)
        for done, (name, chunk) in enumerate(named, start=1):
            raw_NKV = encoder(state, chunk)
            chunk_state = ChunkState.of(raw_NKV, commitment=name, tokens=len(chunk.token_ids))
            state, states[name] = state.add(chunk_state), chunk_state
            places[name] = _place(chunk, chunk_state)
            progress(done, len(named))
        added = tuple(ChunkRecord(commitment=name, tokens=len(chunk.token_ids)) for name, chunk in named)
        after = replace(line, state=state, chunk_states=states, places=places)
        return self._finish(after, added, (), prepared.started, batched=batched)

    def _encode_next(self, state: State, chunk: Chunk) -> Tensor:
        if self.generator.config.encoding == "independent" or not state.entries:
            return self.encode(chunk.token_ids)
        with applied(self.base, self.pairs(self._value(state))):
            return self.encode(chunk.token_ids)

    def _finish(
        self, line: "_Line", added: tuple[ChunkRecord, ...], erased: tuple[str, ...], started: float, *, batched: bool
    ) -> Session:
        if self.limits.rank is None or self.limits.rank >= self.generator.config.rank:
            pairs, spectra = self.generator.pairs_and_spectra(self._value(line.state), self._each)
            norms = spectral_norms(spectra)
        else:
            pairs, lost = reduced(self.pairs(self._value(line.state)), self.limits.rank)
            norms = site_norms(pairs, lost)
        pairs = {path: pair.to(dtype=torch.float32, device=torch.device("cpu")) for path, pair in pairs.items()}
        identity = Identity(
            base=self._base_record(),
            generator=GeneratorRecord(digest=self.generator_digest, config=self.generator.config.to_json()),
            environment=self._environment(),
            parent=line.parent.digest if line.parent else None,
            added=added,
            erased=erased,
            chunk_count=len(line.state.entries),
            token_count=line.state.tokens,
            decay=line.state.decay,
            state_sha256=line.state.sha256(),
            weights_sha256=weights_sha256(pairs),
            config_sha256=sha256_hex(config_bytes(pairs, base_name=self.base.source)),
            session_commitment=commit_session(line.key, line.state.decay, line.places.values()),
            rank=uniform_rank(pairs),
            norms=norms,
            drift=drift(line.parent.pairs, pairs) if line.parent else None,
        )
        observation = Observation(
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            seconds=round(time.perf_counter() - started, 6),
            code_version=code_version(),
            batched=batched,
        )
        adapter = Adapter(pairs=pairs, manifest=Manifest(identity=identity, observation=observation))
        return Session(
            adapter=adapter, state=line.state, chunk_states=line.chunk_states, places=line.places, key=line.key
        )

    def _new_line(self, key: bytes | None, decay: float) -> "_Line":
        key = secrets.token_bytes(KEY_BYTES) if key is None else key
        if len(key) != KEY_BYTES:
            raise InputError(f"the key must have {KEY_BYTES} bytes, got {len(key)}")
        config = self.generator.config
        state = State.zero(len(self.generator.sites), config.key_size, config.value_size, decay=decay)
        return _Line(state=state, chunk_states=KeptStates(), places={}, key=key, parent=None)

    def require_own(self, session: Session) -> None:
        """Refuse a session that this base and generator did not make.

        Raises:
            MismatchError: it is of another base or generator, or its state does not fit.
        """
        identity = session.adapter.manifest.identity
        if identity.generator.digest != self.generator_digest or identity.base.digest != self.base.digest:
            raise MismatchError(
                f"adapter {session.adapter.digest[:16]} was made by generator {identity.generator.digest[:16]} on base "
                f"{identity.base.digest[:16]}; loaded are {self.generator_digest[:16]} on {self.base.digest[:16]}"
            )
        shape = (len(self.generator.sites), self.generator.config.key_size, self.generator.config.value_size)
        if session.state.total_NKV.shape != shape or session.state.total_NKV.dtype != torch.int64:
            raise MismatchError(
                f"a session's state must be {shape}, torch.int64 for this generator, got "
                f"{tuple(session.state.total_NKV.shape)}, {session.state.total_NKV.dtype}"
            )

    def _line(self, session: Session) -> "_Line":
        self.require_own(session)
        return _Line(
            state=session.state,
            chunk_states=session.chunk_states,
            places=dict(session.places),
            key=session.key,
            parent=session.adapter,
        )

    def _value(self, state: State) -> Tensor:
        return state.value().to(self.base.device)

    def _chunk_tokens(self) -> int:
        wanted = self.generator.config.chunk_tokens
        return wanted if self.base.max_context is None else min(wanted, self.base.max_context)

    def _base_record(self) -> BaseRecord:
        base = self.base
        return BaseRecord(
            digest=base.digest,
            weights=base.weights_digest,
            config=base.config_digest,
            tokenizer=base.tokenizer_digest,
            source=base.source,
            revision=base.revision,
        )

    def _environment(self) -> Environment:
        return Environment(
            device=self.base.device.type,
            dtype=str(self.base.dtype).removeprefix("torch."),
            threads=torch.get_num_threads(),
            libraries=library_versions(),
            seeds={},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Line:
    """A stream of chunks on its way to its next adapter."""

    state: State
    chunk_states: KeptStates
    places: dict[str, ChunkPlace]
    key: bytes
    parent: Adapter | None


_Encoder = Callable[[State, Chunk], Tensor]
"""Gives the state of the next chunk, N x K x V, from the state so far."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """Documents that have been checked and chunked, and what they will be added to."""

    line: _Line
    named: tuple[tuple[str, Chunk], ...]
    """Commitments and chunks, in order."""
    started: float
    """Reading of the monotonic clock when the work began."""


def _mapper(base: BaseModel, generator: Generator) -> Mapper:
    """What folds the sites: threads of a CPU; a GPU takes them in batches."""
    if base.device.type != "cpu":
        return map
    return SideBySide(max(1, min(torch.get_num_threads(), len(generator.sites), MOST_THREADS)))


def load_core(base: BaseModel, generator_path: Path, *, limits: Limits | None = None) -> GenerationCore:
    """A core from a base and a generator's file.

    Raises:
        IntegrityError, MismatchError, NumericalError: as in :func:`load_generator`.
    """
    return GenerationCore(base, load_generator(generator_path, base), limits=limits)


def commit_chunk(key: bytes, chunk: Chunk) -> str:
    """Keyed commitment of a chunk: of its document's name, its place and its text."""
    place = {"document": chunk.document, "index": chunk.index, "text": chunk.text}
    return commitment(key, canonical_bytes(place))


def _place(chunk: Chunk, state: ChunkState) -> ChunkPlace:
    return ChunkPlace(
        commitment=state.commitment,
        document=chunk.document,
        index=chunk.index,
        start=chunk.start,
        end=chunk.end,
        tokens=state.tokens,
        state_sha256=state_sha256(state.state_NKV),
    )


def _resolve(state: State, prefix: str) -> str:
    shortest = 8
    if len(prefix) < shortest:
        raise UnknownChunkError(f"name a chunk by at least {shortest} digits of its commitment, got {prefix!r}")
    found = [entry.commitment for entry in state.entries if entry.commitment.startswith(prefix)]
    if len(found) != 1:
        raise UnknownChunkError(
            f"{prefix!r} must name one chunk of the session, it names {len(found)}; "
            f"the session has {[entry.commitment[:12] for entry in state.entries][:8]}"
        )
    return found[0]
