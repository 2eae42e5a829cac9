"""demo: what ``make demo`` shows. Adapters for the example documents, what they change, and where everything is."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from adapters_core.cli.options import add_model_options, command, load_core_of, positive
from adapters_core.cli.output import notes, progress_bar, results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters_core.data.documents import Document
    from adapters_core.evaluation.suites import Suite
    from adapters_core.pipeline import GenerationCore

SHOWN_ANSWERS = 4
QUESTIONS_PER_DOCUMENT = 3
"""Few of each document, so that many documents are asked about."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    demo = command(
        commands,
        "demo",
        summary="generate adapters for the example documents, measure what they change, show the table and the charts",
        examples="  ringi demo\n  ringi demo --limit 240 --methods none,prompt,adapter,wrong,lora",
    )
    demo.add_argument("--out", type=Path, default=Path("var/demo"), metavar="DIR", help="folder of adapters and report")
    demo.add_argument("--limit", type=positive, default=48, help="most questions")
    demo.add_argument("--documents", type=positive, default=None, help="most documents to make adapters of (all)")
    demo.add_argument("--measure", default="retention,cost", help="as in ringi evaluate; or none")
    demo.add_argument("--methods", default="none,prompt,adapter,wrong", help="as in ringi evaluate")
    add_model_options(demo)
    demo.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Generate, measure, show, and say what to try next."""
    from adapters_core.cli.evaluating import chosen_measures, chosen_methods, measure, require_replaceable, show, write
    from adapters_core.data.documents import read_documents
    from adapters_core.evaluation.suites import EXAMPLES, load_suite

    measures, methods = chosen_measures(args.measure), chosen_methods(args.methods)
    require_replaceable(args.out / "report")
    core = load_core_of(args)
    notes.print(f"base {core.base.source} {core.base.digest[:16]}, generator {core.generator_digest[:16]}")
    documents = read_documents(sorted((EXAMPLES / "contexts").glob("*.md")))[: args.documents]
    folders = generate_each(core, documents, args.out / "adapters")
    suite = load_suite("fictional", questions_per_document=QUESTIONS_PER_DOCUMENT)
    findings = measure(
        core,
        suite,
        methods,
        limit=args.limit,
        measures=measures,
        measure_documents=2,
    )
    write(findings, args.out / "report")
    show(findings)
    show_answers(core, suite)
    first = folders[0]
    results.print(
        f"\n{len(folders)} adapters      {args.out / 'adapters'}\n"
        f"report and charts {args.out / 'report'}  (report.md, report.json, *.svg)\n\n"
        f"try next:\n"
        f'  ringi ask {first} "{_question_about(suite, first.name)}"\n'
        f"  ringi inspect {first}\n"
        f"  ringi attribute {first} --context {EXAMPLES / 'contexts' / (first.name + '.md')}\n"
        f"  ringi evaluate --suite fictional --limit 240 --methods none,prompt,lora,adapter,wrong\n"
        f"  ringi export {first} --format gguf --out {args.out / (first.name + '.gguf')}\n"
        f"  ringi serve --insecure-loopback --adapters {args.out / 'adapters'}"
    )
    return 0


def generate_each(core: "GenerationCore", documents: "Sequence[Document]", folder: Path) -> list[Path]:
    """An adapter for every document; those that are there already, made by the same generator, are kept.

    Raises:
        InputError: a folder that is in the way is no adapter of ours.
    """
    import shutil

    from adapters_core.artifact import MANIFEST, read_session, write_session
    from adapters_core.errors import InputError, RingiError

    folders = []
    with progress_bar("adapters") as tell:
        for done, document in enumerate(documents, start=1):
            target = folder / Path(document.name).stem
            folders.append(target)
            key = None
            if target.exists():
                if not (target / MANIFEST).is_file():
                    raise InputError(
                        f"{target} must be an adapter or absent, it holds something else: use another --out"
                    )
                try:
                    before = read_session(target)
                    identity = before.adapter.manifest.identity
                    if identity.generator.digest == core.generator_digest and identity.base.digest == core.base.digest:
                        tell(done, len(documents))
                        continue
                    key = before.key
                except RingiError as error:
                    notes.print(f"{target} is not usable and is made again: {error}")
                shutil.rmtree(target)
            write_session(core.generate([document], key=key), target)
            tell(done, len(documents))
    return folders


def _question_about(suite: "Suite", document: str) -> str:
    asked = (d.questions[0].question for d in suite.documents if d.name == document)
    return next(asked, suite.documents[0].questions[0].question)


def show_answers(core: "GenerationCore", suite: "Suite") -> None:
    """A few questions with the answers of the bare base and of the adapter, side by side."""
    from rich.table import Table

    from adapters_core.evaluation.runner import choose_methods

    table = Table(title="the same question, without and with the adapter")
    for column in ("question", "in the document", "base alone", "with the adapter"):
        table.add_column(column)
    bare, adapted = choose_methods(core, suite, ("none", "adapter"))[:2]
    for document in suite.documents[:SHOWN_ANSWERS]:
        question = document.questions[:1]
        said = []
        for method in (bare, adapted):
            with method.adapt(document) as ready:
                said.append(ready.answer(question)[0])
        table.add_row(question[0].question, question[0].answers[0], *said)
    results.print(table)
