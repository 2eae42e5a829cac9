"""A first password, which the administrator has seen, opens nothing: a person counts once they have set their own."""

import io
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.adapter import get_adapter
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from adapters_core.errors import DeniedError, LedgerError, StorageError
from adapters_core.ledger import queries, request_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Actor, Entry, Subject
from adapters_core.ledger.signing import load_public
from adapters_core.ledger.verification.verify import verify
from governance.actors import standings
from governance.services import activate_person as activating
from governance.services import give_account as giving
from governance.services.approve import approve
from governance.services.delegate import delegate
from governance.services.found import record_first_password
from governance.services.grant_role import grant_role
from governance.services.request_approval import request_approval
from tests.cast import AKIRA, HANAKO, MISAKI, SHIN, YUKI, Member, sign_up
from tests.factories.adapters import evaluated
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn
from tests.unit.governance.services.test_approving import signature

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]
CHANGE = "/accounts/password/change/"
OWN = "entirely-my-own-words"
HIKARI = "hikari@ringi.example"


@pytest.fixture(autouse=True)
def _real_time(place: Place) -> None:
    """Proofs of identity bear the time of the day."""
    cache.clear()
    place.clock.now = timezone.now()


@pytest.fixture
def misaki(browser_of: SignIn) -> Client:
    return browser_of(MISAKI)


@pytest.fixture
def first(misaki: Client) -> str:
    """The first password of Hikari, as Misaki was shown it."""
    page = misaki.post("/people/add", {"name": "小川 光", "email": HIKARI})
    return str(page.context["password"])


@pytest.fixture
def hikari(place: Place, first: str) -> Member:
    """A reviewer for longer than any cool-down, who has never set a password of their own."""
    assert first
    found = Member(id=User.objects.get(email=HIKARI).username, name="小川 光", email=HIKARI, roles=("reviewer",))
    grant_role(place.actor(MISAKI), person=found.id, role="reviewer")
    place.clock.forward(hours=25)
    return found


@pytest.fixture
def request_id(place: Place) -> str:
    return request_approval(place.actor(HANAKO), adapter=evaluated(place), slot="support", comment="窓口で使う")


def signed_in(password: str, email: str = HIKARI, language: str = "ja") -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": email, "password": password})
    client.cookies["ringi_language"] = language
    return client


def set_own(client: Client, old: str, new: str = OWN) -> Any:
    return client.post(CHANGE, {"oldpassword": old, "password1": new, "password2": new})


def entries(place: Place, *events: str) -> tuple[Entry, ...]:
    with place.ledger.read() as db:
        return queries.find_entries(db, EntryFilter(events=events))


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/requests/",
        "/people/",
        "/audit/",
        "/playground/",
        "/accounts/2fa/",
        "/accounts/2fa/totp/activate/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/email/",
        "/accounts/3rdparty/",
        "/accounts/reauthenticate/",
        "/accounts/sign-on-again/",
    ],
)
@pytest.mark.usefixtures("hikari")
def test_it_opens_the_page_where_one_sets_ones_own_and_no_other(first: str, address: str) -> None:
    client = signed_in(first)
    for answer in (client.get(address), client.post(address, {"proof": first})):
        assert (answer.status_code, answer.headers["Location"]) == (302, CHANGE)


@pytest.mark.parametrize(
    ("language", "said"), [("ja", "ご自身のパスワードを設定してください"), ("en", "Set a password of your own")]
)
@pytest.mark.usefixtures("hikari")
def test_the_page_says_what_to_do_and_offers_nothing_else(first: str, language: str, said: str) -> None:
    client = signed_in(first, language=language)

    page = client.get(CHANGE)

    assert page.status_code == 200
    assert said in page.text
    assert 'href="/requests/"' not in page.text
    client.post("/accounts/logout/")
    assert client.get(CHANGE).headers["Location"].startswith("/accounts/login/")


def test_an_administrator_does_not_approve_through_a_person_they_made(
    place: Place, hikari: Member, first: str, request_id: str
) -> None:
    size = len(entries(place, "denied"))
    sent = {"meaning": "approved", "decision": "approve", "proof": first}
    answer = signed_in(first).post(f"/requests/{request_id}/decide/", sent)

    assert answer.headers["Location"] == CHANGE
    assert len(entries(place, "denied")) == size
    # The rules refuse by themselves, whatever the door.
    with pytest.raises(DeniedError) as refused:
        approve(place.actor(hikari), request=request_id, signature=signature(place, request_id))
    assert refused.value.reason_code == "first_password"
    assert entries(place, "denied")[0].data["reason_code"] == "first_password"


def test_setting_ones_own_is_recorded_by_that_person_and_opens_the_rest(
    place: Place, hikari: Member, first: str
) -> None:
    client, thief = signed_in(first), signed_in(first)

    answer = set_own(client, first)

    assert answer.headers["Location"] == "/"
    [entry] = entries(place, "person:activated")
    assert (entry.subject.id, entry.actor.id, entry.actor.kind) == (hikari.id, hikari.id, "person")
    assert entry.actor.auth is not None
    assert entry.actor.auth.method == "password"
    assert client.get("/requests/").status_code == 200
    assert thief.get("/requests/").headers["Location"].startswith("/accounts/login/"), "what was signed in ends"
    assert "_auth_user_id" not in signed_in(first).session
    with place.ledger.read() as db:
        key = load_public(place.folder / "keys" / "ledger.key.pub")
        assert verify(db, [key]).findings == ()


@pytest.mark.parametrize("new", ["the same", "short"])
def test_the_first_one_is_no_password_of_ones_own(place: Place, hikari: Member, first: str, new: str) -> None:
    client = signed_in(first)

    page = set_own(client, first, first if new == "the same" else new)

    assert page.status_code == 200
    assert entries(place, "person:activated") == ()
    assert client.get("/").headers["Location"] == CHANGE
    assert User.objects.get(username=hikari.id).check_password(first)


def test_a_role_counts_for_approvals_a_day_after_the_own_password(
    place: Place, hikari: Member, first: str, request_id: str
) -> None:
    set_own(signed_in(first), first)
    place.clock.forward(hours=23)
    with pytest.raises(DeniedError) as refused:
        approve(place.actor(hikari), request=request_id, signature=signature(place, request_id))
    assert refused.value.reason_code == "cool_down"

    place.clock.forward(hours=2)
    approve(place.actor(hikari), request=request_id, signature=signature(place, request_id))

    with place.ledger.read() as db:
        assert request_queries.request(db, request_id).state == "approved"


def test_the_day_of_a_grant_after_the_own_password_counts_from_the_grant(
    place: Place, hikari: Member, first: str
) -> None:
    set_own(signed_in(first), first)
    place.clock.forward(days=3)
    grant_role(place.actor(MISAKI), person=hikari.id, role="manager")
    granted = entries(place, "role:granted")[0].time

    with place.ledger.read() as db:
        since = {one.name: one.since for one in standings(db, hikari.id)}
    assert since["manager"] == granted
    assert since["reviewer"] == entries(place, "person:activated")[0].time


def test_nobody_decides_for_a_person_whose_password_somebody_else_knows(place: Place, request_id: str) -> None:
    delegate(place.actor(YUKI), to=AKIRA.id, until=place.clock.now + timedelta(days=80), reason="休暇")
    record_first_password(YUKI.id)

    def decide() -> str:
        with pytest.raises(DeniedError) as refused:
            approve(
                place.actor(AKIRA),
                request=request_id,
                signature=signature(place, request_id, on_behalf_of=YUKI.id),
            )
        return refused.value.reason_code

    assert decide() == "principal_role"
    activating.activate_person(place.actor(YUKI))
    assert decide() == "principal_role", "their role cools down anew"
    place.clock.forward(hours=25)
    approve(place.actor(AKIRA), request=request_id, signature=signature(place, request_id, on_behalf_of=YUKI.id))


def basic(password: str) -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(f'{HIKARI}:{password}'.encode()).decode()}"}


@pytest.mark.usefixtures("hikari")
def test_it_opens_nothing_of_the_api(place: Place, first: str) -> None:
    rollback = {"adapter": None, "seen": None, "reason": "誤った回答"}
    read = Client().get("/api/v1/slots/support", headers=basic(first))
    acted = Client().post(
        "/api/v1/slots/support/rollback", rollback, content_type="application/json", headers=basic(first)
    )

    for answer in (read, acted):
        assert (answer.status_code, answer.json()["reason"]) == (403, "first_password")
    assert entries(place, "denied")[0].data["reason_code"] == "first_password"
    set_own(signed_in(first), first)
    assert Client().get("/api/v1/slots/support", headers=basic(OWN)).status_code == 200


@pytest.mark.usefixtures("hikari")
def test_it_opens_nothing_of_the_command_line(place: Place, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{first}\n"))

    with pytest.raises(CommandError, match=r"パスワードを設定|Set a password of your own"):
        call_command("rollback", "support", "--bare", reason="誤った回答", email=HIKARI)

    assert entries(place, "denied")[0].data["reason_code"] == "first_password"


@pytest.mark.usefixtures("hikari")
def test_a_link_sent_by_mail_sets_ones_own_as_well(place: Place) -> None:
    client = Client()
    client.post("/accounts/password/reset/", {"email": HIKARI})
    link = next(word for word in mail.outbox[0].body.split() if "/password/reset/key/" in word)
    form = client.get(link.replace("http://testserver", "")).headers["Location"]

    client.post(form, {"password1": OWN, "password2": OWN})

    [entry] = entries(place, "person:activated")
    assert entry.actor.auth is not None
    assert entry.actor.auth.method == "mail"
    assert signed_in(OWN).get("/requests/").status_code == 200


def test_a_ledger_that_cannot_be_written_asks_for_another_password_again(
    place: Place, hikari: Member, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise LedgerError("the ledger takes no entry")

    with monkeypatch.context() as broken:
        broken.setattr(activating, "append", fail)
        assert set_own(signed_in(first), first).status_code == 500

    assert entries(place, "person:activated") == ()
    client = signed_in(OWN)
    assert client.get("/").headers["Location"] == CHANGE
    set_own(client, OWN, "still-more-words-of-mine")
    assert entries(place, "person:activated")[0].actor.id == hikari.id


def test_changing_a_password_of_ones_own_is_no_entry(place: Place) -> None:
    get_adapter().set_password(sign_up(YUKI), "another-long-password")

    assert entries(place, "person:activated") == ()
    assert signed_in("another-long-password", YUKI.email).get("/requests/").status_code == 200


@pytest.mark.parametrize(
    "words",
    [
        ("en", "No password of their own yet", "Own password set"),
        ("ja", "本人のパスワード未設定", "本人のパスワードを設定"),
    ],
)
def test_the_pages_of_people_say_who_has_not_set_their_own(
    misaki: Client, hikari: Member, first: str, words: tuple[str, str, str]
) -> None:
    language, waiting, told = words
    misaki.cookies["ringi_language"] = language
    for page in ("/people/", f"/people/{hikari.id}/"):
        assert (waiting in misaki.get(page).text) is (page == "/people/")
    assert "banner-warning" in misaki.get(f"/people/{hikari.id}/").text

    set_own(signed_in(first), first)

    assert waiting not in misaki.get("/people/").text
    page = misaki.get(f"/people/{hikari.id}/").text
    assert "banner-warning" not in page
    assert told in page
    assert "chip-warn" in page, "the role cools down from then on"


def test_a_person_recorded_before_first_passwords_were_is_not_asked(place: Place, browser_of: SignIn) -> None:
    with place.ledger.write() as tx:
        subject, actor = Subject(kind="person", id=SHIN.id + "x"), Actor(id="setup", name="setup", kind="system")
        append(tx, "person:created", subject=subject, actor=actor, data={"name": "x"})
    old = Member(id=SHIN.id + "x", name="x", email="x@ringi.example", roles=())

    assert browser_of(old).get("/accounts/2fa/").status_code == 200


@pytest.mark.parametrize(("language", "offered"), [("en", "Make the account"), ("ja", "アカウントを作成")])
def test_who_has_no_account_is_given_one_on_their_page(
    place: Place, misaki: Client, language: str, offered: str
) -> None:
    misaki.cookies["ringi_language"] = language
    assert offered in misaki.get(f"/people/{YUKI.id}/").text

    made = misaki.post(f"/people/{YUKI.id}/account", {"email": YUKI.email})

    assert made.status_code == 200
    [entry] = entries(place, "person:password_issued")
    assert (entry.subject.id, entry.actor.id) == (YUKI.id, MISAKI.id)
    client = signed_in(made.context["password"], YUKI.email)
    assert client.get("/").headers["Location"] == CHANGE
    set_own(client, made.context["password"])
    assert client.get("/requests/").status_code == 200
    assert offered not in misaki.get(f"/people/{YUKI.id}/").text
    assert misaki.post(f"/people/{YUKI.id}/account", {"email": "other@ringi.example"}).status_code == 400
    assert len(entries(place, "person:password_issued")) == 1


def test_an_account_that_was_not_made_after_it_was_recorded_is_made_by_the_next_attempt(
    place: Place, misaki: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(giving, "make_account", fail)
        assert misaki.post(f"/people/{YUKI.id}/account", {"email": YUKI.email}).status_code == 500
    with place.ledger.read() as db:
        assert standings(db, YUKI.id) == ()

    made = misaki.post(f"/people/{YUKI.id}/account", {"email": YUKI.email})

    assert signed_in(made.context["password"], YUKI.email).get("/").headers["Location"] == CHANGE


@pytest.mark.parametrize("address", ["", "none", MISAKI.email])
def test_no_account_is_made_for_an_address_that_cannot_be_used(place: Place, misaki: Client, address: str) -> None:
    assert misaki.post(f"/people/{YUKI.id}/account", {"email": address}).status_code == 400

    assert entries(place, "person:password_issued") == ()
    assert not User.objects.filter(username=YUKI.id).exists()
    assert misaki.post("/people/nobody/account", {"email": "x@ringi.example"}).status_code == 404


def test_an_account_is_made_by_administrators_alone(place: Place, browser_of: SignIn) -> None:
    answer = browser_of(HANAKO).post(f"/people/{YUKI.id}/account", {"email": YUKI.email})

    assert answer.status_code == 403
    assert entries(place, "denied")[0].data["action"] == "create_person"
    assert f"/people/{YUKI.id}/account" not in browser_of(HANAKO).get(f"/people/{YUKI.id}/").text


def test_a_password_that_is_reset_on_the_host_is_a_first_one_again(place: Place, browser_of: SignIn) -> None:
    browser, out = browser_of(YUKI), io.StringIO()

    call_command("changepassword", YUKI.email, stdout=out)

    [entry] = entries(place, "person:password_issued")
    assert (entry.subject.id, entry.actor.id, entry.actor.kind) == (YUKI.id, "changepassword", "system")
    password = out.getvalue().split()[-1]
    assert browser.get("/requests/").headers["Location"].startswith("/accounts/login/")
    client = signed_in(password, YUKI.email)
    assert client.get("/requests/").headers["Location"] == CHANGE
    set_own(client, password)
    assert entries(place, "person:activated")[0].actor.id == YUKI.id


def test_a_password_is_reset_only_of_whom_the_ledger_knows(place: Place) -> None:
    stranger = Member(id="00000000-0000-4000-8000-0000000000ff", name="x", email="x@ringi.example", roles=())
    user = sign_up(stranger)

    for address in (stranger.email, "nobody@ringi.example"):
        with pytest.raises(CommandError):
            call_command("changepassword", address)

    assert User.objects.get(pk=user.pk).password == user.password
    assert entries(place, "person:password_issued") == ()
