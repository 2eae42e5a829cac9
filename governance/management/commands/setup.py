"""Prepare an installation: databases, keys, the first people. Run again, it does what is missing."""

import secrets
from argparse import ArgumentParser
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from adapters_core.errors import RingiError
from adapters_core.ledger import people_queries
from adapters_core.ledger.migrating import migrate
from adapters_core.ledger.signing import create_key, write_secret
from adapters_core.ledger.vault import create_master_key
from governance.installation import installation, key_path
from governance.policy.demo import DEMO_PEOPLE, DEMO_POLICIES, POLICIES
from governance.services.create_person import check_account, make_account
from governance.services.found import Founder, found


class Command(BaseCommand):
    help = "Make databases and keys, and the first people. Does only what is missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The first administrator of an installation that is no demonstration."""
        parser.add_argument("--admin-name", help="name of the first administrator")
        parser.add_argument("--admin-email", help="mail address of the first administrator")
        parser.add_argument("--demo", action="store_true", help="people for each role, with passwords printed once")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Prepare."""
        if options["demo"] and not settings.DEBUG:
            raise CommandError(
                "people of a demonstration are made with RINGI_DEBUG=1 only: "
                "name the first administrator with --admin-name and --admin-email"
            )
        try:
            self._databases()
            self._people(options)
        except RingiError as error:
            raise CommandError(str(error)) from error

    def _databases(self) -> None:
        settings.VAR.mkdir(parents=True, exist_ok=True)
        call_command("migrate", interactive=False, verbosity=0)
        call_command("createcachetable", verbosity=0)
        if not key_path("ledger.key").exists():
            create_key(key_path("ledger.key"))
        if not key_path("vault.key").exists():
            create_master_key(key_path("vault.key"))
        if not key_path("core.token").exists():
            write_secret(key_path("core.token"), secrets.token_hex(32).encode())
        migrate(installation().ledger)

    def _people(self, options: dict[str, Any]) -> None:
        with installation().ledger.read() as reader:
            founded = bool(people_queries.people_with(reader, "admin"))
        if founded:
            self.stdout.write("The ledger has its people already: nothing was changed.")
        elif options["demo"]:
            self._demo()
        elif options["admin_name"] and options["admin_email"]:
            self._first_admin(options["admin_name"], options["admin_email"])
        else:
            raise CommandError("name the first administrator with --admin-name and --admin-email, or ask for --demo")

    def _first_admin(self, name: str, email: str) -> None:
        check_account(name, email)
        admin = Founder(id=str(uuid4()), name=name, roles=("admin",))
        found([admin], POLICIES)
        password = _password()
        make_account(admin.id, name, email, password)
        self.stdout.write(f"First administrator: {email}  password (shown once): {password}")

    def _demo(self) -> None:
        people = [(Founder(id=str(uuid4()), name=one.name, roles=one.roles), one.email) for one in DEMO_PEOPLE]
        for founder, email in people:
            check_account(founder.name, email)
        found([founder for founder, _email in people], DEMO_POLICIES)
        self.stdout.write("Demonstration: sign in as one of these people. The passwords are shown this once.\n")
        for founder, email in people:
            password = _password()
            make_account(founder.id, founder.name, email, password)
            self.stdout.write(f"  {'+'.join(founder.roles):10} {email:28} {password}   {founder.name}")


def _password() -> str:
    return "-".join(secrets.token_hex(3) for _ in range(3))
