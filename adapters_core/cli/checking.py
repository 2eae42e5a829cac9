"""conform and bench: is the generator right, and is it fast."""

import argparse
from pathlib import Path

from adapters_core.cli.options import (
    add_json_option,
    add_model_options,
    command,
    load_core_of,
    positive,
    quiet_libraries,
)
from adapters_core.cli.output import print_json, results
from adapters_core.errors import InputError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the commands."""
    conform = command(
        commands,
        "conform",
        summary="compare the generator with a reference case: worst relative error of deltas and logits, by mode",
        examples="  ringi conform tests/reference/case_full_rank.json tests/reference/case_truncated.json",
    )
    conform.add_argument(
        "case", type=Path, nargs="+", metavar="CASE.json", help="its tensors lie beside it, .safetensors"
    )
    conform.add_argument("--delta-limit", type=float, default=5e-6, help="largest relative error of a delta")
    conform.add_argument("--logit-limit", type=float, default=5e-5, help="largest relative error of the logits")
    add_json_option(conform)
    conform.set_defaults(run=run_conform)

    bench = command(
        commands,
        "bench",
        summary="time generation on this machine against one bare forward pass of the base (the physical limit)",
        examples="  ringi bench --tokens 512 2048\n  make bench        # all benchmarks, with their peers",
    )
    bench.add_argument("--tokens", type=positive, nargs="+", default=[512, 2048], help="context lengths")
    bench.add_argument("--repeats", type=positive, default=5, help="interleaved repetitions; the best of each counts")
    add_model_options(bench)
    add_json_option(bench)
    bench.set_defaults(run=run_bench)


def run_conform(args: argparse.Namespace) -> int:
    """Compare with every case; exit status 1 if one is over a limit."""
    from adapters_core.conformance import compare, load_case

    quiet_libraries()
    found = {path.stem: compare(load_case(path)) for path in args.case}
    passed = all(
        errors.deltas <= args.delta_limit and errors.logits <= args.logit_limit
        for modes in found.values()
        for errors in modes.values()
    )
    if args.json:
        cases = {
            case: {mode: {"deltas": e.deltas, "logits": e.logits} for mode, e in modes.items()}
            for case, modes in found.items()
        }
        print_json(
            {"cases": cases, "limits": {"deltas": args.delta_limit, "logits": args.logit_limit}, "passed": passed}
        )
        return 0 if passed else 1
    for case, modes in found.items():
        for mode, errors in modes.items():
            results.print(f"{case:24} {mode:12} deltas {errors.deltas:.2e}   logits {errors.logits:.2e}")
    results.print("conforms" if passed else f"does not conform: limits are {args.delta_limit} and {args.logit_limit}")
    return 0 if passed else 1


def run_bench(args: argparse.Namespace) -> int:
    """Time generation and print the ratios."""
    from adapters_core.timing import generation_ratios

    core = load_core_of(args)
    window = core.base.max_context
    if window is not None and max(args.tokens) > window:
        raise InputError(
            f"--tokens must be at most the {window:,} that the base reads in one pass, got {max(args.tokens):,}"
        )
    rows = generation_ratios(core, args.tokens, repeats=args.repeats)
    if args.json:
        print_json([row.to_json() for row in rows])
        return 0
    for row in rows:
        results.print(
            f"{row.tokens:>6} tokens: body {row.body_s:.3f} s, adapter {row.adapter_s:.3f} s, ratio {row.ratio:.3f}"
            f" (with manifest {row.recorded_ratio:.3f})"
        )
    return 0
