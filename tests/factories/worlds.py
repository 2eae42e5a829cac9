"""A ledger with something of every kind in it, and service tokens that call the API about it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.test import Client

from adapters_core.ledger import jobs
from adapters_core.ledger.append import append
from adapters_core.ledger.records import Subject
from governance.services.approve import approve
from governance.services.deploy import deploy
from governance.services.evaluate import evaluate
from governance.services.issue_token import IssuedToken, issue_token
from governance.services.request_approval import request_approval
from governance.worker.workplace import SYSTEM
from tests.cast import HANAKO, MISAKI, YUKI
from tests.factories.adapters import finish, generate, submit
from tests.factories.evaluations import measure
from tests.factories.installations import Place
from tests.unit.governance.services.test_approving import signature

ROOT = "/api/v1/"
NONE = [3.0 + 0.1 * place for place in range(8)]
QUESTIONS = ["日当はいくらですか。", "宿泊費の上限は。"]


@dataclass(frozen=True, kw_only=True)
class World:
    """Names of what is in the ledger."""

    context: str
    other: str
    """A second context."""
    served: str
    """An adapter that was approved and deployed."""
    waiting: str
    """An adapter whose approval is asked for."""
    request: str
    """That wait for a decision."""
    decided: str
    """The request by which the other one was approved."""
    deployment: str
    job: str
    """A person's job, which failed."""
    incident: str = "i-1"
    """Open."""

    def names(self, template: str) -> dict[str, str]:
        """What stands in this world for the names in an address of the description."""
        noun = template.removeprefix(ROOT).strip("/").partition("/")[0]
        identifier = {
            "contexts": self.context,
            "requests": self.request,
            "deployments": self.deployment,
            "jobs": self.job,
            "incidents": self.incident,
        }
        return {
            "identifier": identifier.get(noun, ""),
            "digest": self.served,
            "name": "support" if noun == "slots" else "standard",
            "person": HANAKO.id,
            "seq": "3",
            "message": "1",
            "candidates": f"{self.served}...{self.waiting}...none",
            "verb": "approve",
        }

    def address(self, template: str) -> str:
        """An address of the description with names of this world in it."""
        return template.format(**self.names(template))


def populate(place: Place) -> World:
    """One of everything."""
    context, other = submit(place), submit(place, title="慶弔規程", text="結婚祝金は三万円とする。")
    served, waiting = (_adapter(place, context, name, gain) for name, gain in (("第1版", 0.5), ("第2版", 1.5)))
    decided, request = (_asked(place, one) for one in (served, waiting))
    approve(place.actor(YUKI), request=decided, signature=signature(place, decided))
    entry = deploy(place.actor(MISAKI), slot="support", adapter=served, seen=None, reason="公開")
    finish(place, entry.subject.id)
    job = evaluate(place.actor(HANAKO), adapter=waiting, suite="retention")
    with place.ledger.write() as tx:
        leased = jobs.lease_job(tx, worker="worker-1", kinds=("evaluate",), seconds=60)
        if leased is None:
            raise LookupError("the job that was just submitted is not there")
        jobs.fail_job(tx, leased, error="the core gave no answer")
    with place.ledger.write() as tx:
        about = Subject(kind="incident", id=World.incident)
        append(tx, "incident:raised", subject=about, actor=SYSTEM, data={"what": "drift", "detail": "Found"})
    return World(
        context=context,
        other=other,
        served=served,
        waiting=waiting,
        request=request,
        decided=decided,
        deployment=entry.subject.id,
        job=job.job,
    )


def token(place: Place, *scopes: str, days: float = 1) -> IssuedToken:
    """A service token."""
    expires = place.clock.now + timedelta(days=days)
    return issue_token(place.actor(MISAKI), name="pipeline", scopes=frozenset(scopes), expires=expires)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A program with a token."""

    secret: str

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Call an operation with a JSON body."""
        bearer = {"authorization": f"Bearer {self.secret}", **headers}
        client = Client(enforce_csrf_checks=True)
        address = path if path.startswith("/") else ROOT + path
        if body is None:
            return client.generic(method, address, headers=bearer)
        return client.generic(method, address, _json(body), content_type="application/json", headers=bearer)

    def get(self, path: str, **headers: str) -> Any:
        """Read."""
        return self.call("GET", path, **headers)

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        """Ask for something."""
        return self.call("POST", path, {} if body is None else body, **headers)

    def upload(self, path: str, fields: Mapping[str, object]) -> Any:
        """Send a file."""
        bearer = {"authorization": f"Bearer {self.secret}"}
        return Client(enforce_csrf_checks=True).post(ROOT + path, fields, headers=bearer)


def caller(place: Place, *scopes: str, days: float = 1) -> Caller:
    """A program with a new token."""
    return Caller(secret=token(place, *scopes, days=days).secret)


def _json(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def _adapter(place: Place, context: str, name: str, gain: float) -> str:
    digest = generate(place, context=context, name=name)
    losses = {
        "none": NONE,
        "prompt": [value - 2.0 for value in NONE],
        "adapter": [value - gain for value in NONE],
    }
    said = {"adapter": ["三千円です。", "わかりません。"]}
    measure(place, digest, losses, general={"none": NONE, "adapter": NONE}, said=said, questions=QUESTIONS)
    return digest


def _asked(place: Place, adapter: str) -> str:
    return request_approval(place.actor(HANAKO), adapter=adapter, slot="support", comment="窓口で使う")
