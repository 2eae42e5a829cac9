"""The demonstration over a tiny base, done by a worker: every state is there, and a second start changes nothing."""

import threading
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from adapters_core.ledger import adapter_queries, outbox_queries, queries, slot_queries
from governance.demonstration import story
from governance.worker.delivering import deliver_some
from governance.worker.deploying import TOPIC
from governance.worker.working import work_once
from governance.worker.workplace import Workplace
from tests.cast import HANAKO, KENJI, MISAKI, YUKI
from tests.factories.installations import Place

PEOPLE = {"engineer": HANAKO, "reviewer": YUKI, "reviewer2": KENJI, "admin": MISAKI}
pytestmark = pytest.mark.django_db


@pytest.fixture
def working(place: Place, at: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker's two threads, and the people of the demonstration."""
    for mailbox, member in PEOPLE.items():
        User.objects.create(username=member.id, email=f"{mailbox}@ringi.example", first_name=member.name)
    monkeypatch.setattr(story, "POLICY", "lenient")
    monkeypatch.setattr("governance.demonstration.cast.utc_now", place.clock)
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            with place.ledger.read() as db:
                waiting = outbox_queries.pending_counts(db).get(TOPIC)
            if not (waiting and deliver_some(at, (TOPIC,))) and not work_once(at):
                ended.wait(0.05)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join(30)


@pytest.mark.usefixtures("working")
def test_every_state_is_there_and_a_second_start_changes_nothing(place: Place) -> None:
    said: list[str] = []
    story.tell(said.append, most=5)

    with place.ledger.read() as db:
        states = adapter_queries.state_counts(db)
        slot = slot_queries.slot(db, story.SLOT)
        size = queries.size(db)
    assert {"deployed": 1, "superseded": 1, "requested": 1, "rejected": 1, "evaluated": 1}.items() <= states.items(), (
        said
    )
    assert slot.adapter is not None

    story.tell(said.append, most=5)

    with place.ledger.read() as db:
        assert queries.size(db) == size
    assert said[-1] == "the demonstration is as it was left"
