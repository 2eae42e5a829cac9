"""generate, extend, erase, inspect: adapters and what they are made of."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from adapters_core.cli.options import add_json_option, add_model_options, command, load_core_of, require_free
from adapters_core.cli.output import notes, print_json, progress_bar, results
from adapters_core.errors import InputError

if TYPE_CHECKING:
    from adapters_core.artifact import Session

Commands = argparse._SubParsersAction  # noqa: SLF001  # argparse names its type only so


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Register the commands."""
    generate = command(
        commands,
        "generate",
        summary="turn documents into an adapter",
        examples=(
            "  ringi generate --context examples/contexts/*.md --out var/adapters/rules\n"
            "  ringi generate --context notes.txt --out var/notes --json\n"
            "  ringi generate --context a.md --key-file a.key --out var/a    # the same key gives the same digest"
        ),
    )
    generate.add_argument("--context", type=Path, nargs="+", required=True, metavar="FILE", help="UTF-8 text files")
    generate.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    generate.add_argument("--key-file", type=Path, help="64 hexadecimal digits: the commitments' key (drawn if absent)")
    generate.add_argument("--decay", type=float, default=1.0, help="factor on earlier chunks at each new one; 1: none")
    add_model_options(generate)
    add_json_option(generate)
    generate.set_defaults(run=run_generate)

    extend = command(
        commands,
        "extend",
        summary="add documents to an adapter: a new one that names it as its parent",
        examples="  ringi extend var/adapters/rules --context more.md --out var/adapters/rules-2",
    )
    extend.add_argument("adapter", type=Path, metavar="DIR", help="adapter to continue")
    extend.add_argument("--context", type=Path, nargs="+", required=True, metavar="FILE", help="UTF-8 text files")
    extend.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    add_model_options(extend)
    add_json_option(extend)
    extend.set_defaults(run=run_extend)

    erase = command(
        commands,
        "erase",
        summary="take chunks out of an adapter, bit for bit as if they had never been seen",
        examples=(
            "  ringi erase var/adapters/rules --chunk 3f9a01c2 --out var/adapters/rules-3\n"
            "  ringi erase var/adapters/rules --document leave.md --out var/adapters/rules-3"
        ),
    )
    erase.add_argument("adapter", type=Path, metavar="DIR", help="adapter to take from")
    erase.add_argument("--chunk", nargs="+", default=[], metavar="COMMITMENT", help="at least 8 digits (see inspect)")
    erase.add_argument("--document", nargs="+", default=[], metavar="NAME", help="all chunks of these documents")
    erase.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    add_model_options(erase)
    add_json_option(erase)
    erase.set_defaults(run=run_erase)

    inspect = command(
        commands,
        "inspect",
        summary="show what an adapter is: manifest, norms, chunks, and whether its files are intact",
        examples="  ringi inspect var/adapters/rules",
    )
    inspect.add_argument("adapter", type=Path, metavar="DIR")
    add_json_option(inspect)
    inspect.set_defaults(run=run_inspect)


def run_generate(args: argparse.Namespace) -> int:
    """Generate an adapter."""
    from adapters_core.data.documents import read_documents

    documents = read_documents(args.context)
    require_free(args.out)
    key = _read_key(args.key_file)
    core = load_core_of(args)
    with progress_bar("encoding chunks") as tell:
        session = core.generate(documents, key=key, decay=args.decay, progress=tell)
    return _written(args, session)


def run_extend(args: argparse.Namespace) -> int:
    """Extend an adapter."""
    from adapters_core.artifact import read_session
    from adapters_core.data.documents import read_documents

    documents = read_documents(args.context)
    require_free(args.out)
    before = read_session(args.adapter)
    core = load_core_of(args)
    with progress_bar("encoding chunks") as tell:
        session = core.extend(before, documents, progress=tell)
    return _written(args, session)


def run_erase(args: argparse.Namespace) -> int:
    """Erase chunks of an adapter."""
    from adapters_core.artifact import read_session

    if not args.chunk and not args.document:
        raise InputError("name what to erase: --document NAME, or --chunk COMMITMENT (ringi inspect shows both)")
    require_free(args.out)
    before = read_session(args.adapter)
    names = {place.document for place in before.places.values()}
    if unknown := sorted(set(args.document) - names):
        raise InputError(f"documents {unknown} are not part of this adapter; it has {sorted(names)}")
    chosen = [*args.chunk, *(c for c, place in before.places.items() if place.document in args.document)]
    return _written(args, load_core_of(args).erase(before, chosen))


def run_inspect(args: argparse.Namespace) -> int:
    """Show an adapter."""
    from adapters_core.artifact import holds_state, read_adapter, read_session

    session = read_session(args.adapter) if holds_state(args.adapter) else None
    adapter = session.adapter if session else read_adapter(args.adapter)
    places = list(session.places.values()) if session else []
    if args.json:
        from dataclasses import asdict

        print_json({**adapter.manifest.to_json(), "chunks": [asdict(place) for place in places], "intact": True})
        return 0
    from adapters_core.cli.tables import manifest_table, norms_table, places_table

    results.print(manifest_table(adapter.manifest))
    results.print(norms_table(adapter.manifest))
    if places:
        results.print(places_table(places))
    results.print("all files are as the manifest says")
    return 0


def _written(args: argparse.Namespace, session: "Session") -> int:
    from adapters_core.artifact import write_session
    from adapters_core.cli.tables import manifest_table

    write_session(session, args.out)
    manifest = session.adapter.manifest
    if args.json:
        print_json({**manifest.to_json(), "folder": str(args.out)})
    else:
        results.print(manifest_table(manifest))
        notes.print(f"written to {args.out} (PEFT and vLLM load it as it is)")
    return 0


def _read_key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    from adapters_core.artifact import KEY_BYTES

    digits = 2 * KEY_BYTES
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise InputError(f"--key-file {path} must hold {digits} hexadecimal digits: {error}") from error
    if len(key) != KEY_BYTES:
        raise InputError(f"--key-file {path} must hold {digits} hexadecimal digits, got {2 * len(key)}")
    return key
