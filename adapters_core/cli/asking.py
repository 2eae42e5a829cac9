"""ask: questions to the base alone and to the base with an adapter, side by side."""

import argparse
from pathlib import Path

from adapters_core.cli.options import add_json_option, add_model_options, command, load_base_of, positive
from adapters_core.cli.output import print_json, results


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    ask = command(
        commands,
        "ask",
        summary="ask the base alone and with an adapter, and show both answers side by side",
        examples=(
            '  ringi ask var/adapters/rules "Who keeps the original of an approval circular?"\n'
            '  ringi ask var/adapters/rules "Who signs?" "By when?" --answer-tokens 64 --json'
        ),
    )
    ask.add_argument("adapter", type=Path, metavar="DIR")
    ask.add_argument("question", nargs="+", metavar="QUESTION", help="each is asked by itself, with an empty prompt")
    ask.add_argument("--answer-tokens", type=positive, default=48, metavar="N", help="longest answer")
    add_model_options(ask, generator=False)
    add_json_option(ask)
    ask.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Answer greedily, without the adapter and with it."""
    from adapters_core.artifact import read_adapter
    from adapters_core.data.prompts import question_ids
    from adapters_core.evaluation.scoring import greedy_answers
    from adapters_core.export.gate import check_folder

    identity = read_adapter(args.adapter).manifest.identity
    base = load_base_of(args)
    pairs = check_folder(
        args.adapter, base, manifest_base_digest=identity.base.digest, weights_sha256=identity.weights_sha256
    )
    prompts = [question_ids(base.require_tokenizer(), question) for question in args.question]
    bare, adapted = (
        greedy_answers(base, prompts, adapters=given, max_new_tokens=args.answer_tokens) for given in ({}, pairs)
    )
    if args.json:
        names = ("question", "base", "adapter")
        print_json([dict(zip(names, row, strict=True)) for row in zip(args.question, bare, adapted, strict=True)])
        return 0
    from rich.table import Table

    table = Table(show_lines=True)
    for column in ("question", "base alone", "with the adapter"):
        table.add_column(column)
    for row in zip(args.question, bare, adapted, strict=True):
        table.add_row(*row)
    results.print(table)
    return 0
