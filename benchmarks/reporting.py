"""What every benchmark does with its rows: a table for people, JSON for machines, beside each other."""

import argparse
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from adapters_core.cli.options import load_core_of, quiet_libraries
from adapters_core.pipeline import GenerationCore
from adapters_core.versions import code_version, library_versions

RESULTS = Path(__file__).parent / "results"
BUILT = Path(__file__).parents[1] / "build" / "benchmarks"


def arguments(description: str) -> argparse.Namespace:
    """The options that all benchmarks share."""
    from adapters_core.cli.options import add_model_options

    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=5, help="interleaved repetitions; the best of each counts")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON results")
    add_model_options(parser)
    return parser.parse_args()


def core_of(args: argparse.Namespace) -> GenerationCore:
    """The core that the options name."""
    quiet_libraries()
    return load_core_of(args)


def plain_arguments(description: str, *, repeats: int = 5) -> argparse.Namespace:
    """The options of benchmarks that load no model."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=repeats, help="interleaved repetitions; the median counts")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON results")
    parser.add_argument("--folder", type=Path, default=BUILT, help="where filled ledgers are kept for the next time")
    return parser.parse_args()


def report(name: str, rows: Sequence[dict[str, Any]], args: argparse.Namespace, core: GenerationCore | None) -> None:
    """Print the rows as a table and write them with what they were measured on; without a core, none was used."""
    table = Table(title=name)
    for column in rows[0]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console().print(table)
    args.results.mkdir(parents=True, exist_ok=True)
    record = {
        "benchmark": name,
        "rows": list(rows),
        **(_model(core) if core else {"device": platform.machine()}),
        "code": code_version(),
        "libraries": library_versions() if core else {n: version(n) for n in ("sqlalchemy", "django", "mlflow")},
    }
    (args.results / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def _model(core: GenerationCore) -> dict[str, Any]:
    return {
        "device": torch.cuda.get_device_name() if core.base.device.type == "cuda" else platform.machine(),
        "dtype": str(core.base.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "base": core.base.digest,
        "generator": core.generator_digest,
    }
