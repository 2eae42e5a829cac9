"""People who act in one moment, on SQLite and on PostgreSQL: one act counts, the others are refused and recorded."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from adapters_core.errors import DeniedError, RingiError
from adapters_core.ledger import queries, request_queries, slot_queries
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.verification.verify import verify
from governance.installation import installation
from governance.services.approve import approve
from governance.services.deploy import deploy
from governance.services.reject import reject
from governance.services.withdraw import withdraw
from tests import ledger_postgres
from tests.cast import HANAKO, KENJI, MISAKI, YUKI
from tests.factories.adapters import evaluate, evaluated
from tests.factories.installations import Place, installed, make_template
from tests.unit.governance.services.test_approving import ask, signature, strict_slot
from tests.unit.governance.services.test_deploying import approved

ROUNDS = 4


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An installation on each database, which all tests of this file share."""
    folder: Path = tmp_path_factory.mktemp("at-once")
    if request.param == "sqlite":
        with installed(make_template(folder / "var")) as ready:
            yield ready
        return
    with (
        ledger_postgres.database(request.getfixturevalue("postgres")) as url,
        installed(make_template(folder / "var", url), url) as ready,
    ):
        yield ready


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Run acts at the same moment, each in a thread of its own; answers ``done`` or why not, in their order."""
    ready = threading.Barrier(len(acts))
    said = [""] * len(acts)

    def run(index: int, act: Callable[[], object]) -> None:
        ready.wait()
        try:
            act()
            said[index] = "done"
        except DeniedError as error:
            said[index] = error.reason_code
        except RingiError as error:
            said[index] = type(error).__name__

    threads = [threading.Thread(target=run, args=(index, act)) for index, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return said


def refused(place: Place, since: int) -> Counter[str]:
    with place.ledger.read() as db:
        found = queries.find_entries(db, EntryFilter(events=("denied",)), limit=None)
    return Counter(entry.data["reason_code"] for entry in found if entry.seq >= since)


def size(place: Place) -> int:
    with place.ledger.read() as db:
        return queries.find_entries(db, limit=1)[0].seq + 1


def state(place: Place, request: str) -> str:
    with place.ledger.read() as db:
        return request_queries.request(db, request).state


def is_whole(place: Place) -> bool:
    with place.ledger.read() as db:
        return verify(db, [installation().signing_key.public]).ok


def test_two_reviewers_decide_one_stage_once(place: Place) -> None:
    for _ in range(ROUNDS):
        request = ask(place, evaluated(place))
        signed, since = signature(place, request), size(place)
        against = replace(signed, meaning="decided")

        said = at_once(
            partial(approve, place.actor(YUKI), request=request, signature=signed),
            partial(reject, place.actor(KENJI), request=request, signature=against, comment="根拠が足りない"),
        )

        assert sorted(said) == ["done", "not_open"]
        assert state(place, request) == ("approved" if said[0] == "done" else "rejected")
        assert refused(place, since) == {"not_open": 1}
    assert is_whole(place)


def test_one_reviewer_never_fills_two_places_of_a_stage(place: Place) -> None:
    slot = strict_slot(place)
    for _ in range(ROUNDS):
        digest = evaluated(place)
        evaluate(place, digest, suite="retention")
        request = ask(place, digest, slot=slot)
        signed = signature(place, request)

        said = at_once(*[partial(approve, place.actor(YUKI), request=request, signature=signed)] * 3)

        assert Counter(said) == {"done": 1, "already_decided": 2}
        assert state(place, request) == "in_review"
    assert is_whole(place)


def test_what_is_withdrawn_while_it_is_approved_is_one_of_both(place: Place) -> None:
    for _ in range(ROUNDS):
        request = ask(place, evaluated(place))
        signed = signature(place, request)

        said = at_once(
            partial(approve, place.actor(YUKI), request=request, signature=signed),
            partial(withdraw, place.actor(HANAKO), request=request, comment="取り下げます"),
        )

        assert sorted(said) == ["done", "not_open"]
        assert state(place, request) == ("approved" if said[0] == "done" else "withdrawn")
    assert is_whole(place)


def test_one_deployment_starts_however_often_it_is_pressed(place: Place) -> None:
    first, second = approved(place, name="一"), approved(place, name="二")
    since = size(place)
    press = partial(deploy, place.actor(MISAKI), slot="support", seen=None, reason="公開")

    said = at_once(*(partial(press, adapter=digest) for digest in (first, second, first, second)))

    assert Counter(said) == {"done": 1, "in_progress": 3}
    assert refused(place, since) == {"in_progress": 3}
    with place.ledger.read() as db:
        pending = slot_queries.slot(db, "support").pending
        begun = queries.find_entries(db, EntryFilter(events=("deployment:requested",)), limit=None)
    assert [entry.subject.id for entry in begun] == [pending]
    assert is_whole(place)
