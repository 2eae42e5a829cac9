"""Jobs that make adapters: generate, extend, erase. The core computes, the files are kept, the entry is appended."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters_core.canonical import sha256_hex, tree_sha256
from adapters_core.data.documents import Document
from adapters_core.errors import InputError, IntegrityError, UnknownSubjectError
from adapters_core.ledger import adapter_queries, outbox, queries, vault
from adapters_core.ledger.append import append
from adapters_core.ledger.job_queries import Job
from adapters_core.ledger.jobs import Result, finish_job
from adapters_core.ledger.records import Entry, Subject
from adapters_core.ledger.transactions import Reader, Writer
from adapters_core.manifest import Manifest
from adapters_core.service.contract import AdapterAnswer
from governance.services.leftovers import send_away
from governance.worker import core_state, projection
from governance.worker.generated import entry_data
from governance.worker.heartbeat import Heartbeat
from governance.worker.keeping import recording
from governance.worker.workplace import Workplace

FILES = ("adapter_config.json", "adapter_model.safetensors", "manifest.json")
_KEY_FOR = b"ringi: key of the core's chunk commitments"


def generate(at: Workplace, job: Job, beat: Heartbeat) -> str:
    """An adapter of one context; answers its digest. Raises what the core, the vault and the ledger raise."""
    context, name = job.payload["context"], job.payload["name"]
    with at.ledger.read() as db:
        text = vault.open_text(db, at.master, context)
        key = vault.commit_to(db, at.master, context, _KEY_FOR)
    beat.stage("generate")
    answer = at.core.generate(
        [Document(name=context, text=text.decode())],
        key=key,
        decay=float(job.payload.get("decay", 1.0)),
        progress=beat.progress,
    )
    beat.made(answer.digest)
    return _record(at, job, answer, name, lambda db: [_context(db, context, answer)])


def extend(at: Workplace, job: Job, beat: Heartbeat) -> str:
    """An adapter that continues another with one more context; answers its digest. Raises as :func:`generate`."""
    parent, context, name = job.payload["adapter"], job.payload["context"], job.payload["name"]
    with at.ledger.read() as db:
        text = vault.open_text(db, at.master, context)
        known = _parts(db, parent)
    beat.stage("extend")
    answer = at.core.extend(parent, [Document(name=context, text=text.decode())], progress=beat.progress)
    beat.made(answer.digest)
    return _record(at, job, answer, name, lambda db: [*known, _context(db, context, answer)])


def erase(at: Workplace, job: Job, beat: Heartbeat) -> str:
    """An adapter that never saw one of another's contexts, or some chunks. Answers and raises as :func:`generate`."""
    parent, name = job.payload["adapter"], job.payload["name"]
    context, chunks = job.payload.get("context"), tuple(job.payload.get("chunks", ()))
    with at.ledger.read() as db:
        known = [_without(part, chunks) for part in _parts(db, parent) if part["id"] != context]
    known = [part for part in known if part["chunk_commitments"] or not chunks]
    beat.stage("erase")
    answer = at.core.erase(parent, chunks=chunks, documents=[context] if context else ())
    beat.made(answer.digest)
    return _record(at, job, answer, name, lambda _db: known)


MAKERS: Mapping[str, Callable[[Workplace, Job, Heartbeat], str]] = {
    "generate": generate,
    "extend": extend,
    "erase": erase,
}


def _record(
    at: Workplace, job: Job, answer: AdapterAnswer, name: str, contexts: Callable[[Reader], list[dict[str, Any]]]
) -> str:
    files, digests, manifest = _fetch(at, answer.digest)
    artifact = {"digest": tree_sha256(digests), "files": digests, "bytes": sum(map(len, files.values()))}
    with recording(at, {digests[name]: data for name, data in files.items()}) as tx:
        core_state.note(tx, manifest.identity.generator.digest)
        outcome = finish_job(tx, job, Result(digest=answer.digest, data={"adapter": answer.digest}), actor=job.actor)
        if outcome == "conflict":
            send_away(tx, job.job, answer.digest)
        if outcome != "recorded" or _is_known(tx, answer.digest):
            return answer.digest
        parts = contexts(tx)
        data = entry_data(manifest, name=name, job_key=job.job_key, contexts=parts, artifact=artifact)
        entry = append(
            tx,
            "adapter:generated",
            subject=Subject(kind="adapter", id=answer.digest),
            actor=job.actor,
            data=data,
            refs=[Subject(kind="job", id=job.job)],
        )
        projection.send_adapter(tx, entry)
        _tell(tx, entry)
    return answer.digest


def _fetch(at: Workplace, digest: str) -> tuple[dict[str, bytes], dict[str, str], Manifest]:
    """The adapter's files, every one of them what its manifest says, and the SHA-256 of each."""
    files = {name: at.core.download(digest, name) for name in FILES}
    digests = {name: sha256_hex(data) for name, data in files.items()}
    manifest = Manifest.from_bytes(files["manifest.json"])
    stated = {
        "adapter_config.json": manifest.identity.config_sha256,
        "adapter_model.safetensors": manifest.identity.weights_sha256,
    }
    for name, expected in stated.items():
        if digests[name] != expected:
            raise IntegrityError(f"{name} of adapter {digest} must have the digest {expected}: it came damaged")
    if manifest.digest != digest:
        raise IntegrityError(f"the core sent the manifest of {manifest.digest} for adapter {digest}")
    return files, digests, manifest


def _context(reader: Reader, context: str, answer: AdapterAnswer) -> dict[str, Any]:
    """A context as the entry names it, with its chunks as the core commits to them."""
    submitted = queries.history(reader, Subject(kind="context", id=context))[0]
    chunks = [chunk for chunk in answer.chunks if chunk.document == context]
    return {
        "id": context,
        "commitment": submitted.data["commitment"],
        "chunk_commitments": [chunk.commitment for chunk in chunks],
        "chunk_places": [{"start": chunk.start, "end": chunk.end} for chunk in chunks],
    }


def _without(part: dict[str, Any], chunks: Sequence[str]) -> dict[str, Any]:
    """A context as the entry names it, without some of its chunks."""
    places = part.get("chunk_places") or [None] * len(part["chunk_commitments"])
    kept = [one for one in zip(part["chunk_commitments"], places, strict=True) if one[0] not in chunks]
    shown = {"chunk_places": [place for _chunk, place in kept]} if "chunk_places" in part else {}
    return {**part, "chunk_commitments": [chunk for chunk, _place in kept], **shown}


def _parts(reader: Reader, adapter: str) -> list[dict[str, Any]]:
    entry = queries.history(reader, Subject(kind="adapter", id=adapter))
    if not entry:
        raise InputError(f"the ledger has no adapter {adapter} to go on from")
    return [dict(part) for part in entry[0].data["contexts"]]


def _is_known(reader: Reader, digest: str) -> bool:
    """Another job made the same: the same context under another name, or by newer code that computes alike."""
    try:
        adapter_queries.adapter(reader, digest)
    except UnknownSubjectError:
        return False
    return True


def _tell(writer: Writer, entry: Entry) -> None:
    if entry.actor.kind == "person":
        payload = {
            "kind": "adapter_generated",
            "subject": entry.subject.to_json(),
            "seq": entry.seq,
            "people": [entry.actor.id],
        }
        outbox.send(writer, topic="notice", key=f"adapter_generated:{entry.seq}", payload=payload, seq=entry.seq)
