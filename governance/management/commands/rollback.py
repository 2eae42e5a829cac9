"""Roll a slot back from the command line, as a person who is asked for their password."""

import getpass
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import BaseCommand, CommandError

from adapters_core.errors import RingiError
from adapters_core.ledger import slot_queries
from governance.actors import person_of
from governance.installation import installation
from governance.policy.actors import Actor
from governance.proofs import means_of, needs_code, take_code
from governance.services.kill_switch import kill_switch
from governance.services.roll_back import roll_back

WAIT_SECONDS = 60.0
_LOOK_SECONDS = 0.05


class Command(BaseCommand):
    help = "Put an earlier adapter, or the bare base, back into a slot; waits until a worker has read it back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who, where, to what, why."""
        parser.add_argument("slot")
        parser.add_argument("--to", metavar="DIGEST", help="an adapter that served before; the last one unless given")
        parser.add_argument("--bare", action="store_true", help="the kill switch: the bare base, whatever is under way")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--email", required=True, help="who acts; the password is asked for, or read from a pipe")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Roll back."""
        try:
            deployment = self._start(options)
            self._wait(deployment)
        except RingiError as error:
            raise CommandError(str(error)) from error

    def _start(self, options: dict[str, Any]) -> str:
        actor = self._actor(options["email"])
        with installation().ledger.read() as db:
            seen = slot_queries.slot(db, options["slot"]).adapter
            targets = slot_queries.rollback_targets(db, options["slot"])
        asked = {"slot": options["slot"], "seen": seen, "reason": options["reason"]}
        if options["bare"]:
            return kill_switch(actor, **asked).subject.id
        target = options["to"] or next((row.adapter for row in targets if row.adapter), None)
        self.stdout.write(f"{options['slot']}: {_named(seen)} -> {_named(target)}")
        return roll_back(actor, adapter=target, **asked).subject.id

    def _actor(self, email: str) -> Actor:
        user = authenticate(email=email, password=_asked(f"Password of {email}: "))
        if not isinstance(user, User):
            raise CommandError("address and password must be those of an account, they are not")
        proof: dict[str, object] = {"method": "password"}
        if needs_code(means_of(user)):
            kind = take_code(user, _asked(f"One-time code of {email}: ").strip())
            if kind is None:
                raise CommandError("the one-time code must be the current one, and not used before: it is not")
            proof = {"type": kind, "with_password": True}
        return person_of(user, proof, at=installation().ledger.clock())

    def _wait(self, deployment: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            with installation().ledger.read() as db:
                row = slot_queries.deployment(db, deployment)
            if row.state == "succeeded" and row.finished_time:
                seconds = (row.finished_time - row.time).total_seconds()
                self.stdout.write(f"restored and read back after {seconds:.2f} s")
                return
            if row.state == "failed":
                raise CommandError("the deployment failed: its page says why; the slot serves what it served")
            time.sleep(_LOOK_SECONDS)
        raise CommandError("no worker has carried it out yet: it is recorded, and happens when one runs", returncode=3)


def _asked(prompt: str) -> str:
    """What the person writes, unseen; from a pipe, its next line."""
    return getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _named(adapter: str | None) -> str:
    return adapter[:16] if adapter else "the bare base"
