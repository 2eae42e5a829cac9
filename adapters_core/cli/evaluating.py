"""evaluate: what adapters change, beside the alternatives and the control."""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adapters_core.cli.options import add_json_option, add_model_options, command, load_core_of, positive
from adapters_core.cli.output import evaluation_bar, notes, print_json, results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters_core.evaluation.cost import Cost
    from adapters_core.evaluation.perplexity import Perplexity
    from adapters_core.evaluation.report import Report
    from adapters_core.evaluation.retention import Retention
    from adapters_core.evaluation.suites import Suite
    from adapters_core.pipeline import GenerationCore

MEASURES = ("retention", "cost", "perplexity")
REPORT_FILES = ("report.json", "report.md", "*.svg")


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that one evaluation measured."""

    report: "Report"
    retention: "Retention | None"
    cost: "Cost | None"
    perplexity: "Perplexity | None"

    def to_json(self) -> dict[str, object]:
        """As plain JSON data; what was not measured is null."""
        return {
            "report": self.report.to_json(),
            **{name: asdict(part) if (part := getattr(self, name)) is not None else None for name in MEASURES},
        }


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    evaluate = command(
        commands,
        "evaluate",
        summary="measure adapters against no context, the context in the prompt, fine-tuning and a wrong document",
        examples=(
            "  ringi evaluate --suite fictional --limit 60\n"
            "  ringi evaluate --suite squad:dev-v1.1.json --methods none,prompt,adapter,wrong --limit 300 --json\n"
            "  ringi evaluate --suite fictional --methods none,prompt,lora,adapter,wrong --answers --out var/report"
        ),
    )
    evaluate.add_argument("--suite", default="fictional", help="fictional, squad:PATH or conflicts:PATH")
    evaluate.add_argument("--methods", default="none,prompt,adapter,wrong", help="none,prompt,lora,full,adapter,wrong")
    evaluate.add_argument("--limit", type=positive, default=60, help="most questions")
    evaluate.add_argument("--answers", action="store_true", help="also let the base answer (F1, EM, contains; slow)")
    evaluate.add_argument("--measure", default="retention,cost", help="also: retention,cost,perplexity; or none")
    evaluate.add_argument("--measure-documents", type=positive, default=4, help="documents these are measured on")
    evaluate.add_argument("--seed", type=int, default=0, help="of the sample and the bootstrap")
    evaluate.add_argument("--out", type=Path, default=None, metavar="DIR", help="write report.json, report.md, charts")
    add_model_options(evaluate)
    add_json_option(evaluate)
    evaluate.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the tables, write the charts."""
    from adapters_core.evaluation.suites import load_suite

    measures = chosen_measures(args.measure)
    methods = chosen_methods(args.methods)
    if args.out is not None:
        require_replaceable(args.out)
    suite = load_suite(args.suite)
    core = load_core_of(args)
    findings = measure(
        core,
        suite,
        methods,
        limit=args.limit,
        seed=args.seed,
        answers=args.answers,
        measures=measures,
        measure_documents=args.measure_documents,
    )
    if args.out is not None:
        write(findings, args.out)
        notes.print(f"written to {args.out}: report.json, report.md and charts (SVG)")
    if args.json:
        print_json(findings.to_json())
    else:
        show(findings)
    return 0


def chosen_measures(text: str) -> tuple[str, ...]:
    """What --measure names.

    Raises:
        InputError: a name that there is not.
    """
    from adapters_core.errors import InputError

    measures = tuple(name for name in text.split(",") if name not in ("", "none"))
    if unknown := sorted(set(measures) - set(MEASURES)):
        raise InputError(f"--measure must be out of {', '.join(MEASURES)} or none, got {', '.join(unknown)}")
    return measures


def chosen_methods(text: str) -> tuple[str, ...]:
    """What --methods names: known before a model is loaded, not after minutes of work.

    Raises:
        InputError: a name that there is not or that comes twice, or none at all.
    """
    from adapters_core.errors import InputError
    from adapters_core.evaluation.runner import METHODS

    methods = tuple(text.split(","))
    if len(set(methods)) != len(methods) or not set(methods) <= set(METHODS):
        raise InputError(f"--methods must be distinct ones out of {', '.join(METHODS)}, got {text!r}")
    return methods


def measure(
    core: "GenerationCore",
    suite: "Suite",
    methods: "Sequence[str]",
    *,
    limit: int | None,
    seed: int = 0,
    answers: bool = False,
    measures: "Sequence[str]" = (),
    measure_documents: int = 4,
) -> Findings:
    """Everything asked for, with progress on standard error."""
    from adapters_core.data.documents import Document
    from adapters_core.evaluation.cost import measure_cost
    from adapters_core.evaluation.neutral import read_neutral
    from adapters_core.evaluation.perplexity import measure_perplexity
    from adapters_core.evaluation.retention import measure_retention
    from adapters_core.evaluation.runner import choose_methods, evaluate
    from adapters_core.evaluation.suites import read_unrelated

    with evaluation_bar("questions") as tell:
        report = evaluate(core, suite, methods, limit=limit, seed=seed, answers=answers, progress=tell)
    documents = suite.documents[:measure_documents]
    retention = cost = perplexity = None
    if "retention" in measures:
        adapting = [m for m in choose_methods(core, suite, methods, seed=seed) if m.name in ("adapter", "wrong")]
        with evaluation_bar("retention") as tell:
            retention = measure_retention(
                core.base,
                adapting,
                documents,
                neutral=read_neutral(),
                questions=read_unrelated(),
                answers=answers,
                seed=seed,
                progress=tell,
            )
    if "cost" in measures:
        with evaluation_bar("cost") as tell:
            cost = measure_cost(core, documents, progress=tell)
    if "perplexity" in measures:
        texts = [Document(name=document.name, text=document.text) for document in suite.documents]
        with evaluation_bar("perplexity") as tell:
            perplexity = measure_perplexity(core, texts, seed=seed, progress=tell)
    return Findings(report=report, retention=retention, cost=cost, perplexity=perplexity)


def show(findings: Findings) -> None:
    """Print the tables."""
    from adapters_core.evaluation.table import cost_table, perplexity_table, report_table, retention_table

    results.print(report_table(findings.report))
    if findings.retention is not None:
        results.print(retention_table(findings.retention))
    if findings.cost is not None:
        results.print(cost_table(findings.cost))
    if findings.perplexity is not None:
        results.print(perplexity_table(findings.perplexity))


def write(findings: Findings, folder: Path) -> None:
    """Write report.json, report.md and the charts; an earlier report is replaced as a whole, and nothing else is."""
    import json

    from adapters_core.evaluation.figures import figures
    from adapters_core.evaluation.table import charts_markdown, markdown
    from adapters_core.storage import atomic_folder

    require_replaceable(folder)
    with atomic_folder(folder, replace=True) as staging:
        (staging / "report.json").write_text(json.dumps(findings.to_json(), indent=1, ensure_ascii=False) + "\n")
        charts = figures(
            findings.report,
            staging,
            retention=findings.retention,
            cost=findings.cost,
            perplexity=findings.perplexity,
        )
        tables = markdown(findings.report, findings.retention, findings.cost, findings.perplexity)
        (staging / "report.md").write_text(f"{tables}\n{charts_markdown(charts)}")


def require_replaceable(folder: Path) -> None:
    """Refuse a folder that holds anything but a report: it would be deleted with the report it gives way to.

    Raises:
        InputError: there is something else at that path.
    """
    from adapters_core.errors import InputError

    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"--out {folder} must be a folder, it is a file: choose another path")
    others = sorted(path.name for path in folder.iterdir() if not any(path.match(name) for name in REPORT_FILES))
    if others:
        raise InputError(
            f"--out {folder} must be a new folder or an earlier report's, it holds {others[:3]}: choose another one"
        )
