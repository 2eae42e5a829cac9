"""Prepare an installation: databases, keys, the first people. Run again, it does what is missing."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from adapters_core.errors import RingiError
from adapters_core.ledger import people_queries
from adapters_core.ledger.migrating import migrate
from adapters_core.ledger.signing import create_key, write_secret
from adapters_core.ledger.vault import create_master_key
from governance.installation import installation, key_path
from governance.policy.demo import DEMO_PEOPLE, DEMO_POLICIES, POLICIES, FirstPerson
from governance.services.found import Founder, found, founders, record_first_password
from governance.services.make_account import check_account, has_account, make_account, new_person


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
        wanted = _wanted(options)
        with installation().ledger.read() as reader:
            founded = bool(people_queries.people_with(reader, "admin"))
        if founded:
            self._complete(wanted, demo=options["demo"])
        elif not wanted:
            raise CommandError("name the first administrator with --admin-name and --admin-email, or ask for --demo")
        else:
            self._found(wanted, demo=options["demo"])

    def _found(self, wanted: tuple[FirstPerson, ...], *, demo: bool) -> None:
        """Make the accounts and show the passwords, and found the ledger last: until then all of it is done anew."""
        for one in wanted:
            check_account(one.name, one.email)
        founders = []
        self._announce(demo=demo)
        for one in wanted:
            with installation().ledger.read() as reader:
                identifier = new_person(reader, one.email)
            self._account(identifier, one)
            founders.append(Founder(id=identifier, name=one.name, roles=one.roles, first_password=not demo))
        found(founders, DEMO_POLICIES if demo else POLICIES)

    def _complete(self, wanted: tuple[FirstPerson, ...], *, demo: bool) -> None:
        """Give those founders an account who have none: the ledger is there, the accounts are lost."""
        with installation().ledger.read() as reader:
            known = founders(reader)
        missing = [one for one in wanted if one.name in known and not has_account(known[one.name])]
        if not missing:
            self.stdout.write("The ledger has its people already: nothing was changed.")
            return
        self._announce(demo=demo)
        for one in missing:
            check_account(one.name, one.email)
            if not demo:  # before there is such a password: it never opens anything
                record_first_password(known[one.name])
            self._account(known[one.name], one)

    def _announce(self, *, demo: bool) -> None:
        self.stdout.write(
            "Demonstration: sign in as one of these people. The passwords are shown this once."
            if demo
            else "First administrator. The password is shown this once; another one is set when signing in with it."
        )

    def _account(self, identifier: str, person: FirstPerson) -> None:
        password = "-".join(secrets.token_hex(3) for _part in range(3))
        make_account(identifier, person.name, person.email, password)
        self.stdout.write(f"  {'+'.join(person.roles):10} {person.email:28} {password}   {person.name}")
        self.stdout.flush()


def _wanted(options: dict[str, Any]) -> tuple[FirstPerson, ...]:
    if options["demo"]:
        return DEMO_PEOPLE
    if options["admin_name"] and options["admin_email"]:
        return (FirstPerson(name=options["admin_name"].strip(), email=options["admin_email"], roles=("admin",)),)
    return ()
