"""train: a generator from a recipe, resumable, with a progress bar and a loss plot."""

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from adapters_core.cli.options import add_json_option, add_model_options, command, load_base_of, positive
from adapters_core.cli.output import notes, print_json, results
from adapters_core.errors import InputError

if TYPE_CHECKING:
    from adapters_core.modeling.base_model import BaseModel
    from adapters_core.modeling.generator import Generator
    from adapters_core.recipes import Recipe
    from adapters_core.tracking.runs import RunTracker
    from adapters_core.training.loop import TrainingRun, Watcher
    from adapters_core.training.rows import Passage
    from adapters_core.training.settings import TrainingSettings

INTERRUPTED = 130


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    train = command(
        commands,
        "train",
        summary="train a generator, or fine-tune one on the documents of a domain; goes on where it stopped",
        examples=(
            "  ringi train --recipe smollm2-cpu --corpus corpus.jsonl.xz --out var/run --time-limit 3600\n"
            "  ringi train --recipe domain --documents rules/*.md --out var/domain     # from the shipped generator\n"
            "  accelerate launch --num_processes 8 -m adapters_core train --recipe 7b-8gpu \\\n"
            "      --base mistralai/Mistral-7B-v0.3 --corpus corpus.jsonl.xz --out var/7b"
        ),
    )
    train.add_argument("--recipe", default="smollm2-cpu", help="tiny, smollm2-cpu, smollm2-h200, 7b-8gpu, domain")
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run's folder; resumed if it exists")
    train.add_argument(
        "--corpus", type=Path, nargs="+", default=[], metavar="FILE", help="jsonl(.gz, .xz): source, id, text"
    )
    train.add_argument("--documents", type=Path, nargs="+", default=[], metavar="FILE", help="text files to train on")
    train.add_argument(
        "--start-from",
        type=Path,
        default=None,
        metavar="GENERATOR",
        help="generator to fine-tune (domain: the shipped one)",
    )
    train.add_argument("--time-limit", type=float, default=None, metavar="S", help="seconds of training, all resumes")
    train.add_argument("--steps", type=positive, default=None, help="steps after which the run ends")
    train.add_argument("--tokens", type=positive, default=None, help="tokens processed after which the run ends")
    train.add_argument("--batch-rows", type=positive, default=None, help="rows of a micro-batch")
    train.add_argument("--learning-rate", type=float, default=None, help="peak of the schedule")
    train.add_argument(
        "--rank", type=positive, default=None, help="directions of the state that are kept; may change between resumes"
    )
    train.add_argument("--seed", type=int, default=None, help="source of every draw")
    train.add_argument(
        "--mixture",
        type=_share,
        nargs="+",
        default=[],
        metavar="NAME=SHARE[:KL]",
        help="shares of the objectives, as question=0.55 unrelated=0.15:3 (then the weight of the distillation)",
    )
    train.add_argument("--checkpoint-every", type=float, default=None, metavar="S", help="seconds between checkpoints")
    train.add_argument("--keep", type=positive, default=None, help="checkpoints kept, as for ringi average")
    train.add_argument("--mlflow", default=None, metavar="URI", help="also record the run there, as sqlite:///runs.db")
    add_model_options(train, generator=False)
    add_json_option(train)
    train.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, then write generator.safetensors, loss.svg and metrics.jsonl into the run's folder."""
    from adapters_core.recipes import recipe
    from adapters_core.storage import exclusive

    chosen = (
        recipe(args.recipe)
        .with_changes(
            time_limit_s=args.time_limit,
            max_steps=args.steps,
            token_limit=args.tokens,
            checkpoint_every_s=args.checkpoint_every,
            keep_checkpoints=args.keep,
            batch_rows=args.batch_rows,
            learning_rate=args.learning_rate,
            seed=args.seed,
        )
        .with_mixture(dict(args.mixture))
    )
    if args.start_from:
        chosen = chosen.with_changes(start_tokens=0)  # what it was trained to stays
    args.dtype = args.dtype or chosen.settings.dtype
    passages = list(_passages(args.corpus, args.documents))
    if _is_main_process():
        with exclusive(args.out):
            return _train(args, chosen, passages)
    base = load_base_of(args)  # another of those that accelerate launched: it computes and writes nothing
    training = _training_run(args, chosen, base, _generator(args, chosen, base), passages)
    training.train()
    return INTERRUPTED if training.interrupted else 0


def _share(text: str) -> tuple[str, tuple[float, float | None]]:
    """What ``--mixture`` takes: (objective, (share, weight of the distillation))."""
    name, _, numbers = text.partition("=")
    share, colon, weight = numbers.partition(":")
    try:
        return name, (float(share), float(weight) if colon else None)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be NAME=SHARE or NAME=SHARE:KL with numbers, got {text!r}") from error


def _train(args: argparse.Namespace, chosen: "Recipe", passages: "Sequence[Passage]") -> int:
    from adapters_core.modeling.generator_file import save_generator

    base = load_base_of(args)
    generator = _generator(args, chosen, base)
    with ExitStack() as stack:
        training = _training_run(args, chosen, base, generator, passages)
        training.watchers = tuple(stack.enter_context(w) for w in _watchers(args, chosen, base))
        progress = training.train()
    digest = save_generator(generator.float(), args.out / "generator.safetensors")
    _plot(args.out)
    summary = {
        "folder": str(args.out),
        "generator": digest,
        "steps": progress.step,
        "tokens": progress.tokens,
        "seconds": round(progress.seconds, 1),
        "interrupted": training.interrupted,
    }
    if args.json:
        print_json(summary)
    else:
        results.print(f"generator {digest[:16]} after {progress.step:,} steps and {progress.tokens:,} tokens")
        notes.print(f"{args.out}: generator.safetensors, loss.svg, metrics.jsonl; the same command goes on from here")
    return INTERRUPTED if training.interrupted else 0


def _generator(args: argparse.Namespace, chosen: "Recipe", base: "BaseModel") -> "Generator":
    """A fresh generator of the recipe's configuration, or the one to fine-tune, in float32."""
    from adapters_core.cli.options import SHIPPED, load_generator_at
    from adapters_core.modeling.generator import Generator

    start = args.start_from or (SHIPPED if chosen.name == "domain" else None)
    generator = Generator(chosen.config, base) if start is None else load_generator_at(start, base)
    if args.rank:
        generator.keep_rank(args.rank)
    return generator.float().requires_grad_()


def _training_run(
    args: argparse.Namespace,
    chosen: "Recipe",
    base: "BaseModel",
    generator: "Generator",
    passages: "Sequence[Passage]",
) -> "TrainingRun":
    import torch

    from adapters_core.data.examples import document_examples
    from adapters_core.training.loop import TrainingRun
    from adapters_core.training.rows import RowSource

    rows = RowSource(base.require_tokenizer(), chosen.settings, passages=passages, question_examples=document_examples)
    return TrainingRun(
        base=base,
        generator=generator,
        rows=rows,
        settings=chosen.settings,
        folder=args.out,
        checkpoint_dtype=getattr(torch, chosen.checkpoint_dtype),
    )


def _passages(corpora: Iterable[Path], documents: Sequence[Path]) -> Iterator["Passage"]:
    from adapters_core.data.corpora import read_corpus
    from adapters_core.data.documents import read_documents
    from adapters_core.training.rows import Passage

    found = False
    for path in corpora:
        for record in read_corpus(path):
            found = True
            yield Passage(source=record.source, text=record.text)
    if documents:
        for document in read_documents(documents):
            found = True
            yield Passage(source="documents", text=document.text)
    if not found:
        raise InputError("name texts to train on: --corpus FILE.jsonl.xz or --documents FILE...")


def _watchers(
    args: argparse.Namespace, chosen: "Recipe", base: "BaseModel"
) -> Iterator[AbstractContextManager["Watcher"]]:
    yield _Watching(chosen.settings)
    if args.mlflow:
        from adapters_core.tracking.mlflow_store import MlflowTracker

        tags = {"recipe": chosen.name, "base_digest": base.digest}
        yield _Tracking(MlflowTracker(args.mlflow, experiment="ringi-training", name=args.out.name, tags=tags), chosen)


class _Watching:
    """The progress bar: how much of the run is done, and the loss."""

    def __init__(self, settings: "TrainingSettings") -> None:
        self.settings = settings

    def __enter__(self) -> "Watcher":
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (TextColumn("training"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self.bar = Progress(*columns, TextColumn("{task.description}"), console=notes, transient=True)
        self.bar.start()
        self.task = self.bar.add_task("", total=1.0)
        return self._tell

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def _tell(self, step: int, metrics: "dict[str, float]") -> None:
        from adapters_core.training.checkpoint import Progress

        progress = Progress(step=step, tokens=int(metrics["tokens"]), seconds=metrics["seconds"])
        done = progress.share_of(self.settings)
        rate = metrics["tokens"] / max(metrics["seconds"], 1e-9)
        text = f"step {step:,}  loss {metrics['loss']:.3f}  {rate:,.0f} tokens/s"
        self.bar.update(self.task, completed=done, description=text)
        held_out = {k.removeprefix("validation/"): v for k, v in metrics.items() if k.startswith("validation/")}
        if held_out:
            notes.print(f"step {step:,}: " + "  ".join(f"{name} {value:.3f}" for name, value in held_out.items()))


class _Tracking:
    """The run's record in MLflow."""

    def __init__(self, tracker: "RunTracker", chosen: "Recipe") -> None:
        self.tracker, self.chosen = tracker, chosen

    def __enter__(self) -> "Watcher":
        self.tracker.__enter__()
        settings = {**self.chosen.config.to_json(), **self.chosen.settings.to_json()}
        self.tracker.log_parameters({name: str(value) for name, value in settings.items()})
        return self.tracker.log_metrics

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.tracker.__exit__(kind, error, None)


def _plot(folder: Path) -> None:
    """The loss by objective over tokens, each point the mean of a twentieth of the run, and what validation found."""
    from adapters_core.evaluation.charts import Point, line_chart, write_svg
    from adapters_core.training import metrics_file

    rows = list(metrics_file.read_rows(folder / metrics_file.NAME))
    points = []
    for name in sorted({key for row in rows for key in row if key.startswith("loss/")}):
        found = [(float(row["tokens"]), float(row[name])) for row in rows if row.get(name) is not None]
        size = max(1, len(found) // 20)
        for start in range(0, len(found) - size + 1, size):
            part = found[start : start + size]
            x, y = (sum(values) / size for values in zip(*part, strict=True))
            points.append(Point(series=name.removeprefix("loss/"), x=x, y=y))
    chart = line_chart(
        points,
        title="Training loss",
        x_title="tokens processed",
        y_title="cross-entropy, nats per token",
        note="each point is the mean over a twentieth of the run",
    )
    write_svg(chart, folder / "loss.svg")


def _is_main_process() -> bool:
    """Whether this is the first of the processes that ``accelerate launch`` or torchrun started, or the only one."""
    return os.environ.get("RANK", "0") == "0"
