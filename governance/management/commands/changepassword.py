"""Another first password for somebody who has lost theirs, in the place of Django's command, which records nothing."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management import BaseCommand, CommandError

from adapters_core.errors import RingiError
from adapters_core.ledger.records import Actor
from governance.services.found import record_first_password

BY = Actor(id="changepassword", name="manage.py changepassword", kind="system")


class Command(BaseCommand):
    help = (
        "Print another first password of somebody, once. It is recorded, and opens the page where they set their own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose."""
        parser.add_argument("email", help="the address that they sign in with")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Record it, then set it: it never opens more than it should."""
        user = User.objects.filter(email__iexact=options["email"]).first()
        if user is None:
            raise CommandError(f"the address must be that of an account, {options['email']} is not")
        try:
            record_first_password(user.username, by=BY)
        except RingiError as error:
            raise CommandError(str(error)) from error
        password = "-".join(secrets.token_hex(3) for _part in range(3))
        user.set_password(password)
        user.save()
        self.stdout.write(f"{user.email}  password (shown once): {password}")
