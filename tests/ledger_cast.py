"""People, subjects and complete data of events for tests of the ledger."""

from collections.abc import Mapping
from typing import Any

from adapters_core.canonical import sha256_hex
from adapters_core.ledger.records import Actor, Subject

ENGINEER = Actor(id="00000000-0000-4000-8000-000000000001", name="Ito Aoi", kind="person", roles=("engineer",))
REVIEWER = Actor(id="00000000-0000-4000-8000-000000000002", name="Kondo Ren", kind="person", roles=("reviewer",))
SECOND = Actor(id="00000000-0000-4000-8000-000000000003", name="Mori Yui", kind="person", roles=("reviewer",))
ADMIN = Actor(id="00000000-0000-4000-8000-000000000004", name="Sato Kai", kind="person", roles=("admin",))
WORKER = Actor(id="worker-1", name="worker", kind="service")
BASE = sha256_hex(b"base")


def digest(name: str) -> str:
    """The manifest digest of an adapter of a test."""
    return sha256_hex(name.encode())


def adapter(name: str) -> Subject:
    return Subject(kind="adapter", id=digest(name))


def slot_data(title: str = "Support") -> dict[str, Any]:
    """What creating a slot records."""
    return {"title": title, "base": BASE, "engine": "core", "policy": "standard"}


def submitted(title: str = "Leave rules", **more: Any) -> Mapping[str, Any]:
    return {
        "title": title,
        "commitment": sha256_hex(title.encode()),
        "chunk_commitments": [],
        "bytes": 2048,
        "characters": 1024,
        "language": "ja",
        "scan": {"found": {}},
        "retention_until": None,
        **more,
    }


def generated(name: str = "leave rules", /, *, context: str = "c-1", **more: Any) -> Mapping[str, Any]:
    return {
        "name": name,
        "job_key": sha256_hex(f"job {name}".encode()),
        "generator": sha256_hex(b"generator"),
        "base": BASE,
        "base_name": "SmolLM2-135M-Instruct",
        "tokenizer": sha256_hex(b"tokenizer"),
        "contexts": [{"id": context, "commitment": sha256_hex(context.encode()), "chunk_commitments": []}],
        "tokens": 512,
        "chunks": 4,
        "parent": None,
        "added": [],
        "erased": [],
        "norms": {},
        "norm_total": 1.5,
        "artifact": {"digest": sha256_hex(name.encode()), "files": {}, "bytes": 1000},
        "cost": {"seconds": 1.25},
        "versions": {"torch": "2.13.0"},
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "mlflow_run": None,
        **more,
    }


def evaluated(**more: Any) -> Mapping[str, Any]:
    return {
        "evaluation": "e-1",
        "suite": "leave",
        "report_digest": sha256_hex(b"report"),
        "scores": {},
        "recovery": 0.8,
        "retention": 0.99,
        "cost": {"seconds": 3},
        "gates": [],
        **more,
    }


def opened(
    adapter_name: str = "leave rules", *, slot: str = "support", stages: tuple[int, ...] = (1,)
) -> dict[str, Any]:
    return {
        "adapter": digest(adapter_name),
        "evaluations": [sha256_hex(b"report")],
        "policy": {
            "name": "standard",
            "version": 1,
            "stages": [{"name": f"stage {i}", "role": "reviewer", "needed": needed} for i, needed in enumerate(stages)],
        },
        "slot": slot,
        "bound_digest": sha256_hex(b"bound"),
        "comment": "please",
    }


def decision(stage: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "stage": stage,
        "meaning": "approved",
        "on_behalf_of": None,
        "bound_digest": sha256_hex(b"bound"),
        "signature": {},
        **more,
    }


def deployment(
    adapter_name: str | None,
    *,
    slot: str = "support",
    previous: str | None = None,
    kind: str = "deploy",
    request: str | None = "r-1",
) -> dict[str, Any]:
    return {
        "slot": slot,
        "adapter": digest(adapter_name) if adapter_name else None,
        "previous": digest(previous) if previous else None,
        "kind": kind,
        "request": request,
        "reason": "go",
        "diff": {},
    }


def succeeded(name: str = "support-0123") -> dict[str, Any]:
    return {"engine": "core", "loaded_name": name, "read_back": {}, "canary": {}, "seconds": 0.2}


def policy(version: int = 1) -> dict[str, Any]:
    return {
        "version": version,
        "stages": [{"name": "check", "role": "reviewer", "needed": 1}],
        "required_suites": [],
        "gates": [],
        "expires_days": 14,
        "cool_down_hours": 24,
        "norm_outlier": 3.0,
    }
