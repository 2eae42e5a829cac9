"""People who do anything in any order never bring the ledger into a state that it must not reach.

The rules below try whatever comes to mind; a plain second model says what must be refused.
"""

import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from adapters_core.errors import IllegalTransitionError
from adapters_core.ledger import queries, slot_queries
from adapters_core.ledger.adapter_queries import adapter
from adapters_core.ledger.people_queries import state_of
from adapters_core.ledger.session import open_ledger
from adapters_core.ledger.signing import SigningKey
from adapters_core.ledger.verification.verify import verify
from tests import ledger_cast as cast
from tests.ledger_story import evaluate, prepare, step, subject

ADAPTERS = ("a", "b", "c")
SLOTS = ("support", "sales")
NEEDED = (2,)
people = st.sampled_from([cast.REVIEWER, cast.SECOND, cast.ADMIN])
adapters = st.sampled_from(ADAPTERS)
slots = st.sampled_from(SLOTS)


class Approvals(RuleBasedStateMachine):
    """Two slots, three evaluated adapters, and people."""

    source: Path
    key: SigningKey

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.ledger = open_ledger(shutil.copy(self.source, self.folder / "l.sqlite3"), signer=self.key)
        prepare(self.ledger, slots=SLOTS)
        for name in ADAPTERS:
            evaluate(self.ledger, name)
        self.count = 1 + len(SLOTS) + 2 * len(ADAPTERS)
        self.open: dict[str, tuple[str, list[set[str]]]] = {}
        self.asked: dict[str, tuple[str, str]] = {}
        self.granted: set[str] = set()
        self.retired: set[str] = set()
        self.serves: dict[str, str | None] = dict.fromkeys(SLOTS)
        self.pending: dict[str, tuple[str, str | None]] = {}
        self.ever: set[str] = set()
        self.numbers = {"r": 0, "d": 0}

    def attempt(self, right: object, event: str, name: str, data: Any, actor: Any = cast.ENGINEER) -> bool:
        try:
            step(self.ledger, event, name, data, actor)
        except IllegalTransitionError as error:
            refusal: str | None = str(error)
        else:
            refusal = None
            self.count += 1
        assert bool(right) == (refusal is None), refusal or f"{event} on {name} must have been refused"
        return refusal is None

    def new(self, kind: str) -> str:
        self.numbers[kind] += 1
        return f"{kind}-{self.numbers[kind]}"

    def grant(self, request: str) -> None:
        """It holds for its slot whatever becomes of other requests."""
        del self.open[request]
        self.granted.add(request)

    def some_request(self, data: st.DataObject, likely: Collection[str]) -> str:
        """Mostly one with which something can be done."""
        any_of_all = st.integers(1, self.numbers["r"]).map("r-{}".format)
        return str(data.draw(st.sampled_from(sorted(likely) * 3) | any_of_all if likely else any_of_all))

    @rule(name=adapters, slot=slots)
    def request(self, name: str, slot: str) -> None:
        free = name not in self.retired and all(item != name for item, _ in self.open.values())
        request = self.new("r")
        if self.attempt(free, "request:opened", request, cast.opened(name, slot=slot, stages=NEEDED)):
            self.open[request] = (name, [set()])
            self.asked[request] = (name, slot)

    @precondition(lambda self: self.numbers["r"])
    @rule(data=st.data(), person=people, stage=st.sampled_from([0, 0, 0, 1]), behalf=st.none() | people)
    def approve(self, data: st.DataObject, person: Any, stage: int, behalf: Any) -> None:
        request = self.some_request(data, self.open)
        name, stages = self.open.get(request, ("", [set()]))
        principal = (behalf or person).id
        right = request in self.open and stage == len(stages) - 1 and principal not in stages[-1]
        right = right and name not in self.retired
        decision = cast.decision(stage, on_behalf_of=behalf.id if behalf else None)
        if self.attempt(right, "request:approved", request, decision, person):
            stages[-1].add(principal)
            if len(stages[-1]) == NEEDED[stage]:
                stages.append(set())
            if len(stages) > len(NEEDED):
                self.grant(request)

    @precondition(lambda self: self.open)
    @rule()
    def approve_rightly(self) -> None:
        request, (name, stages) = min(self.open.items(), key=lambda item: item[1][0] in self.retired)
        if name in self.retired:
            self.attempt(False, "request:approved", request, cast.decision(), cast.REVIEWER)
            return
        for person in (cast.REVIEWER, cast.SECOND):
            if person.id not in stages[-1] and len(stages[-1]) < NEEDED[0]:
                stages[-1].add(person.id)
                self.attempt(True, "request:approved", request, cast.decision(), person)
        self.grant(request)

    @precondition(lambda self: self.granted)
    @rule(data=st.data(), event=st.sampled_from(["request:voided", "request:expired"]))
    def take_approval_back(self, data: st.DataObject, event: str) -> None:
        request = data.draw(st.sampled_from(sorted(self.granted)))
        self.attempt(True, event, request, {"cause": "changed"})
        self.granted.remove(request)

    @precondition(lambda self: self.numbers["r"])
    @rule(data=st.data(), event=st.sampled_from(["request:withdrawn", "request:rejected", "request:voided"]))
    def end(self, data: st.DataObject, event: str) -> None:
        request = self.some_request(data, {*self.open, *self.granted})
        stage = len(self.open[request][1]) - 1 if request in self.open else 0
        body = {"request:rejected": cast.decision(stage, comment="no"), "request:voided": {"cause": "x"}}.get(event, {})
        right = request in self.open or (event == "request:voided" and request in self.granted)
        if self.attempt(right, event, request, body, cast.REVIEWER):
            self.open.pop(request, None)
            self.granted.discard(request)

    @rule(
        data=st.data(),
        name=adapters,
        slot=slots,
        kind=st.sampled_from(["deploy", "deploy", "rollback", "kill", "break_glass"]),
        stale=st.booleans(),
    )
    def deploy(self, data: st.DataObject, name: str, slot: str, kind: str, stale: bool) -> None:  # noqa: FBT001
        fitting = sorted(request for request in self.granted if self.asked[request] == (name, slot))
        request = data.draw(st.sampled_from([*(fitting * 4), *sorted(self.asked), "none"]))
        self.place(None if kind == "kill" else name, slot, kind, request, stale=stale)

    @precondition(lambda self: self.granted)
    @rule(data=st.data(), slot=slots, kind=st.sampled_from(["deploy", "rollback"]))
    def deploy_what_is_approved_somewhere(self, data: st.DataObject, slot: str, kind: str) -> None:
        request = data.draw(st.sampled_from(sorted(self.granted)))
        self.place(self.asked[request][0], slot, kind, request)

    def place(self, target: str | None, slot: str, kind: str, request: str, *, stale: bool = False) -> None:
        serves, deployment = self.serves[slot], self.new("d")
        previous = None if stale else serves
        right = slot not in self.pending and previous == serves and target != serves
        right = right or (slot not in self.pending and slot not in self.ever and kind == "kill")
        if target:
            approved = request in self.granted and self.asked[request] == (target, slot)
            right = right and target not in self.retired and (kind == "break_glass" or approved)
        body = cast.deployment(target, slot=slot, previous=previous, kind=kind, request=request)
        if self.attempt(right, "deployment:requested", deployment, body, cast.ADMIN):
            self.pending[slot] = (deployment, target)

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), works=st.booleans())
    def finish(self, data: st.DataObject, works: bool) -> None:  # noqa: FBT001
        slot = data.draw(st.sampled_from(sorted(self.pending)))
        deployment, target = self.pending.pop(slot)
        if works:
            self.attempt(True, "deployment:succeeded", deployment, cast.succeeded(), cast.WORKER)
            self.serves[slot] = target
            self.ever.add(slot)
        else:
            self.attempt(True, "deployment:failed", deployment, {"error": "x"}, cast.WORKER)
        self.attempt(False, "deployment:succeeded", deployment, cast.succeeded(), cast.WORKER)

    @precondition(lambda self: self.numbers["r"] % 4 == 3)  # not too often: little can happen afterwards
    @rule(name=st.sampled_from(["c"]))
    def retire(self, name: str) -> None:
        if self.attempt(name not in self.retired, "adapter:retired", name, {"reason": "old"}, cast.ADMIN):
            self.retired.add(name)

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        if not hasattr(self, "ledger"):
            return
        with self.ledger.read() as db:
            assert queries.size(db) == self.count
            for slot, name in self.serves.items():
                assert slot_queries.slot(db, slot).adapter == (cast.digest(name) if name else None)
            for name in ADAPTERS:
                row = adapter(db, cast.digest(name))
                assert (row.state == "retired") == (name in self.retired)
                granted = [request for request in self.granted if self.asked[request][0] == name]
                assert row.approvals == (0 if name in self.retired else len(granted))
                assert row.serving == list(self.serves.values()).count(name)
                if name not in self.retired:
                    assert (row.state == "deployed") == (name in self.serves.values())
            for request in self.open:
                assert state_of(db, subject("request", request)) in {"requested", "in_review"}

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            with self.ledger.read() as db:
                report = verify(db, [self.key.public])
            self.ledger.close()
            shutil.rmtree(self.folder)
            assert report.ok, report.findings


def test_no_order_of_actions_reaches_an_illegal_state(migrated: Path, key: SigningKey) -> None:
    machine = type("WithFiles", (Approvals,), {"source": migrated, "key": key})
    steps = settings(
        max_examples=40, stateful_step_count=40, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=steps)
