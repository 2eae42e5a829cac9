"""A made-up population of adapters, as entries: what a company of some years would have in its ledger.

Of twenty adapters, eight were only evaluated, one waits for its reviewer, two were sent back, one rejected, eight
approved; of the approved ones every second one was deployed, and has been replaced since in its slot.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import benchmarks.ready  # noqa: F401  before anything of Django's
from adapters_core.canonical import sha256_hex
from adapters_core.ledger.records import Actor, Subject
from governance.services.facts import bound_digest
from tests.cast import HANAKO, MISAKI, TARO, YUKI, Member
from tests.factories.installations import BASE

ENTRIES_EACH = 10
SLOTS = 12
WAITING, REJECTED, APPROVED = 8, 11, 12
"""The number of an adapter modulo 20 says what becomes of it: from these on."""
_LAYERS, _PARTS = 10, ("q_proj", "o_proj", "down_proj")
_TITLES = (
    "旅費規程",
    "Leave rules",
    "品質手順書",
    "Price list",
    "設備点検表",
    "Contract terms",
    "問合せ集",
    "Glossary",
)
_INTERVAL = {"low": 1.1, "high": 1.3, "n": 20}
POLICY = "standard"
_STAGES = {"name": POLICY, "version": 1, "stages": [{"name": "Compliance", "role": "reviewer", "needed": 1}]}
_SYSTEM = Actor(id="worker", name="worker", kind="system")


@dataclass(frozen=True, kw_only=True)
class Step:
    """An entry that is to be appended."""

    event: str
    subject: Subject
    actor: Actor
    data: Mapping[str, Any]


def actor(member: Member) -> Actor:
    """A member of the cast as entries name them."""
    return Actor(id=member.id, name=member.name, kind="person", roles=member.roles)


def slots() -> Iterator[Step]:
    """The slots, before anything is deployed."""
    for number in range(SLOTS):
        data = {"title": f"Desk {number}", "base": BASE, "engine": "core", "policy": "standard"}
        yield Step(event="slot:created", subject=_slot(number), actor=actor(MISAKI), data=data)


def digest(number: int) -> str:
    """The digest of an adapter by its number."""
    return sha256_hex(f"adapter {number}".encode())


def context(number: int) -> str:
    """The context of an adapter; three in a row share one."""
    return str(UUID(sha256_hex(f"context {number // 3}".encode())[:32], version=4))


def story(number: int, serving: dict[int, str]) -> Iterator[Step]:
    """The entries of one adapter: ``ENTRIES_EACH``.

    Args:
        number: of the adapter, from 0.
        serving: what each slot serves; brought up to date.
    """
    random, own = Random(number), digest(number)
    engineer = actor(HANAKO if number % 2 else TARO)
    about = Subject(kind="adapter", id=own)
    if number % 3 == 0:
        yield Step(
            event="context:submitted",
            subject=Subject(kind="context", id=context(number)),
            actor=engineer,
            data=_submitted(number),
        )
    yield Step(event="adapter:generated", subject=about, actor=engineer, data=_generated(number, random))
    kind = number % 20
    decided = 1 if kind < WAITING else 2 if kind == WAITING else 5 if kind >= APPROVED and kind % 2 else 3
    reports = ENTRIES_EACH - 1 - decided - (number % 3 == 0)
    for suite in range(reports):
        yield Step(event="adapter:evaluated", subject=about, actor=engineer, data=_evaluated(number, suite, random))
    yield from _decided(number, own, engineer, reports, serving)


def _decided(number: int, own: str, engineer: Actor, reports: int, serving: dict[int, str]) -> Iterator[Step]:
    kind, slot = number % 20, number // 20 % SLOTS
    request = Subject(kind="request", id=f"request-{number}")
    if kind < WAITING:
        reason = {"action": "request", "reason_code": "evaluation_missing", "detail": "The policy demands more."}
        yield Step(event="denied", subject=Subject(kind="adapter", id=own), actor=engineer, data=reason)
        return
    seen = [_report(number, suite) for suite in range(reports)]
    bound = bound_digest(own, seen, POLICY, 1)
    asked = {"adapter": own, "evaluations": seen, "slot": f"desk-{slot}", "bound_digest": bound, "policy": _STAGES}
    yield Step(event="request:opened", subject=request, actor=engineer, data={**asked, "comment": "Please approve."})
    yield Step(event="request:commented", subject=request, actor=engineer, data={"comment": "Please look."})
    if kind == WAITING:
        return
    event = "request:sent_back" if kind < REJECTED else "request:rejected" if kind == REJECTED else "request:approved"
    yield Step(event=event, subject=request, actor=actor(YUKI), data=_decision(bound))
    if kind >= APPROVED and kind % 2:
        deployment = Subject(kind="deployment", id=f"deployment-{number}")
        where = {"slot": f"desk-{slot}", "adapter": own, "previous": serving.get(slot), "kind": "deploy"}
        data: dict[str, Any] = {**where, "request": request.id, "reason": "Approved", "diff": {}}
        yield Step(event="deployment:requested", subject=deployment, actor=actor(MISAKI), data=data)
        done = {"engine": "core", "loaded_name": f"desk-{slot}-{own[:16]}", "read_back": {}, "canary": {}}
        yield Step(event="deployment:succeeded", subject=deployment, actor=_SYSTEM, data={**done, "seconds": 0.4})
        serving[slot] = own


def _slot(number: int) -> Subject:
    return Subject(kind="slot", id=f"desk-{number}")


def _submitted(number: int) -> dict[str, Any]:
    return {
        "title": f"{_TITLES[number // 3 % len(_TITLES)]} {number // 3}",
        "commitment": sha256_hex(f"text {number // 3}".encode()),
        "chunk_commitments": [sha256_hex(f"chunk {number // 3} {n}".encode()) for n in range(4)],
        "bytes": 4096,
        "characters": 2048,
        "language": "ja",
        "scan": {"found": {}},
        "retention_until": None,
    }


def _generated(number: int, random: Random) -> dict[str, Any]:
    file = sha256_hex(f"file {number}".encode())
    norms = {
        f"model.layers.{layer}.self_attn.{part}": {
            "frobenius": round(random.lognormvariate(-0.7, 0.2), 6),
            "spectral": round(random.uniform(0.1, 0.3), 6),
            "effective_rank": round(random.uniform(3, 9), 6),
            "spectral_gap": round(random.uniform(1, 2), 6),
        }
        for layer in range(_LAYERS)
        for part in _PARTS
    }
    own = {"id": context(number), "commitment": sha256_hex(f"text {number // 3}".encode()), "chunk_commitments": []}
    return {
        "name": f"{_TITLES[number // 3 % len(_TITLES)]} {number // 3}-{number % 3}",
        "job_key": sha256_hex(f"job {number}".encode()),
        "generator": sha256_hex(b"generator"),
        "base": BASE,
        "base_name": "SmolLM2-135M-Instruct",
        "tokenizer": sha256_hex(b"tokenizer"),
        "contexts": [own],
        "tokens": random.randrange(200, 8000),
        "chunks": 4,
        "parent": None,
        "added": [],
        "erased": [],
        "norms": norms,
        "norm_total": round(random.lognormvariate(0.2, 0.2), 6),
        "artifact": {"digest": file, "files": {"adapter_model.safetensors": file}, "bytes": 1_000_000},
        "cost": {"seconds": 1.25},
        "versions": {"torch": "2.13.0"},
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "mlflow_run": None,
    }


def _evaluated(number: int, suite: int, random: Random) -> dict[str, Any]:
    scores = {
        method: {"nll": {"value": round(random.uniform(0.5, 3), 4), **_INTERVAL}}
        for method in ("none", "prompt", "adapter", "wrong")
    }
    return {
        "evaluation": f"evaluation-{number}-{suite}",
        "suite": "retention" if suite % 2 else "context",
        "report_digest": _report(number, suite),
        "scores": scores,
        "recovery": {"value": round(random.uniform(0.3, 0.9), 4), **_INTERVAL},
        "retention": {"value": round(random.uniform(0.9, 1), 4), **_INTERVAL},
        "cost": {"seconds": 12.0},
        "gates": [],
    }


def _report(number: int, suite: int) -> str:
    return sha256_hex(f"report {number} {suite}".encode())


def _decision(bound: str) -> dict[str, Any]:
    seen = {"stage": 0, "meaning": "approved", "on_behalf_of": None, "bound_digest": bound, "signature": {}}
    return {**seen, "comment": "Seen.", "required": "Nothing."}
