"""`manage.py setup` as a process that is killed in its midst: the next one does what is missing, and all sign in."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.product import ROOT

pytestmark = pytest.mark.slow
ADMIN = ("setup", "--admin-name", "渡辺 美咲", "--admin-email", "misaki@ringi.example")
DEMO = ("setup", "--demo")
PEOPLE = {"demo": 6, "production": 1}
PRODUCTION = {
    "RINGI_DEBUG": "0",
    "RINGI_SECRET_KEY": "correct-horse-battery-staple-" * 2,
    "RINGI_ALLOWED_HOSTS": "ringi.example",
    "RINGI_ADDRESS": "https://ringi.example",
}
KILL = """
import os, signal
from governance.management.commands import setup
where, after, left = sys.argv[1], sys.argv[2] == "after", int(sys.argv[3])
wrapped = getattr(setup, where)

def step(*given, **named):
    global left
    left -= 1
    if left or after:
        wrapped(*given, **named)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

setattr(setup, where, step)
call_command(*sys.argv[4:])
"""
LOSE = "from django.contrib.auth.models import User; User.objects.all().delete()"
LOOK = """
import json
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from adapters_core.ledger import people_queries, queries
from governance.actors import person_of, with_roles
from governance.installation import installation

with installation().ledger.read() as db:
    people = {row.id for row in people_queries.subjects(db, "person")}
    told = {}
    for email, password in json.loads(sys.argv[1]).items():
        user = authenticate(None, email=email, password=password)
        if user:
            actor = with_roles(db, person_of(user, {"method": "password"}, at=installation().ledger.clock()))
            told[email] = [[one.name for one in actor.roles], actor.first_password]
accounts = set(User.objects.values_list("username", flat=True))
print(json.dumps({"told": told, "same": people == accounts, "people": len(people)}))
"""


@dataclass(frozen=True, kw_only=True)
class Host:
    """An installation in a folder, and how commands are run there."""

    folder: Path
    kind: str

    @property
    def command(self) -> tuple[str, ...]:
        return DEMO if self.kind == "demo" else ADMIN

    def setup(self) -> str:
        """What ``manage.py setup`` says."""
        done = self._run("manage.py", *self.command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def killed_setup(self, where: str, when: str, on: int) -> str:
        """What it said until it was killed before, or after, a step was taken for the n-th time."""
        done = self._python(KILL, where, when, str(on), *self.command)
        assert done.returncode == -signal.SIGKILL, done.stderr
        return done.stdout

    def lose_accounts(self) -> None:
        assert self._python(LOSE).returncode == 0

    def look(self, passwords: dict[str, str]) -> dict[str, Any]:
        done = self._python(LOOK, json.dumps(passwords))
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _python(self, script: str, *given: str) -> subprocess.CompletedProcess[str]:
        start = "import sys, django; django.setup(); from django.core.management import call_command\n"
        return self._run("-c", start + script, *given)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        own = {"DJANGO_SETTINGS_MODULE": "governance.settings", "RINGI_VAR": str(self.folder)}
        mode = {"RINGI_DEBUG": "1"} if self.kind == "demo" else PRODUCTION
        environment = {**os.environ, **own, **mode}
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def passwords(said: str) -> dict[str, str]:
    return dict(re.findall(r"(\S+@ringi\.example) +(\S+)", said))


def all_sign_in(host: Host, known: dict[str, str]) -> bool:
    """Whether everybody has an account, an entry, and the password that was shown; a real one has to be replaced."""
    seen = host.look(known)
    assert len(known) == len(seen["told"]) == PEOPLE[host.kind]
    assert all(roles and first is (host.kind == "production") for roles, first in seen["told"].values())
    return bool(seen["same"]) and seen["people"] == PEOPLE[host.kind]


@pytest.mark.parametrize(
    ("kind", "where", "when", "on"),
    [("production", "found", "before", 1), ("demo", "make_account", "after", 2)],
)
def test_a_setup_that_is_killed_before_the_ledger_is_founded_is_done_anew(
    tmp_path: Path, kind: str, where: str, when: str, on: int
) -> None:
    host = Host(folder=tmp_path / "var", kind=kind)
    before = passwords(host.killed_setup(where, when, on))
    assert before

    known = passwords(host.setup())

    assert all_sign_in(host, known)
    assert not set(before.values()) & set(known.values()), "another password for each account that was left over"


def test_a_setup_that_is_killed_once_the_ledger_is_founded_has_shown_every_password(tmp_path: Path) -> None:
    host = Host(folder=tmp_path / "var", kind="production")
    known = passwords(host.killed_setup("found", "after", 1))

    assert "nothing was changed" in host.setup()
    assert all_sign_in(host, known)


@pytest.mark.parametrize("kind", ["production", "demo"])
def test_founders_whose_accounts_are_lost_get_others(tmp_path: Path, kind: str) -> None:
    host = Host(folder=tmp_path / "var", kind=kind)
    host.setup()
    host.lose_accounts()

    assert all_sign_in(host, passwords(host.setup()))
