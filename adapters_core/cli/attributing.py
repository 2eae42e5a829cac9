"""attribute: which parts of the context an adapter, or one of its answers, comes from."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from adapters_core.cli.options import add_json_option, add_model_options, command, load_core_of, positive
from adapters_core.cli.output import print_json, progress_bar, results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters_core.data.documents import Document
    from adapters_core.explain import Attribution, Span

_GRAINS = ("document", "chunk", "sentence", "token")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    attribute = command(
        commands,
        "attribute",
        summary="show which documents, chunks, sentences and tokens an adapter or an answer comes from",
        examples=(
            "  ringi attribute var/adapters/rules --context examples/contexts/*.md\n"
            "  ringi attribute var/adapters/rules --context examples/contexts/*.md \\\n"
            '      --question "Who keeps the original of an approval circular?" --answer "Ms. Tsuya Kotegawara"'
        ),
    )
    attribute.add_argument("adapter", type=Path, metavar="DIR")
    attribute.add_argument(
        "--context", type=Path, nargs="+", required=True, metavar="FILE", help="the files it was made from"
    )
    attribute.add_argument("--question", help="attribute the answer to this question")
    attribute.add_argument("--answer", help="the answer whose log-probability is attributed")
    attribute.add_argument("--steps", type=positive, default=8, help="points of the integration over the amplitude")
    attribute.add_argument("--top", type=positive, default=10, help="rows to show")
    add_model_options(attribute)
    add_json_option(attribute)
    attribute.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Attribute and print."""
    from adapters_core.artifact import read_session
    from adapters_core.data.documents import read_documents
    from adapters_core.explain import attribute

    documents = read_documents(args.context)
    session = read_session(args.adapter)
    core = load_core_of(args)
    with progress_bar("attributing") as tell:
        found = attribute(
            core, session, documents, question=args.question, answer=args.answer, steps=args.steps, progress=tell
        )
    if args.json:
        print_json(found.to_json())
    else:
        _print(found, documents, args.top)
    return 0


def _print(found: "Attribution", documents: "Sequence[Document]", top: int) -> None:
    for grain in _GRAINS:
        spans = getattr(found.shares, f"{grain}s")
        results.print(_table(f"share of the adapter, by {grain}", "share", spans, documents, top))
    if found.answer is not None and found.log_probability is not None and found.log_probability_base is not None:
        for grain in _GRAINS:
            spans = getattr(found.answer, f"{grain}s")
            results.print(_table(f"nats of the answer, by {grain}", "nats", spans, documents, top))
        gain = found.log_probability - found.log_probability_base
        results.print(
            f"log-probability of the answer: {found.log_probability:.3f} with the adapter, "
            f"{found.log_probability_base:.3f} without (gain {gain:+.3f} nats, unexplained {found.residual:+.4f})"
        )
    if found.leave_one_out:
        results.print(_counterfactuals(found, documents, top))


def _table(title: str, unit: str, spans: "Sequence[Span]", documents: "Sequence[Document]", top: int) -> object:
    from rich.table import Table

    texts = {document.name: document.text for document in documents}
    shown = sorted(spans, key=lambda s: -abs(s.value))[:top]
    table = Table(title=title if len(shown) == len(spans) else f"{title}: {len(shown)} of {len(spans):,}")
    table.add_column(unit, justify="right")
    table.add_column("document")
    table.add_column("text")
    for span in shown:
        value = f"{span.value:.1%}" if unit == "share" else f"{span.value:+.4f}"
        table.add_row(value, span.document, _excerpt(texts[span.document][span.start : span.end]))
    return table


def _counterfactuals(found: "Attribution", documents: "Sequence[Document]", top: int) -> object:
    from rich.table import Table

    texts = {document.name: document.text for document in documents}
    table = Table(title="had a chunk never been seen (exact)")
    for column in ("chunk", "cosine", "change", "effect on the answer", "text"):
        table.add_column(column, justify="left" if column in ("chunk", "text") else "right")
    for one in sorted(found.leave_one_out, key=lambda o: -abs(o.answer_effect or o.change))[:top]:
        effect = "-" if one.answer_effect is None else f"{one.answer_effect:+.4f}"
        text = _excerpt(texts[one.document][one.start : one.end])
        table.add_row(one.commitment[:12], f"{one.cosine:.4f}", f"{one.change:.4f}", effect, text)
    return table


def _excerpt(text: str, width: int = 80) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
