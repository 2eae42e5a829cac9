"""A worker's tools over an installation under test and a running tiny core."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from adapters_core.ledger import slot_queries
from adapters_core.service.client import CoreClient
from adapters_core.service.transport import Retries
from governance.engines.registry import Engines
from governance.installation import installation
from governance.services.approve import approve
from governance.services.create_slot import create_slot
from governance.services.evaluate import evaluate
from governance.services.generate import generate
from governance.services.request_approval import request_approval
from governance.services.submit_context import submit_context
from governance.worker.delivering import deliver_some
from governance.worker.deploying import TOPIC
from governance.worker.working import work_once
from governance.worker.workplace import Workplace
from tests.cast import HANAKO, MISAKI, YUKI
from tests.factories.cores import RunningCore
from tests.factories.installations import Place
from tests.unit.governance.services.test_approving import signature

SLOT = "desk"
FERRY = "The ferry leaves Oboro at seven. It is never late, but it is often full. Dogs travel free on the upper deck."
TEA = "A pound of tea costs forty yen at the harbour. The harbour master drinks it black. He pays on Fridays only."
QUESTIONS = {
    FERRY: [
        {"question": "When does the ferry leave?", "answers": ["at seven"]},
        {"question": "Where do dogs travel?", "answers": ["on the upper deck"]},
    ],
    TEA: [{"question": "What does a pound of tea cost?", "answers": ["forty yen"]}],
}

LENIENT: dict[str, Any] = {
    "stages": [{"name": "Review", "role": "reviewer", "needed": 1}],
    "required_suites": ["context"],
    "gates": [{"name": "Retention", "metric": "retention", "operator": ">=", "threshold": 0.01}],
    "expires_days": 90,
    "cool_down_hours": 0,
    "norm_outlier": None,
}
"""A tiny random base remembers nothing: no policy asks it to."""


@contextmanager
def workplace(place: Place, core: RunningCore, **changes: Any) -> Iterator[Workplace]:
    """Tools that call this core."""
    client = CoreClient(core.url, token=core.token, timeout=60.0, retries=Retries(tries=1))
    at = Workplace(
        name="worker-1",
        ledger=place.ledger,
        master=installation().master_key,
        core=client,
        engines=Engines({"core": f"vllm+{core.url}"}, {"core": core.token}),
        mlflow_url=f"sqlite:///{place.folder / 'mlflow.sqlite3'}",
    )
    with client:
        yield replace(at, **changes)
    at.engines.close()


def make_slot(place: Place, core: RunningCore, name: str = SLOT) -> str:
    """A slot that serves the tiny base."""
    create_slot(
        place.actor(MISAKI), name=name, title="Desk", base=core.core.base.digest, engine="core", policy="lenient"
    )
    return name


def generated(place: Place, at: Workplace, text: str = FERRY) -> str:
    """The digest of an adapter that a worker made of a text."""
    context = submit_context(place.actor(HANAKO), title="Ferry", text=text, questions=QUESTIONS.get(text, ()))
    job = generate(place.actor(HANAKO), context=context)
    assert work_once(at)
    return str(finished(place, job.job)["adapter"])


def evaluated(place: Place, at: Workplace, text: str = FERRY) -> str:
    """As :func:`generated`, and evaluated by a worker."""
    digest = generated(place, at, text)
    job = evaluate(place.actor(HANAKO), adapter=digest)
    assert work_once(at)
    finished(place, job.job)
    return digest


def approved(place: Place, at: Workplace, text: str = FERRY, *, slot: str = SLOT) -> str:
    """As :func:`evaluated`, and approved for the slot."""
    digest = evaluated(place, at, text)
    request = request_approval(place.actor(HANAKO), adapter=digest, slot=slot, comment="Please")
    approve(place.actor(YUKI), request=request, signature=signature(place, request))
    return digest


def finished(place: Place, job: str) -> dict[str, Any]:
    """The result of a job that is done."""
    from adapters_core.ledger import job_queries

    with place.ledger.read() as db:
        found = job_queries.job(db, job)
    assert found.state == "done", found.error
    return dict(found.result or {})


def slot_row(place: Place, name: str = SLOT) -> slot_queries.SlotRow:
    """What a slot serves."""
    with place.ledger.read() as db:
        return slot_queries.slot(db, name)


def carry_out(at: Workplace) -> None:
    """Deliver the deployments that are due."""
    while deliver_some(at, (TOPIC,)):
        pass
