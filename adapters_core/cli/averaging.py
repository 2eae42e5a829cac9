"""average: one generator from several checkpoints of a run, or from one that is there."""

import argparse
import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from adapters_core.cli.options import add_json_option, add_model_options, command, load_base_of, positive, require_free
from adapters_core.cli.output import print_json, results
from adapters_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters_core.modeling.base_model import BaseModel
    from adapters_core.modeling.generator import Generator

_MOST_LAYERS = 1_000
"""No base has so many."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    average = command(
        commands,
        "average",
        summary="average checkpoints of training into one generator: better than the last one alone, at no cost",
        examples=(
            "  ringi train --recipe smollm2-cpu --corpus corpus.jsonl.xz --out var/run --keep 6\n"
            "  ringi average var/run/step-* --rank 96 --out var/generator.safetensors\n"
            "  ringi average var/generator.safetensors --layers 18-28 --gain 1.05 --out var/upper.safetensors"
        ),
    )
    average.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        metavar="CHECKPOINT",
        help="folders step-<n>, one named twice counts twice; or one generator.safetensors",
    )
    average.add_argument("--out", type=Path, required=True, metavar="FILE", help="generator.safetensors to make (bf16)")
    average.add_argument("--rank", type=positive, default=None, help="directions that it keeps; absent: as trained")
    average.add_argument(
        "--layers",
        type=_layers,
        default=None,
        metavar="FIRST-LAST",
        help="layers whose sites it keeps, 18-28 or 18,20,22-28; absent: all of them",
    )
    average.add_argument(
        "--gain", type=_factor, default=1.0, help="factor on every delta: below 1 it knows less and disturbs less"
    )
    add_model_options(average, generator=False)
    add_json_option(average)
    average.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Average, and write the generator."""
    import torch

    from adapters_core.modeling.generator import on_layers
    from adapters_core.modeling.generator_file import save_generator

    require_free(args.out)
    base = load_base_of(args)
    generator = _averaged(args.checkpoints, base)
    if args.layers:
        generator = on_layers(generator, base, args.layers)
    if args.rank:
        generator.keep_rank(args.rank)
    generator.rescale(torch.full((len(generator.sites),), args.gain))
    digest = save_generator(generator, args.out)
    if args.json:
        print_json({"generator": digest, "file": str(args.out), "checkpoints": len(args.checkpoints)})
    else:
        results.print(f"generator {digest[:16]} of {', '.join(path.name for path in args.checkpoints)}: {args.out}")
    return 0


def _averaged(checkpoints: "Sequence[Path]", base: "BaseModel") -> "Generator":
    """The mean of checkpoints, or the one generator that is named instead, in float32."""
    from adapters_core.modeling.generator import Generator
    from adapters_core.modeling.generator_file import load_generator
    from adapters_core.training.checkpoint import config_of, load_average

    if files := [path for path in checkpoints if path.is_file()]:
        if len(checkpoints) > 1:
            raise InputError(f"an average is of folders step-<n>; a generator's file is named alone: {files[0]}")
        return load_generator(files[0], base).float()
    generator = Generator(config_of(checkpoints[0]), base)
    load_average(checkpoints, generator)
    return generator


def _layers(text: str) -> tuple[int, ...]:
    """What ``--layers`` takes: whole numbers from 0 and spans of them, no layer twice."""
    layers: list[int] = []
    with suppress(ValueError):
        for part in text.split(","):
            first, dash, last = part.partition("-")
            span = range(int(first), int(last if dash else first) + 1)
            layers += span[:_MOST_LAYERS]
        if layers and len(set(layers)) == len(layers) < _MOST_LAYERS:
            return tuple(sorted(layers))
    raise argparse.ArgumentTypeError(f"must be layers such as 18-28 or 18,20,22-28, none of them twice, got {text!r}")


def _factor(text: str) -> float:
    """What ``--gain`` takes."""
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"must be a finite number above 0, got {text!r}")
