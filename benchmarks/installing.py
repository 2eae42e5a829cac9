"""Installations to measure: a founded ledger of any size in a folder, and Django over it in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.core.management import call_command
from django.test import Client
from django.test.utils import setup_test_environment

import benchmarks.ready  # noqa: F401  before anything of Django's
from adapters_core.ledger import queries
from adapters_core.ledger.migrating import migrate
from benchmarks.filling import fill
from governance.installation import installation
from tests.cast import Member, sign_up
from tests.factories.installations import START, Place, installed, make_template

_FILLED = "filled"


def prepare_people() -> None:
    """People and sessions in memory, for as long as this process lives."""
    setup_test_environment()
    call_command("migrate", verbosity=0)


@contextmanager
def filled(folder: Path, adapters: int) -> Iterator[Place]:
    """The installation in a folder with so many adapters; made where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    var = folder / f"adapters-{adapters}"
    done = var / _FILLED
    if not done.exists():
        make_template(var)
        _fill(var, adapters)
        done.touch()
    with installed(var) as place:
        migrate(place.ledger)  # it may have been filled by older code
        with place.ledger.read() as db:
            place.clock.now = queries.entry(db, queries.size(db) - 1).time + timedelta(hours=1)
        yield place


def _fill(var: Path, adapters: int) -> None:
    with installed(var) as place:
        here = installation()
        since = START
        fill(place.ledger, here.signing_key, here.master_key, adapters=adapters, since=since)


def browser(member: Member) -> Client:
    """A browser in which somebody is signed in."""
    client = Client()
    client.force_login(sign_up(member), backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
