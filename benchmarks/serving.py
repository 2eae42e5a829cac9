"""How long from the click to the verified read-back of a rollback, and what does the gateway add to an answer?

Rollback: the page is opened and its form is sent as a browser does; a worker with all its threads runs beside it; the
clock stops when the ledger holds that the engine lists the adapter again. Both adapters are resident. A rollback asks
the model nothing, so a tiny base stands in.

Gateway: the same question to the engine itself and through the gateway, in turns, over sockets. The engine is the
generation core over the real base, behind a socket in this process; the slot serves the bare base.
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import uvicorn

import benchmarks.ready  # noqa: F401  before anything of Django's
from adapters_core.ledger import slot_queries
from adapters_core.service.server import bind
from benchmarks.installing import browser, prepare_people
from benchmarks.reporting import arguments, core_of, report
from governance.asgi import application
from governance.installation import installation
from governance.services.create_slot import create_slot
from governance.services.deploy import deploy
from governance.services.issue_token import issue_token
from governance.services.set_policy import set_policy
from governance.worker.loops import Worker
from governance.worker.workplace import Workplace
from tests.cast import MISAKI
from tests.factories.cores import RunningCore, running_core
from tests.factories.installations import Place, installed, make_template
from tests.factories.works import FERRY, SLOT, TEA, approved, carry_out, make_slot, slot_row, workplace
from tests.tiny_service import TOKEN

POLICY = {
    "stages": [{"name": "Review", "role": "reviewer", "needed": 1}],
    "required_suites": ["context"],
    "gates": [],
    "expires_days": 90,
    "cool_down_hours": 0,
    "norm_outlier": None,
}
QUESTION = "Which depot does clause 12 of the rule book name, and who keeps it?"
NEW_TOKENS = 32


def main() -> None:
    """Measure and report."""
    args = arguments(__doc__ or "")
    prepare_people()
    with tempfile.TemporaryDirectory() as scratch:
        rollback = rollbacks(Path(scratch), args.repeats)
        core = core_of(args)
        gateway = overhead(Path(scratch), args.repeats, core)
    report("rollback", [rollback], args, None)
    report("gateway", [gateway], args, core)


def rollbacks(scratch: Path, repeats: int) -> dict[str, Any]:
    """Seconds from the click to the entry that tells what was read back."""
    with installed(make_template(scratch / "var-1")) as place:
        set_policy(place.actor(MISAKI), name="lenient", policy=POLICY)
        with running_core(scratch / "core-1", adapters=place.folder / "serving") as core:
            make_slot(place, core)
            with workplace(place, core) as at:
                pair = [approved(place, at, FERRY), approved(place, at, TEA)]
                for seen, adapter in ((None, pair[0]), (pair[0], pair[1])):
                    deploy(place.actor(MISAKI), slot=SLOT, adapter=adapter, seen=seen, reason="Go")
                    carry_out(at)
                with _working(at):
                    times = [_rolled_back(place, pair) for _ in range(2 * repeats)]
    return {"rollbacks": len(times), "median s": median(times), "slowest s": max(times)}


def _rolled_back(place: Place, pair: list[str]) -> float:
    now = slot_row(place).adapter
    target = pair[0] if now == pair[1] else pair[1]
    client = browser(MISAKI)
    client.get(f"/slots/{SLOT}/")  # who clicks has the page before them; a process's first request loads all views
    started = time.perf_counter()
    sent = {"adapter": target, "seen": str(now), "reason": "For a measurement"}
    answer = client.post(f"/slots/{SLOT}/rollback/", sent)
    if answer.status_code != 302:
        raise RuntimeError(f"the rollback must be taken, the page answered {answer.status_code}")
    while True:
        with place.ledger.read() as db:
            row = slot_queries.slot(db, SLOT)
        if row.pending is None:
            break
        time.sleep(0.005)
    seconds = time.perf_counter() - started
    if row.adapter != target:
        raise RuntimeError("the rollback must succeed, the slot serves something else")
    return seconds


@contextmanager
def _working(at: Workplace) -> Iterator[None]:
    worker = Worker(at)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def overhead(scratch: Path, repeats: int, core: Any) -> dict[str, Any]:  # noqa: ANN401  the generation core
    """Medians of the answer by the engine itself and through the gateway."""
    with (
        installed(make_template(scratch / "var-2")) as place,
        running_core(scratch / "core-2", adapters=place.folder / "serving", core=core) as engine,
        workplace(place, engine) as at,
        _gateway() as address,
    ):
        installation().__dict__["engines"] = at.engines
        place.clock.now = datetime.now(UTC)
        create_slot(
            place.actor(MISAKI), name="desk-bare", title="Desk", base=core.base.digest, engine="core", policy="standard"
        )
        expires = place.clock.now + timedelta(days=1)
        token = issue_token(place.actor(MISAKI), name="t", scopes=frozenset({"infer"}), expires=expires).secret
        pairs = [
            (_asked(engine.url, _base_name(engine), TOKEN), _asked(address, "desk-bare", token))
            for _ in range(2 * repeats + 1)
        ]
    direct, through = (median(column) for column in zip(*pairs[1:], strict=True))
    added = median(after - before for before, after in pairs[1:])
    return {
        "engine s": direct,
        "through the gateway s": through,
        "added ms, median of pairs": added * 1e3,
        "added / engine": added / direct,
    }


def _base_name(engine: RunningCore) -> str:
    found = httpx.get(f"{engine.url}/v1/models", headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False)
    return str(next(card["id"] for card in found.json()["data"] if not card.get("parent")))


def _asked(address: str, model: str, token: str) -> float:
    body = {"model": model, "prompt": QUESTION, "max_tokens": NEW_TOKENS, "temperature": 0, "ignore_eos": True}
    headers = {"authorization": f"Bearer {token}"}
    started = time.perf_counter()
    answer = httpx.post(f"{address}/v1/completions", json=body, headers=headers, timeout=120, trust_env=False)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} must answer, it said {answer.status_code}: {answer.text[:300]}")
    return time.perf_counter() - started


@contextmanager
def _gateway() -> Iterator[str]:
    """The web process's application behind a socket."""
    listening = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


if __name__ == "__main__":
    main()
