"""What learns fastest? Small training runs of one token budget each, one choice changed at a time.

Every run draws its rows by the same seed, in float32 on the default base, and is judged on rows that training never
draws: nats per token under the right adapter, under that of another document, and without one. What counts is the gap
between the first two, as a share of nothing being known (no adapter), and what unrelated text loses.

    python -m benchmarks.ablations --corpus corpus-train.jsonl.xz --tokens 20000
    python -m benchmarks.ablations --corpus corpus-train.jsonl.xz --only "rank 32,o_proj"     # the others are kept
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from adapters_core.cli.options import quiet_libraries
from adapters_core.config import GeneratorConfig
from adapters_core.data.corpora import read_corpus
from adapters_core.data.examples import document_examples
from adapters_core.fetch import fetch_default_base
from adapters_core.modeling.base_model import BaseModel, load_base
from adapters_core.modeling.generator import Generator
from adapters_core.recipes import recipe
from adapters_core.training import metrics_file
from adapters_core.training.loop import TrainingRun
from adapters_core.training.rows import Passage, RowSource
from adapters_core.training.settings import Objective, TrainingSettings
from adapters_core.versions import code_version
from benchmarks.reporting import RESULTS

START_TOKENS = 12_000
"""Of the start in closed form; the recipe takes more."""
SMALL: Mapping[str, Any] = {"batch_rows": 4, "warmup_steps": 3, "context_tokens": (128, 256)}
"""Half the recipe's batch and contexts, in every run: a small budget should still hold some twenty steps."""
LAYERS = tuple(range(18, 30))
"""What the recipe adapted when the table was begun; it has left the last one out since."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One choice that differs from the recipe."""

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    start: str = "text"
    """text: in closed form; random: as published; attention: keys and values of the layer's own attention."""


def mixture(unrelated: float, weight: float, distillation: float = 0.0) -> dict[str, Objective]:
    """The recipe's objectives with another share of unrelated rows; the rest keeps its proportions."""
    own = recipe("smollm2-cpu").settings.objectives
    rest = sum(o.share for name, o in own.items() if name != "unrelated")
    shares = {
        name: replace(o, share=o.share * (1 - unrelated) / rest, distillation=distillation)
        for name, o in own.items()
        if name != "unrelated"
    }
    return {**shares, "unrelated": Objective(share=unrelated, cross_entropy=0.0, distillation=weight)}


VARIANTS = (
    Variant(name="recipe"),
    Variant(name="o_proj", config={"target_modules": ("o_proj",)}),
    Variant(name="o_proj and down_proj", config={"target_modules": ("o_proj", "down_proj")}),
    Variant(name="all layers", config={"layers": None}),
    Variant(name="R 128", config={"key_size": 128, "value_size": 128}),
    Variant(name="rank 32", config={"rank": 32}),
    Variant(name="rank 256", config={"rank": 256}),
    Variant(name="same position", config={"value_shift": 0}),
    Variant(name="random start", start="random"),
    Variant(name="start from k_proj and v_proj", config={"key_size": 192, "value_size": 192}, start="attention"),
    Variant(name="distillation", settings={"objectives": mixture(0.38, 10.0, distillation=1.0)}),
    Variant(name="no learned scale", settings={"gain_learning_rate": 0.0}),
    Variant(name="no unrelated rows", settings={"objectives": mixture(1e-9, 0.0)}),
    Variant(name="unrelated rows of weight 1", settings={"objectives": mixture(0.38, 1.0)}),
    Variant(name="contexts of 64 tokens", settings={"context_tokens": (64,)}),
    Variant(name="contexts of 512 tokens", settings={"context_tokens": (512,)}),
    Variant(name="rate 3e-4", settings={"learning_rate": 3e-4}),
    Variant(name="rate 3e-3", settings={"learning_rate": 3e-3}),
    Variant(name="constant rate", settings={"decay_share": 0.0}),
)


def main() -> None:
    """Run the variants that have no row yet, and print the table of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="jsonl(.gz, .xz): source, id, text")
    parser.add_argument("--tokens", type=int, default=20_000, help="budget of every run")
    parser.add_argument("--only", default=None, help="names of variants to run again, comma-separated")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON results")
    args = parser.parse_args()
    args.results.mkdir(parents=True, exist_ok=True)
    path = args.results / "ablations.json"
    rows: dict[str, dict[str, Any]] = json.loads(path.read_text())["rows"] if path.is_file() else {}
    chosen = [v for v in VARIANTS if v.name in (args.only.split(",") if args.only else VARIANTS_BY_NAME.keys() - rows)]
    quiet_libraries()
    base = load_base(fetch_default_base(), dtype=torch.float32) if chosen else None
    passages = [Passage(source=r.source, text=r.text) for r in read_corpus(args.corpus)] if chosen else []
    for variant in chosen:
        if base is not None:
            rows[variant.name] = measure(base, variant, passages, args.tokens)
        record = {"benchmark": "ablations", "rows": rows, "code": code_version(), "torch": torch.__version__}
        path.write_text(json.dumps(record, indent=1) + "\n")  # a run takes minutes: what is measured is kept
        print(markdown({variant.name: rows[variant.name]}).splitlines()[-1], file=sys.stderr, flush=True)
    print(markdown({v.name: rows[v.name] for v in VARIANTS if v.name in rows}))


VARIANTS_BY_NAME = {variant.name: variant for variant in VARIANTS}


def measure(base: BaseModel, variant: Variant, passages: Sequence[Passage], tokens: int) -> dict[str, Any]:
    """Train one variant and validate it at its end.

    Args:
        base: the default one.
        variant: what differs.
        passages: the corpus.
        tokens: the budget.
    """
    own = recipe("smollm2-cpu")
    changes: dict[str, Any] = {
        "start_tokens": START_TOKENS if variant.start == "text" else 0,
        "time_limit_s": None,
        "token_limit": tokens,
        "validate_every": own.settings.max_steps,
        "dtype": "float32",
    }
    settings: TrainingSettings = replace(own.settings, **{**changes, **SMALL, **variant.settings})
    judged = replace(own.settings, **SMALL)
    config: GeneratorConfig = replace(
        own.config, **{"layers": LAYERS, **_rank_that_fits(variant.config), **variant.config}
    )
    generator = Generator(config, base)
    if variant.start == "attention":
        start_from_attention(base, generator)
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(
            base=base,
            generator=generator.requires_grad_(),
            rows=RowSource(base.require_tokenizer(), settings, passages=passages, question_examples=document_examples),
            settings=settings,
            folder=Path(folder),
            # whatever is trained, what is judged is the same
            held_out=RowSource(
                base.require_tokenizer(), judged, passages=passages, question_examples=document_examples
            ),
        )
        progress = run.train()
        last = list(metrics_file.read_rows(Path(folder) / metrics_file.NAME))[-1]
    found = {name.removeprefix("validation/"): value for name, value in last.items() if name.startswith("validation/")}
    return {"steps": progress.step, "tokens": progress.tokens, "seconds": round(progress.seconds), **found}


def _rank_that_fits(config: Mapping[str, Any]) -> dict[str, int]:
    own = recipe("smollm2-cpu").config
    return {"rank": min(own.rank, config.get("key_size", own.key_size), config.get("value_size", own.value_size))}


@torch.no_grad()
def start_from_attention(base: BaseModel, generator: Generator) -> None:
    """Keys and values begin as the layer's own attention makes them, as wide as its key-value heads together.

    Args:
        base: of Llama's names.
        generator: of R1 = R2 = their width; ``input`` stays random and ``output`` zero.
    """
    tensors = dict(generator.named_site_tensors())
    weights = dict(base.model.named_parameters())
    parts = {"norm": "input_layernorm", "key": "self_attn.k_proj", "value": "self_attn.v_proj"}
    for site in generator.sites:
        for name, module in parts.items():
            tensors[f"{site.name}.{name}"] = weights[f"model.layers.{site.layer}.{module}.weight"].float()
    generator.load_site_tensors(tensors)


def markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The table: right / another document's / none, and the gap of the first two."""
    head = "| changed | steps | reconstruction | completion | question | gap, question | unrelated, change |"
    lines = [head, "|---|---:|---:|---:|---:|---:|---:|"]
    for name, row in rows.items():
        cells = [
            " / ".join(f"{row[key]:.2f}" if key in row else "—" for key in (task, f"{task}/wrong", f"{task}/none"))
            for task in ("reconstruction", "completion", "question")
        ]
        gap = row["question/wrong"] - row["question"]
        broken = f"{row['unrelated'] - row['unrelated/none']:+.3f}" if "unrelated" in row else "—"
        lines.append(f"| {name} | {row['steps']} | {' | '.join(cells)} | {gap:.2f} | {broken} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
