"""Mails: one to each person, in both languages, sent again only to whom they have not reached."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation
from pytest_django import Settings

from adapters_core.ledger import outbox, outbox_queries
from adapters_core.ledger.outbox_queries import Message
from governance.worker import telling
from governance.worker.delivering import deliver_some
from governance.worker.workplace import Workplace
from tests.cast import KENJI, SHIN, YUKI, Member, sign_up
from tests.factories.installations import Place
from tests.factories.mail_servers import MailServer, mail_server

ROOT = Path(__file__).parents[3] / "governance"
pytestmark = pytest.mark.django_db


@pytest.fixture
def mails(settings: Settings) -> Iterator[MailServer]:
    """A mail server of this test, to which the installation sends."""
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", server.port, False
        settings.ADDRESS = "https://ringi.example"
        yield server


def notice(place: Place, *people: Member, kind: str = "request_waiting") -> None:
    payload = {
        "kind": kind,
        "subject": {"kind": "request", "id": "r-1"},
        "seq": 3,
        "people": [member.id for member in people],
    }
    with place.ledger.write() as tx:
        outbox.send(tx, topic=telling.NOTICE, key=f"{kind}:3", payload=payload, seq=3)


def deliver(place: Place, at: Workplace, *, rounds: int) -> None:
    for _ in range(rounds):
        place.clock.forward(minutes=10)
        deliver_some(at, (telling.NOTICE,))
        deliver_some(at, (telling.MAIL,))


def sent(place: Place) -> dict[str, Message]:
    with place.ledger.read() as db:
        return {one.payload["person"]: one for one in outbox_queries.find_messages(db, topics=(telling.MAIL,))}


def test_a_mail_says_in_both_languages_what_happened_and_where_to_look(
    place: Place, at: Workplace, mails: MailServer
) -> None:
    sign_up(YUKI)
    notice(place, YUKI)
    deliver(place, at, rounds=1)

    ((to, mail),) = mails.mails
    assert to == YUKI.email
    body = mail.get_content()
    for language in ("ja", "en"):
        with translation.override(language):
            title = str(telling.TITLES["request_waiting"])
        assert title in mail["subject"]
        assert title in body
    assert body.count("https://ringi.example/requests/r-1/") == 2


def test_whom_a_mail_has_reached_is_not_written_to_again_while_another_is_out_of_reach(
    place: Place, at: Workplace, mails: MailServer
) -> None:
    for member in (YUKI, KENJI):
        sign_up(member)
    mails.answers = {KENJI.email: [451, 451]}
    notice(place, YUKI, KENJI)
    deliver(place, at, rounds=4)

    assert sorted(to for to, _mail in mails.mails) == sorted([YUKI.email, KENJI.email])
    with place.ledger.read() as db:
        log = outbox_queries.attempts(db, sent(place)[KENJI.id].message)
    assert [attempt.delivered for attempt in log] == [False, False, True]


def test_an_address_that_there_is_not_is_given_up_and_said(place: Place, at: Workplace, mails: MailServer) -> None:
    for member in (YUKI, KENJI):
        sign_up(member)
    mails.answers = {KENJI.email: [550] * 5}
    notice(place, YUKI, KENJI)
    deliver(place, at, rounds=3)

    found = sent(place)
    assert (found[YUKI.id].state, found[KENJI.id].state) == ("delivered", "refused")
    assert "550" in str(found[KENJI.id].error)
    assert found[KENJI.id].attempts == 1


def test_mails_wait_for_a_server_that_is_down(
    place: Place, at: Workplace, mails: MailServer, settings: Settings
) -> None:
    sign_up(YUKI)
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 9
    notice(place, YUKI)
    deliver(place, at, rounds=2)
    assert sent(place)[YUKI.id].state == "pending"

    settings.EMAIL_PORT = port
    deliver(place, at, rounds=1)
    assert [to for to, _mail in mails.mails] == [YUKI.email]


def test_a_server_that_takes_nothing_from_us_is_no_fault_of_the_address(
    place: Place, at: Workplace, mails: MailServer
) -> None:
    sign_up(YUKI)
    mails.sender = 550
    notice(place, YUKI)
    deliver(place, at, rounds=2)
    assert sent(place)[YUKI.id].state == "pending"

    mails.sender = 250
    deliver(place, at, rounds=1)
    assert [to for to, _mail in mails.mails] == [YUKI.email]


def test_the_same_mail_carries_the_same_id_and_others_another(mails: MailServer) -> None:
    sign_up(YUKI)
    about = {"person": YUKI.id, "notice": {"kind": "delegated", "subject": {"kind": "delegation", "id": "d-1"}}}
    for key in ("a", "a", "b"):
        telling.write(about, key=key)

    first, again, other = (mail["message-id"] for _to, mail in mails.mails)
    assert first == again != other
    assert "https://ringi.example/delegations/" in mails.mails[0][1].get_content()


def test_who_left_is_written_to_no_more(place: Place, at: Workplace, mails: MailServer) -> None:
    user = sign_up(YUKI)
    user.is_active = False
    user.save()
    notice(place, YUKI, SHIN)
    deliver(place, at, rounds=1)

    assert mails.mails == []
    assert {one.state for one in sent(place).values()} == {"delivered"}


def kinds_that_are_sent() -> set[str]:
    """From the source: what is handed to ``notify``, and what payloads name as their kind."""
    found = set()
    for path in [*ROOT.glob("services/*.py"), *ROOT.glob("worker/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").startswith("notify"):
                found |= {one.value for one in node.args if isinstance(one, ast.Constant)}
            if isinstance(node, ast.Dict):
                pairs = {k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)}
                if "people" in pairs and isinstance(pairs["kind"], ast.Constant):
                    found.add(pairs["kind"].value)
    return {str(one) for one in found}


def test_every_kind_of_notice_has_its_mail() -> None:
    assert kinds_that_are_sent() == set(telling.TITLES)
