"""Contexts and adapters in a ledger, as the worker records them, without a model."""

import itertools
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from adapters_core.ledger.append import append
from adapters_core.ledger.records import Actor, Subject
from governance.installation import artifact_path
from governance.services.submit_context import submit_context
from tests.cast import HANAKO, Member
from tests.factories.installations import BASE, Place

TEXT = "当社の旅費規程では、日当は一日三千円とする。\n\n宿泊費は一泊一万二千円を上限とする。"
_NUMBERS = itertools.count(1)


def submit(place: Place, member: Member = HANAKO, *, title: str = "旅費規程", text: str = TEXT, **more: Any) -> str:
    """A context of this member."""
    return submit_context(place.actor(member), title=title, text=text, **more)


def generate(
    place: Place,
    member: Member = HANAKO,
    *,
    context: str | None = None,
    name: str = "旅費アダプタ",
    padding: int = 0,
    **more: Any,
) -> str:
    """An adapter of this member, its file in place; answers its digest."""
    contexts = [context or submit(place, member)]
    weights = f"weights {next(_NUMBERS)} {name}".encode() + bytes(padding)
    file = sha256(weights).hexdigest()
    artifact_path(file).parent.mkdir(parents=True, exist_ok=True)
    artifact_path(file).write_bytes(weights)
    digest = sha256(b"manifest" + weights).hexdigest()
    site = {"frobenius": 0.5, "spectral": 0.3, "effective_rank": 4.0, "spectral_gap": 1.5}
    data: dict[str, Any] = {
        "name": name,
        "job_key": sha256(digest.encode()).hexdigest(),
        "generator": "9" * 64,
        "base": BASE,
        "base_name": "SmolLM2-135M-Instruct",
        "tokenizer": "7" * 64,
        "contexts": [{"id": one, "commitment": "c" * 64, "chunk_commitments": []} for one in contexts],
        "tokens": 120,
        "chunks": 2,
        "parent": None,
        "added": [],
        "erased": [],
        "norms": {f"model.layers.{layer}.self_attn.q_proj": site for layer in range(4)},
        "norm_total": 1.25,
        "artifact": {"digest": file, "files": {"adapter_model.safetensors": file}, "bytes": len(weights)},
        "cost": {"seconds": 1.5},
        "versions": {"ringi": "0.1.0"},
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "mlflow_run": None,
    }
    subject = Subject(kind="adapter", id=digest)
    with place.ledger.write() as tx:
        append(tx, "adapter:generated", subject=subject, actor=_worker(member), data={**data, **more})
    return digest


def evaluate(
    place: Place,
    digest: str,
    *,
    suite: str = "context",
    recovery: float | None = 0.6,
    retention: float | None = 0.97,
    scores: Mapping[str, Any] | None = None,
    **more: Any,
) -> str:
    """An evaluation of an adapter; answers the digest of its report."""
    report = str(more.get("report_digest") or sha256(f"{digest} {suite} {next(_NUMBERS)}".encode()).hexdigest())
    measured = {"nll": {"value": 1.2, "low": 1.1, "high": 1.3, "n": 20}}
    data: dict[str, Any] = {
        "evaluation": f"evaluation-{next(_NUMBERS)}",
        "suite": suite,
        "report_digest": report,
        "scores": scores or {"none": measured, "prompt": measured, "adapter": measured},
        "recovery": recovery,
        "retention": retention,
        "cost": {"seconds": 12.0},
        "gates": [],
    }
    with place.ledger.write() as tx:
        append(
            tx,
            "adapter:evaluated",
            subject=Subject(kind="adapter", id=digest),
            actor=Actor(id="worker", name="worker", kind="system"),
            data={**data, **more},
        )
    return report


def evaluated(place: Place, member: Member = HANAKO, **more: Any) -> str:
    """An adapter with its evaluation."""
    digest = generate(place, member, **more)
    evaluate(place, digest)
    return digest


def finish(place: Place, deployment: str, *, succeeded: bool = True) -> None:
    """What the worker records at the end of a deployment."""
    with place.ledger.write() as tx:
        append(
            tx,
            "deployment:succeeded" if succeeded else "deployment:failed",
            subject=Subject(kind="deployment", id=deployment),
            actor=Actor(id="worker", name="worker", kind="system"),
            data={"engine": "core", "loaded_name": "support-1", "read_back": {}, "canary": {}, "seconds": 0.2}
            if succeeded
            else {"error": "the engine gave no answer"},
        )


def _worker(member: Member) -> Actor:
    return Actor(id=member.id, name=member.name, kind="person", roles=member.roles)
