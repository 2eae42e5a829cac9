"""export: an adapter in the formats of other engines."""

import argparse
from pathlib import Path

from adapters_core.cli.options import (
    DTYPES,
    add_json_option,
    add_model_options,
    command,
    load_base_of,
    positive,
    require_free,
)
from adapters_core.cli.output import notes, print_json

FORMATS = ("peft", "gguf", "merged")
STORE_DTYPES = (*DTYPES, "float16")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    export = command(
        commands,
        "export",
        summary="write an adapter for PEFT, vLLM and SGLang, for llama.cpp, or merged into the base's weights",
        examples=(
            "  ringi export var/adapters/rules --format peft --out var/rules-peft --rank 32\n"
            "  ringi export var/adapters/rules --format gguf --out var/rules.gguf\n"
            "  ringi export var/adapters/rules --format merged --out var/rules-merged   # gives up exact rollback"
        ),
    )
    export.add_argument("adapter", type=Path, metavar="DIR")
    export.add_argument("--format", choices=FORMATS, default="peft", help="peft: also what vLLM and SGLang read")
    export.add_argument("--out", type=Path, required=True, metavar="PATH", help="folder, or file for gguf, to make")
    export.add_argument("--rank", type=positive, default=None, help="reduce to this rank; the exact loss is reported")
    export.add_argument(
        "--store-dtype",
        choices=STORE_DTYPES,
        default=None,
        help="of what is written; absent: float32 for factors (peft, gguf), that of --dtype for merged weights",
    )
    add_model_options(export, generator=False)
    add_json_option(export)
    export.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Gate the adapter, reduce its rank if asked to, and write it."""
    import torch

    from adapters_core.artifact import read_adapter
    from adapters_core.export.gate import check_folder
    from adapters_core.export.gguf_format import write_gguf_lora
    from adapters_core.export.merged import write_merged
    from adapters_core.export.peft_folder import write_peft_files
    from adapters_core.modeling.adapter import reduced
    from adapters_core.storage import atomic_folder, exclusive

    require_free(args.out)
    adapter = read_adapter(args.adapter)
    base = load_base_of(args)
    identity = adapter.manifest.identity
    check_folder(args.adapter, base, manifest_base_digest=identity.base.digest, weights_sha256=identity.weights_sha256)
    pairs, lost = reduced(adapter.pairs, args.rank)
    dtype = torch.float32 if args.store_dtype is None else getattr(torch, args.store_dtype)
    if args.format == "gguf":
        with exclusive(args.out):
            require_free(args.out)  # another process may have made it since
            write_gguf_lora(args.out, pairs, base, dtype=dtype)
    elif args.format == "merged":
        write_merged(args.out, pairs, base, dtype=dtype if args.store_dtype else None)
    else:
        with atomic_folder(args.out) as staging:
            write_peft_files(staging, pairs, base_name=base.source, dtype=dtype)
    kept = sum(n.frobenius**2 for n in identity.norms.values())
    share = (sum(value**2 for value in lost.values()) / kept) ** 0.5 if kept else 0.0
    if args.json:
        print_json({"adapter": adapter.digest, "format": args.format, "path": str(args.out), "lost_share": share})
    else:
        reduction = "" if args.rank is None else f"; rank {args.rank} loses {share:.2%} of its norm"
        notes.print(f"adapter {adapter.digest[:16]} as {args.format} in {args.out}{reduction}")
    return 0
