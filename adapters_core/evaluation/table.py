"""Reports in the terminal (rich) and as Markdown."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from adapters_core.evaluation.cost import Cost
from adapters_core.evaluation.perplexity import Perplexity
from adapters_core.evaluation.protocol import Findings, mean_stream
from adapters_core.evaluation.report import Report
from adapters_core.evaluation.retention import Retention
from adapters_core.evaluation.sheets import (
    Sheet,
    cost_sheet,
    goals_sheet,
    lengths_sheet,
    perplexity_sheet,
    report_sheet,
    retention_sheet,
    stream_sheet,
)
from adapters_core.evaluation.stream import Stream


def report_table(report: Report) -> Table:
    """Methods against their figures."""
    return terminal_table(report_sheet(report))


def retention_table(retention: Retention) -> Table:
    """What adapting breaks."""
    return terminal_table(retention_sheet(retention))


def cost_table(cost: Cost) -> Table:
    """What a context costs."""
    return terminal_table(cost_sheet(cost))


def perplexity_table(perplexity: Perplexity) -> Table:
    """Reconstruction and completion."""
    return terminal_table(perplexity_sheet(perplexity))


def stream_table(stream: Stream) -> Table:
    """Recall along a stream."""
    return terminal_table(stream_sheet(stream))


def terminal_table(sheet: Sheet) -> Table:
    """A sheet for the terminal; brackets in it are no markup."""
    table = Table(
        title=Text(sheet.title, style="table.title"),
        title_justify="left",
        caption=Text("\n".join(sheet.notes), style="table.caption"),
        caption_justify="left",
    )
    for place, column in enumerate(sheet.columns):
        table.add_column(Text(column), justify="left" if place == 0 else "right")
    for row in sheet.rows:
        table.add_row(*map(Text, row))
    return table


def markdown(
    report: Report,
    retention: Retention | None = None,
    cost: Cost | None = None,
    perplexity: Perplexity | None = None,
) -> str:
    """The whole report as Markdown, with what the numbers depend on at its end."""
    sheets = [report_sheet(report)]
    sheets += [retention_sheet(retention)] if retention else []
    sheets += [perplexity_sheet(perplexity)] if perplexity else []
    sheets += [cost_sheet(cost)] if cost else []
    return "\n".join(["# Evaluation", "", *(markdown_table(sheet) for sheet in sheets), _provenance(report)])


def charts_markdown(charts: Sequence[Path]) -> str:
    """Charts that lie beside a report, shown at its end."""
    return "\n".join(["## Charts", "", *(f"![{chart.stem}]({chart.name})" for chart in charts), ""])


def markdown_table(sheet: Sheet) -> str:
    """A sheet as Markdown: heading, table, notes."""
    lines = [f"## {sheet.title}", "", _line(sheet.columns), _line(["---", *["---:"] * (len(sheet.columns) - 1)])]
    lines += [_line(row) for row in sheet.rows]
    lines += ["", *(f"{note}  " for note in sheet.notes), ""]
    return "\n".join(lines)


def _line(cells: "tuple[str, ...] | list[str]") -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _provenance(report: Report) -> str:
    source = report.provenance
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(source.libraries.items()))
    lines = [
        "## What the numbers depend on",
        "",
        f"- base `{source.base}` ({source.base_source}), generator `{source.generator}`",
        f"- suite {source.suite} `{source.suite_digest}`, seed {source.seed}, limit {source.limit or 'none'}",
        f"- {source.device}, {source.dtype}, {source.threads} threads; code {source.code_version}; {libraries}",
        f"- {source.created_at}, {source.seconds:,.0f} seconds",
        *(f"- {method}: rows of an earlier run, by code {code}" for method, code in sorted(source.reused.items())),
        "",
    ]
    return "\n".join(lines)


def protocol_sheets(findings: Findings) -> tuple[Sheet, ...]:
    """All tables of a run of the protocol, the goals first."""
    sheets = [goals_sheet(findings.goals())]
    sheets += [report_sheet(report) for report in findings.reports.values()]
    sheets += [retention_sheet(findings.retention)] if findings.retention else []
    sheets += [perplexity_sheet(findings.perplexity)] if findings.perplexity else []
    sheets += [stream_sheet(mean_stream(findings.streams))] if findings.streams else []
    sheets += [lengths_sheet(findings.lengths)] if findings.lengths else []
    return tuple(sheets)


def protocol_markdown(findings: Findings) -> str:
    """A run of the protocol as Markdown."""
    provenance = [_provenance(report) for report in list(findings.reports.values())[:1]]
    return "\n".join(["# Protocol", "", *(markdown_table(sheet) for sheet in protocol_sheets(findings)), *provenance])
