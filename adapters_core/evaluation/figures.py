"""The charts of a report, as SVG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters_core.evaluation.charts import (
    Bar,
    Cell,
    CostLine,
    Point,
    Spec,
    bar_chart,
    break_even_chart,
    heat_map,
    line_chart,
    method_label,
    write_svg,
)
from adapters_core.evaluation.cost import Cost
from adapters_core.evaluation.intervals import Interval
from adapters_core.evaluation.lengths import LengthPoint
from adapters_core.evaluation.perplexity import Perplexity
from adapters_core.evaluation.protocol import Findings, mean_stream
from adapters_core.evaluation.report import UNDEFINED, Recovery, Report
from adapters_core.evaluation.retention import Retention
from adapters_core.evaluation.stream import Stream


def figures(
    report: Report,
    folder: Path,
    *,
    retention: Retention | None = None,
    cost: Cost | None = None,
    perplexity: Perplexity | None = None,
    stream: Stream | None = None,
) -> tuple[Path, ...]:
    """Write every chart that there are figures for; the paths written, in order.

    Raises:
        StorageError: a file could not be written.
    """
    specs: dict[str, Spec | None] = {"nll": nll_chart(report), "recovery": recovery_chart(report)}
    specs["norms"] = norms_chart(report)
    if retention:
        specs["retention"] = retention_chart(retention)
    if perplexity:
        specs["perplexity"] = perplexity_chart(perplexity)
    if cost:
        specs |= {f"break-even-{unit}": cost_chart(cost, unit) for unit in ("seconds", "flops")}
    if stream:
        specs["stream"] = stream_chart(stream)
    return _write_all(specs, folder)


def _write_all(specs: Mapping[str, Spec | None], folder: Path) -> tuple[Path, ...]:
    written = []
    for name, spec in specs.items():
        if spec is not None:
            written.append(folder / f"{name}.svg")
            write_svg(spec, written[-1])
    return tuple(written)


def nll_chart(report: Report) -> Spec:
    """Gold-answer NLL of every method."""
    return bar_chart(
        [_bar(summary.method, summary.nll) for summary in report.methods],
        title="What methods make of a context",
        metric="gold-answer NLL, nats per token (lower is better)",
        note=_note(report),
    )


def recovery_chart(report: Report) -> Spec | None:
    """Recovery of every method, and the adapter's specific recovery; None where none is defined."""
    shown: list[tuple[str, Recovery]] = []
    for summary in report.methods:
        shown += [(summary.method, summary.recovery)] if summary.recovery is not None else []
        if summary.specific_recovery is not None:
            shown.append((f"{method_label(summary.method)}, specific", summary.specific_recovery))
    bars = [_bar(name, interval) for name, interval in shown if isinstance(interval, Interval)]
    if not bars:
        return None
    undefined = [method_label(name) for name, interval in shown if interval == UNDEFINED]
    note = _note(report) + (f"; undefined: {', '.join(undefined)}" if undefined else "")
    title = "Share of the prompt's gain that is recovered"
    return bar_chart(bars, title=title, metric="recovery (1: as good as the context in the prompt)", note=note)


def norms_chart(report: Report) -> Spec | None:
    """Where in the model adapters act; None without an adapter."""
    cells = [Cell(layer=_layer(path), site=path.rsplit(".", 1)[-1], value=norm) for path, norm in report.norms.items()]
    if not cells:
        return None
    note = f"mean over {report.provenance.documents} documents"
    return heat_map(cells, title="Where adapters act", quantity="Frobenius norm of the delta", note=note)


def retention_chart(retention: Retention) -> Spec:
    """KL from the base on neutral text."""
    return bar_chart(
        [_bar(summary.method, summary.kl) for summary in retention.summaries],
        title="What adapting breaks",
        metric="KL from the base on neutral text, nats per token (lower is better)",
        note=f"{retention.neutral_tokens} tokens that no document is about",
    )


def perplexity_chart(perplexity: Perplexity) -> Spec:
    """NLL of completions."""
    return bar_chart(
        [_bar(s.method, s.nll) for s in perplexity.summaries if s.task == "completion"],
        title="What follows a context",
        metric="NLL of the completion, nats per token (lower is better)",
        note=f"{perplexity.target_tokens} tokens after contexts of at most {perplexity.context_tokens}",
    )


def cost_chart(cost: Cost, unit: str) -> Spec:
    """Total cost over the number of queries, in ``seconds`` or ``flops``."""
    lines = [
        CostLine(method=row.method, once=getattr(row, f"adapt_{unit}"), per_query=getattr(row, f"query_{unit}"))
        for row in cost.rows
        if row.method != "none"
    ]
    return break_even_chart(
        lines,
        title="From how many queries on an adapter is cheaper than a prompt",
        unit={"flops": "FLOP"}.get(unit, unit),
        note=f"contexts of {cost.context_tokens:,.0f} tokens on average",
    )


def stream_chart(stream: Stream) -> Spec:
    """Recall over the chunks that came after a fact, beside the base and the erased stream."""
    places = [point.chunks_after + 1 for point in stream.points]
    points = [Point(series="adapter", x=point.chunks_after + 1, y=point.nll) for point in stream.points]
    points += [Point(series="none", x=x, y=stream.base_nll) for x in (places[0], places[-1])]
    points += [Point(series="fact erased", x=x, y=stream.erased_nll) for x in (places[0], places[-1])]
    return line_chart(
        points,
        title="Recall along a stream",
        x_title="chunks in the stream, the fact first",
        y_title="gold-answer NLL, nats per token",
        log_x=True,
        note=f"{stream.questions} questions on {stream.document}",
    )


def lengths_chart(points: Sequence[LengthPoint]) -> Spec:
    """Gold-answer NLL of every method over the length of the context."""
    lines = [
        Point(series=name, x=point.tokens, y=value.value, low=value.low, high=value.high)
        for point in points
        for name, value in (
            ("none", point.none),
            ("prompt", point.prompt),
            ("adapter", point.adapter),
            ("wrong", point.wrong),
        )
        if value is not None
    ]
    return line_chart(
        lines,
        title="Recall against the length of the context",
        x_title="tokens of context",
        y_title="gold-answer NLL, nats per token",
        log_x=True,
        note=f"{points[0].questions} questions at each length; bands: 95% intervals",
    )


def protocol_figures(findings: Findings, folder: Path) -> tuple[Path, ...]:
    """Write every chart of a run of the protocol; the paths written.

    Raises:
        StorageError: a file could not be written.
    """
    specs: dict[str, Spec | None] = {f"nll-{name}": nll_chart(report) for name, report in findings.reports.items()}
    specs |= {f"recovery-{name}": recovery_chart(report) for name, report in findings.reports.items()}
    if findings.reports:
        specs["norms"] = norms_chart(next(iter(findings.reports.values())))
    if findings.retention:
        specs["retention"] = retention_chart(findings.retention)
    if findings.perplexity:
        specs["perplexity"] = perplexity_chart(findings.perplexity)
    if findings.streams:
        specs["stream"] = stream_chart(mean_stream(findings.streams))
    if findings.lengths:
        specs["lengths"] = lengths_chart(findings.lengths)
    return _write_all(specs, folder)


def _bar(method: str, interval: Interval) -> Bar:
    return Bar(method=method, value=interval.value, low=interval.low, high=interval.high)


def _note(report: Report) -> str:
    source = report.provenance
    return (
        f"{source.suite}: {source.questions} questions on {source.documents} documents; "
        f"{report.methods[0].nll.level:.0%} intervals"
    )


def _layer(path: str) -> int:
    """The decoder layer in a module path."""
    parts: Sequence[str] = path.split(".")
    return int(next(part for part in parts if part.isdigit()))
