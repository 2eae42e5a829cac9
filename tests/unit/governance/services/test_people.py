"""Adding a person is all or nothing: what was stopped between account and entry is done by the next attempt."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User

from adapters_core.errors import DeniedError, InputError, StorageError
from adapters_core.ledger import queries
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Entry
from governance.services import acting
from governance.services.create_person import create_person
from governance.services.make_account import make_account
from tests.cast import HANAKO, MISAKI, sign_up
from tests.factories.installations import Place

pytestmark = pytest.mark.django_db
EMAIL = "hikari@ringi.example"
FIRST = "first-password-of-hikari"


def created(place: Place) -> list[Entry]:
    with place.ledger.read() as db:
        found = queries.find_entries(db, EntryFilter(events=("person:created",), actor=MISAKI.id))
    return list(found)


def add(place: Place, password: str | None = FIRST) -> str:
    return create_person(place.actor(MISAKI), name="小川 光", email=EMAIL, password=password)


@pytest.mark.parametrize("password", [FIRST, None])
def test_the_entry_says_whether_there_is_a_first_password(place: Place, password: str | None) -> None:
    person = add(place, password)

    [entry] = created(place)
    assert entry.data == {"name": "小川 光", "first_password": password is not None}
    assert (entry.subject.id, User.objects.get(email=EMAIL).username) == (person, person)


def test_what_was_stopped_between_account_and_entry_is_done_by_the_next_attempt(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(acting, "append", fail)
        with pytest.raises(StorageError):
            add(place, "of-the-first-attempt")
    left = User.objects.get(email=EMAIL)
    assert created(place) == []

    person = add(place)

    assert [entry.subject.id for entry in created(place)] == [person] == [left.username]
    assert EmailAddress.objects.filter(email=EMAIL).count() == 1
    account = User.objects.get(email=EMAIL)
    assert account.check_password(FIRST)
    assert not account.check_password("of-the-first-attempt")


def test_whoever_may_not_add_people_leaves_no_account(place: Place) -> None:
    with pytest.raises(DeniedError):
        create_person(place.actor(HANAKO), name="小川 光", email=EMAIL, password=FIRST)

    assert not User.objects.filter(email=EMAIL).exists()


def test_the_account_of_a_person_of_the_ledger_is_never_taken(place: Place) -> None:
    sign_up(HANAKO)

    for address in (HANAKO.email, HANAKO.email.upper()):
        with pytest.raises(InputError, match="already"):
            create_person(place.actor(MISAKI), name="x", email=address, password=FIRST)
    with pytest.raises(InputError, match="already"):
        make_account("00000000-0000-4000-8000-0000000000ff", "x", HANAKO.email, FIRST)

    assert sign_up(HANAKO).check_password("a-long-enough-password")


@pytest.mark.parametrize(("name", "email"), [("", EMAIL), ("x" * 151, EMAIL), ("x", "no address"), ("x", "")])
def test_what_no_account_can_be_made_of_is_refused(place: Place, name: str, email: str) -> None:
    with pytest.raises(InputError):
        create_person(place.actor(MISAKI), name=name, email=email)

    assert created(place) == []
