"""The ledger from the command line: verify it, with an exit status for scripts; make its search indexes anew."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.utils import translation

from adapters_core.errors import IllegalTransitionError, InputError, IntegrityError, RingiError, StorageError
from adapters_core.ledger.verification.replay import rebuild_indexes
from adapters_core.ledger.verification.verify import mark_verified
from governance.installation import installation
from governance.selectors.verification import Outcome, Wanted, run


class Command(BaseCommand):
    help = (
        "Verify the ledger, or make its search indexes anew from the entries. Exit status: 0 done and nothing found, 3"
        " something is not as recorded, another: not done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to do; what to verify, and how to tell."""
        tasks = parser.add_subparsers(dest="task", required=True)
        tasks.add_parser("rebuild", help="make the search indexes anew from the entries, which stay as they are")
        verify = tasks.add_parser("verify", help="verify the ledger")
        verify.add_argument("--incremental", action="store_true", help="from the last verified checkpoint on")
        verify.add_argument("--artifacts", action="store_true", help="also the files of adapters and reports (V3)")
        verify.add_argument("--serving", action="store_true", help="also what the engines serve (V4)")
        verify.add_argument(
            "--anchor", type=Path, action="append", default=[], help="a checkpoint kept elsewhere: its envelope as JSON"
        )
        verify.add_argument("--json", action="store_true", help="the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Verify, remember how far, tell; or rebuild."""
        if options["task"] == "rebuild":
            self._rebuild()
        else:
            self._verify(options)

    def _rebuild(self) -> None:
        """In one transaction: whoever reads meanwhile finds the indexes of before, and so do all when it is refused."""
        try:
            with installation().ledger.write() as tx:
                count = rebuild_indexes(tx)
        except IllegalTransitionError as error:
            raise CommandError(
                f"the search indexes stay as they are, every entry must be one that could happen: {error}; verify the "
                "ledger, and put back a backup of the time before it was changed",
                returncode=IntegrityError.exit_status,
            ) from error
        except RingiError as error:
            raise CommandError(str(error), returncode=error.exit_status) from error
        self.stdout.write(f"the search indexes were made anew from {count} entries; verify the ledger now")

    def _verify(self, options: Mapping[str, Any]) -> None:
        try:
            wanted = Wanted(
                full=not options["incremental"],
                artifacts=options["artifacts"],
                serving=options["serving"],
                anchors=tuple(_envelope(path) for path in options["anchor"]),
            )
            with installation().ledger.read() as reader:
                outcome = run(reader, wanted)
            if outcome.report.ok and outcome.report.checkpoint:
                with installation().ledger.write() as tx:
                    mark_verified(tx, outcome.report)
        except RingiError as error:
            raise CommandError(str(error), returncode=error.exit_status) from error
        with translation.override("en"):
            self.stdout.write(json.dumps(outcome.to_json(), indent=2) if options["json"] else _told(outcome))
        if not outcome.report.ok:
            raise CommandError(
                f"{len(outcome.report.findings)} findings: the ledger is not as it was recorded",
                returncode=IntegrityError.exit_status,
            )


def _told(outcome: Outcome) -> str:
    report = outcome.report
    lines = [f"{report.size} entries, root {report.root_hash}"]
    lines += [f"signed up to entry {report.checkpoint - 1}" if report.checkpoint else "no checkpoint was signed yet"]
    lines += [f"entries before {report.since} were verified earlier"] if report.since else []
    for level, text, count in outcome.levels:
        lines.append(f"  {level:8} {'ok' if not count else f'{count} findings':12} {text}")
    for finding, meaning in outcome.findings:
        lines += [f"{finding.level} {finding.code}: {finding.what}", f"    {meaning}", f"    {finding.detail}"]
    return "\n".join([*lines, f"{outcome.seconds:.2f} s"])


def _envelope(path: Path) -> Mapping[str, Any]:
    try:
        stated: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"{path} must be readable: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} must hold a checkpoint's envelope as JSON: {error}") from error
    if not isinstance(stated, dict):
        raise InputError(f"{path} must hold a checkpoint's envelope, got a {type(stated).__name__}")
    return stated
