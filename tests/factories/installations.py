"""A whole installation in a folder: a founded ledger with the cast, its keys, and a clock that tests set."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.test import override_settings

from adapters_core.ledger.migrating import migrate
from adapters_core.ledger.session import Ledger, open_ledger
from adapters_core.ledger.signing import create_key, load_key
from adapters_core.ledger.vault import create_master_key, load_master_key
from governance.installation import NAME, Installation
from governance.policy.actors import Actor
from governance.policy.demo import POLICIES
from governance.services.create_slot import create_slot
from governance.services.found import Founder, found
from tests.cast import CAST, MISAKI, Member

START = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
BASE = "b" * 64


@dataclass
class Clock:
    """A time of day that goes on by a second whenever it is read, and that tests move."""

    now: datetime = START

    def __call__(self) -> datetime:
        """The time, a second later each time."""
        self.now += timedelta(seconds=1)
        return self.now

    def forward(self, **more: float) -> None:
        """Let time pass."""
        self.now += timedelta(**more)


@dataclass(frozen=True, kw_only=True)
class Place:
    """An installation under test."""

    folder: Path
    ledger: Ledger
    clock: Clock

    def actor(self, member: Member, *, fresh: bool = True) -> Actor:
        """A member of the cast who has just signed in, and just proved again who they are."""
        return Actor(
            id=member.id,
            name=member.name,
            kind="person",
            method="password",
            authenticated=self.clock.now,
            confirmed=self.clock.now if fresh else None,
        )


@contextmanager
def installed(folder: Path, url: str | None = None) -> Iterator[Place]:
    """Make the installation in a folder the one of this process, for a while; its ledger there, or at a URL."""
    clock = Clock()
    place = Installation()
    place.__dict__["signing_key"] = load_key(folder / "keys" / "ledger.key")
    place.__dict__["master_key"] = load_master_key(folder / "keys" / "vault.key")
    place.__dict__["ledger"] = open_ledger(
        url or f"sqlite:///{folder / 'ledger.sqlite3'}", signer=place.signing_key, clock=clock
    )
    config: Any = apps.get_app_config(NAME)
    before = config.installation
    config.installation = place
    try:
        with override_settings(VAR=folder):
            yield Place(folder=folder, ledger=place.ledger, clock=clock)
    finally:
        config.installation = before
        place.ledger.close()


def make_template(folder: Path, url: str | None = None) -> Path:
    """A founded installation to copy: the cast with its roles, the standard policies, the slot ``support``."""
    (folder / "keys").mkdir(parents=True)
    create_key(folder / "keys" / "ledger.key")
    create_master_key(folder / "keys" / "vault.key")
    with installed(folder, url) as place:
        migrate(place.ledger)
        place.clock.now = START - timedelta(days=30)
        found([Founder(id=one.id, name=one.name, roles=one.roles) for one in CAST], POLICIES)
        create_slot(
            place.actor(MISAKI), name="support", title="問合せ窓口", base=BASE, engine="core", policy="standard"
        )
    return folder


def copy_template(template: Path, folder: Path) -> Path:
    """A copy of its own for one test."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    return folder
