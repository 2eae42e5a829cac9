"""average: one generator from several checkpoints of a run."""

import argparse
import math
from contextlib import suppress
from pathlib import Path

from adapters_core.cli.options import add_json_option, add_model_options, command, load_base_of, positive, require_free
from adapters_core.cli.output import print_json, results


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    average = command(
        commands,
        "average",
        summary="average checkpoints of training into one generator: better than the last one alone, at no cost",
        examples=(
            "  ringi train --recipe smollm2-cpu --corpus corpus.jsonl.xz --out var/run --keep 6\n"
            "  ringi average var/run/step-* --rank 96 --out var/generator.safetensors"
        ),
    )
    average.add_argument(
        "checkpoints", type=Path, nargs="+", metavar="CHECKPOINT", help="folders step-<n>; one named twice counts twice"
    )
    average.add_argument("--out", type=Path, required=True, metavar="FILE", help="generator.safetensors to make (bf16)")
    average.add_argument("--rank", type=positive, default=None, help="directions that it keeps; absent: as trained")
    average.add_argument(
        "--gain", type=_factor, default=1.0, help="factor on every delta: below 1 it knows less and disturbs less"
    )
    add_model_options(average, generator=False)
    add_json_option(average)
    average.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Average, and write the generator."""
    import torch

    from adapters_core.modeling.generator import Generator
    from adapters_core.modeling.generator_file import save_generator
    from adapters_core.training.checkpoint import config_of, load_average

    require_free(args.out)
    config = config_of(args.checkpoints[0])
    generator = Generator(config, load_base_of(args))
    load_average(args.checkpoints, generator)
    if args.rank:
        generator.keep_rank(args.rank)
    generator.rescale(torch.full((len(generator.sites),), args.gain))
    digest = save_generator(generator, args.out)
    if args.json:
        print_json({"generator": digest, "file": str(args.out), "checkpoints": len(args.checkpoints)})
    else:
        results.print(f"generator {digest[:16]} of {len(args.checkpoints)} checkpoints: {args.out}")
    return 0


def _factor(text: str) -> float:
    """What ``--gain`` takes."""
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"must be a finite number above 0, got {text!r}")
