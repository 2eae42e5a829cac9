"""``ringi`` (``python -m adapters_core``): the command line of the generation core."""

import argparse
import os
import sys
from collections.abc import Sequence

from rich.text import Text

from adapters_core.cli import (
    adapters,
    asking,
    attributing,
    averaging,
    basing,
    checking,
    demo,
    evaluating,
    exporting,
    protocol,
    serving,
    training,
)
from adapters_core.cli.options import HelpFormatter
from adapters_core.cli.output import notes, print_json
from adapters_core.errors import RingiError, StorageError
from adapters_core.versions import code_version

INTERRUPTED = 130
EPILOG = """examples:
  ringi generate --context examples/contexts/approval-rules.md --out var/rules
  ringi ask var/rules "Who keeps the original of an approval circular?"
  ringi evaluate --suite fictional --limit 20
  ringi serve --insecure-loopback

exit status: 0 done; 1 a result that is not as it must be; 2 bad input; 3 damaged or unsafe data;
4 storage; 5 busy; 6 an engine failed; 7 the ledger cannot be used; 130 interrupted

ringi COMMAND --help shows a command's options and examples."""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="ringi",
        description="A context becomes an adapter of a frozen language model in one forward pass.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="say the version and the commit, and exit")
    top.add_argument("--debug", action="store_true", help="show where an error was raised")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (
        basing,
        adapters,
        asking,
        attributing,
        evaluating,
        protocol,
        training,
        averaging,
        exporting,
        serving,
        checking,
        demo,
    ):
        module.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors go to standard error, or as JSON to standard output with --json."""
    args = parser().parse_args(arguments)
    try:
        return int(args.run(args))
    except RingiError as error:
        if args.debug:
            raise
        return _fail(args, error.code, str(error), error.exit_status)
    except KeyboardInterrupt:
        return _fail(args, "interrupted", "interrupted: nothing was half-written", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; do not fail again at exit
        return 0
    except OSError as error:  # of a library, or of a file that only this command knows
        if args.debug:
            raise
        return _fail(args, StorageError.code, f"reading or writing failed: {error}", StorageError.exit_status)


class _Version(argparse.Action):
    """Asks git for the commit only when the version is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print and exit."""
        print(f"ringi {code_version()}")
        parser.exit()


def _fail(args: argparse.Namespace, code: str, message: str, status: int) -> int:
    if getattr(args, "json", False):
        print_json({"error": {"code": code, "message": message}})
    notes.print(Text.assemble(("error", "bold red"), f": {message}"))
    return status
