"""protocol: everything that a generator is judged by, in one run."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from adapters_core.cli.evaluating import require_replaceable
from adapters_core.cli.options import add_json_option, add_model_options, command, load_core_of, positive
from adapters_core.cli.output import evaluation_bar, notes, print_json, results

if TYPE_CHECKING:
    from adapters_core.data.documents import Document

_LEAST_CHARACTERS = 1200


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    protocol = command(
        commands,
        "protocol",
        summary="measure a generator by the frozen protocol: questions, retention, perplexity, stream, lengths",
        examples=(
            "  ringi protocol --parts fictional,retention --out var/protocol\n"
            "  ringi protocol --squad dev-v1.1.json --conflicts conflicts.json.gz \\\n"
            "      --texts corpus-validation.jsonl.xz --out docs/evaluation --dtype bfloat16\n"
            "  ringi protocol --parts fictional --methods none,prompt,lora,adapter --baselines old/report.json \\\n"
            "      --out var/p1\n"
            "  ringi protocol --parts none --join var/p1/report.json var/p2/report.json --out docs/evaluation"
        ),
    )
    protocol.add_argument("--squad", type=Path, default=None, metavar="FILE", help="questions in SQuAD format")
    protocol.add_argument(
        "--conflicts", type=Path, default=None, metavar="FILE", help="questions that contradict memory"
    )
    protocol.add_argument("--texts", type=Path, default=None, metavar="FILE", help="held-out corpus, jsonl(.gz, .xz)")
    protocol.add_argument("--parts", default=None, help="some of them, comma-separated, or none; all by default")
    protocol.add_argument(
        "--join",
        type=Path,
        nargs="+",
        default=(),
        metavar="REPORT",
        help="report.json of runs that measured other parts",
    )
    protocol.add_argument(
        "--baselines",
        type=Path,
        nargs="+",
        default=(),
        metavar="REPORT",
        help="report.json whose rows of none, prompt, lora and full are taken over (same base and questions)",
    )
    protocol.add_argument("--methods", default="none,prompt,adapter,wrong", help="also: lora, full (hours)")
    protocol.add_argument("--questions", type=positive, default=300, help="least questions of a suite")
    protocol.add_argument("--length-questions", type=positive, default=24, help="questions at each length")
    protocol.add_argument("--seed", type=int, default=0, help="of the draw and the bootstrap")
    protocol.add_argument("--out", type=Path, required=True, metavar="DIR", help="report.json, report.md and charts")
    add_model_options(protocol)
    add_json_option(protocol)
    protocol.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables, write the charts; 1 where a goal is not met."""
    from adapters_core.evaluation.baselines import read_reports
    from adapters_core.evaluation.figures import protocol_figures
    from adapters_core.evaluation.protocol import Findings, ProtocolSettings, run_protocol
    from adapters_core.evaluation.table import charts_markdown, protocol_markdown, protocol_sheets, terminal_table
    from adapters_core.storage import atomic_folder

    require_replaceable(args.out)
    settings = ProtocolSettings(
        squad=args.squad,
        conflicts=args.conflicts,
        texts=held_out(args.texts) if args.texts else (),
        parts=chosen_parts(args.parts),
        methods=args.methods.split(","),
        questions=args.questions,
        length_questions=args.length_questions,
        seed=args.seed,
        baselines=[report for path in args.baselines for report in read_reports(path)],
    )
    others = [Findings.read(path) for path in args.join]
    core = load_core_of(args)
    with evaluation_bar("protocol") as tell:
        findings = run_protocol(core, settings, tell=lambda part, done, total: tell(done, total, part)).joined(others)
    with atomic_folder(args.out, replace=True) as staging:
        (staging / "report.json").write_text(json.dumps(findings.to_json(), indent=1, ensure_ascii=False) + "\n")
        charts = protocol_figures(findings, staging)
        (staging / "report.md").write_text(f"{protocol_markdown(findings)}\n{charts_markdown(charts)}")
    notes.print(f"written to {args.out}: report.json, report.md and charts (SVG)")
    if args.json:
        print_json(findings.to_json())
    else:
        for sheet in protocol_sheets(findings):
            results.print(terminal_table(sheet))
    return 0 if all(goal.met for goal in findings.goals()) else 1


def chosen_parts(text: str | None) -> "tuple[str, ...]":
    """What --parts names; nothing given: all."""
    from adapters_core.evaluation.protocol import PARTS

    return PARTS if text is None else tuple(name for name in text.split(",") if name not in ("", "none"))


def held_out(path: Path) -> "tuple[Document, ...]":
    """The texts of a corpus that are long enough to be split, drawn across its sources in turn."""
    from itertools import zip_longest

    from adapters_core.data.corpora import read_corpus
    from adapters_core.data.documents import Document

    by_source: dict[str, list[Document]] = {}
    for entry in read_corpus(path):
        if len(entry.text) >= _LEAST_CHARACTERS:
            found = by_source.setdefault(entry.source, [])
            found.append(Document(name=f"{entry.source}/{entry.id}", text=entry.text))
    turns = zip_longest(*(by_source[source] for source in sorted(by_source)))
    return tuple(document for turn in turns for document in turn if document is not None)
