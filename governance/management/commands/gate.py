"""Whether an adapter may be deployed to a slot: for pipelines. Exit status 0: yes; 1: no; 2: asked wrongly."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from adapters_core.errors import DeniedError, RingiError
from governance.services.readiness import readiness


class Command(BaseCommand):
    help = "Check approval, gates of the policy, digests and tensors of an adapter against a slot."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which adapter, where."""
        parser.add_argument("--adapter", required=True, metavar="DIGEST")
        parser.add_argument("--slot", required=True, metavar="NAME")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Check."""
        try:
            found = readiness(options["adapter"], options["slot"])
        except DeniedError as error:
            raise CommandError(str(error), returncode=1) from error
        except RingiError as error:
            raise CommandError(str(error), returncode=2) from error
        if options["json"]:
            self.stdout.write(json.dumps(found.to_json(), ensure_ascii=False, indent=1))
        else:
            for check in found.checks:
                self.stdout.write(f"{'ok  ' if check.passed else 'FAIL'}  {check.name:28} {check.detail}")
        if not found.passed:
            raise SystemExit(1)
