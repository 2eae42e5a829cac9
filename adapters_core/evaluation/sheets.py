"""What reports show, as text in rows and columns: one content for the terminal and for Markdown.

"undefined" stands where a recovery has no denominator, "—" where nothing was asked for or where it has no meaning.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from adapters_core.evaluation.cells import (
    NOTHING,
    bytes_text,
    difference_text,
    interval_text,
    seconds_text,
    share_text,
)
from adapters_core.evaluation.chart_style import method_label, short_number
from adapters_core.evaluation.cost import Cost, CostRow
from adapters_core.evaluation.lengths import LengthPoint
from adapters_core.evaluation.perplexity import Perplexity
from adapters_core.evaluation.protocol import Goal
from adapters_core.evaluation.report import UNDEFINED, MethodSummary, Report
from adapters_core.evaluation.retention import Retention
from adapters_core.evaluation.stream import Stream


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table of text."""

    title: str
    columns: tuple[str, ...]
    """The first one names the rows."""
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def report_sheet(report: Report) -> Sheet:
    """Methods against their figures, the control right below the adapter."""
    answered = any(summary.f1 is not None for summary in report.methods)
    remembered = any(summary.remembered is not None for summary in report.methods)
    columns = ["method", "gold-answer NLL", "recovery", "specific recovery"]
    columns += ["contains", "F1", "exact match"] if answered else []
    columns += ["remembered instead"] if remembered else []
    columns += ["against no context", "to adapt", "kept"]
    rows = tuple(_method_row(summary, answered=answered, remembered=remembered) for summary in report.methods)
    source = report.provenance
    title = f"{source.suite}: {source.questions} questions on {source.documents} documents"
    return Sheet(title=title, columns=tuple(columns), rows=rows, notes=_report_notes(report))


def retention_sheet(retention: Retention) -> Sheet:
    """What methods change on text and questions that their context has nothing to do with."""
    answered = retention.base_contains is not None
    rows = tuple(
        (
            method_label(s.method),
            interval_text(s.kl),
            f"{short_number(s.perplexity_ratio)} ×",
            interval_text(s.question_nll_change, signed=True),
            *((share_text(s.contains), share_text(s.unchanged)) if answered else ()),
        )
        for s in retention.summaries
    )
    columns = ["method", "KL per neutral token", "perplexity", "unrelated answers' NLL, change"]
    neutral, unrelated = short_number(retention.base_nll), short_number(retention.base_question_nll)
    notes = [
        f"base: neutral text {neutral} nats per token over {retention.neutral_tokens} tokens",
        f"base: answers to {retention.questions} unrelated questions {unrelated} nats per token",
        "change: nats per token more than the base needs; below 0 they are answered better than by it",
    ]
    if retention.base_contains is not None:
        columns += ["unrelated answers right", "answers unchanged"]
        notes.append(f"base: {retention.base_contains:.0%} of unrelated answers right")
    return Sheet(title="what adapting breaks", columns=tuple(columns), rows=rows, notes=tuple(notes))


def cost_sheet(cost: Cost) -> Sheet:
    """What a context costs once and with every question."""
    rows = tuple(
        (
            method_label(row.method),
            seconds_text(row.adapt_seconds),
            f"{row.adapt_flops / 1e9:,.1f}",
            seconds_text(row.query_seconds),
            f"{row.query_flops / 1e9:,.1f}",
            f"{row.query_tokens:,.0f}",
            bytes_text(row.kept_bytes),
            _even_text(row, row.break_even_seconds),
            _even_text(row, row.break_even_flops),
        )
        for row in cost.rows
    )
    columns = (
        "method",
        "to adapt",
        "GFLOP",
        "a query",
        "GFLOP a query",
        "tokens a query",
        "kept",
        "cheaper than a prompt from (time)",
        "(FLOP)",
    )
    note = (
        f"{cost.documents} documents of {cost.context_tokens:,.0f} tokens on average; a query runs to the first token "
        f"of its answer, medians of {cost.repeats}"
    )
    return Sheet(title="cost", columns=columns, rows=rows, notes=(note,))


def perplexity_sheet(perplexity: Perplexity) -> Sheet:
    """Reconstruction and completion of texts."""
    rows = tuple(
        (method_label(s.method), s.task, interval_text(s.nll), short_number(s.perplexity)) for s in perplexity.summaries
    )
    notes = [f"contexts of at most {perplexity.context_tokens} tokens, completions of {perplexity.target_tokens}"]
    if perplexity.left_out:
        notes.append(f"{len(perplexity.left_out)} documents were too short and are left out")
    columns = ("method", "task", "NLL per token", "perplexity")
    return Sheet(title="perplexity", columns=columns, rows=rows, notes=tuple(notes))


def stream_sheet(stream: Stream) -> Sheet:
    """Recall of a fact along a stream."""
    rows = [("bare base", short_number(stream.base_nll), NOTHING, NOTHING)]
    rows += [
        (
            f"{point.chunks_after} chunks after",
            short_number(point.nll),
            NOTHING if point.cosine is None else f"{point.cosine:.3f}",
            short_number(point.norm),
        )
        for point in stream.points
    ]
    rows.append(("erased at the end", short_number(stream.erased_nll), NOTHING, NOTHING))
    rows.append(("never seen", short_number(stream.never_nll), NOTHING, NOTHING))
    exact = "byte for byte" if stream.erased_exactly else "NOT byte for byte"
    note = f"after erasing, the adapter is {exact} that of a stream which never saw the document"
    title = f"recall of {stream.document} along a stream ({stream.questions} questions)"
    return Sheet(title=title, columns=("point", "gold-answer NLL", "cosine", "norm"), rows=tuple(rows), notes=(note,))


def lengths_sheet(points: Sequence[LengthPoint]) -> Sheet:
    """Recovery against the length of the context."""
    rows = tuple(
        (
            f"{point.tokens:,}",
            str(point.questions),
            interval_text(point.none),
            interval_text(point.prompt),
            interval_text(point.adapter),
            interval_text(point.wrong),
            share_text(point.recovery),
            share_text(point.specific_recovery),
        )
        for point in points
    )
    columns = ("tokens", "questions", *(method_label(name) for name in ("none", "prompt", "adapter", "wrong")))
    note = "gold-answer NLL, nats per token; each question on a context of its own that holds the answer"
    columns = (*columns, "recovery", "specific recovery")
    return Sheet(title="recovery against length", columns=columns, rows=rows, notes=(note,))


def goals_sheet(goals: Sequence[Goal]) -> Sheet:
    """What was aimed at and what was measured."""
    rows = tuple(
        (
            goal.name,
            goal.wanted,
            "not measured" if math.isnan(goal.value) else f"{goal.value:.3f}",
            "yes" if goal.met else "no",
        )
        for goal in goals
    )
    return Sheet(title="goals", columns=("figure", "wanted", "measured", "met"), rows=rows, notes=())


def _method_row(summary: MethodSummary, *, answered: bool, remembered: bool) -> tuple[str, ...]:
    cells = [method_label(summary.method), interval_text(summary.nll)]
    cells += [share_text(summary.recovery), share_text(summary.specific_recovery)]
    cells += [share_text(x) for x in (summary.contains, summary.f1, summary.exact_match)] if answered else []
    cells += [share_text(summary.remembered)] if remembered else []
    cells += [difference_text(summary.against.get("none")), seconds_text(summary.adapt_seconds)]
    return (*cells, bytes_text(summary.adapt_bytes))


def _report_notes(report: Report) -> tuple[str, ...]:
    names = [summary.method for summary in report.methods]
    level = report.methods[0].nll.level
    notes = [f"NLL: nats per token of the gold answer; brackets: {level:.0%} intervals, documents resampled"]
    if {"none", "prompt", "adapter", "wrong"} <= set(names):
        notes.append(
            "recovery: the share of what the prompt gains; specific: only what a wrong document does not bring"
        )
    if "adapter" in names and "wrong" in names:
        against = report.summary("adapter").against["wrong"]
        notes.append(f"adapter minus adapter of a wrong document: {interval_text(against.interval, signed=True)} nats")
    if undefined := _undefined(report.methods):
        notes.append(f"undefined ({', '.join(undefined)}): the context in the prompt does not help here")
    return tuple(notes)


def _undefined(summaries: Sequence[MethodSummary]) -> list[str]:
    return [method_label(s.method) for s in summaries if UNDEFINED in (s.recovery, s.specific_recovery)]


def _even_text(row: CostRow, queries: int | None) -> str:
    if row.method not in ("cached", "adapter"):
        return NOTHING
    return "never" if queries is None else f"{queries:,} {'query' if queries == 1 else 'queries'}"
