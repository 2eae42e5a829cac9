"""Tables and charts show what was measured, say what is undefined, and never leave the control out."""

import io
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from adapters_core.data.documents import Document
from adapters_core.evaluation.cells import bytes_text, interval_text, seconds_text, share_text
from adapters_core.evaluation.cost import Cost, measure_cost
from adapters_core.evaluation.figures import figures, recovery_chart
from adapters_core.evaluation.intervals import Interval
from adapters_core.evaluation.perplexity import Perplexity, measure_perplexity
from adapters_core.evaluation.report import UNDEFINED, MethodSummary, Recovery, Report
from adapters_core.evaluation.retention import Retention, measure_retention
from adapters_core.evaluation.runner import choose_methods, evaluate
from adapters_core.evaluation.sheets import Sheet, cost_sheet, perplexity_sheet, report_sheet, retention_sheet
from adapters_core.evaluation.stream import Stream, measure_stream
from adapters_core.evaluation.table import (
    cost_table,
    markdown,
    markdown_table,
    perplexity_table,
    report_table,
    retention_table,
    stream_table,
    terminal_table,
)
from tests.tiny_suite import tiny_core, tiny_suite

CORE = tiny_core()
SUITE = tiny_suite()


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(CORE, SUITE, answers=True)


@pytest.fixture(scope="module")
def retention() -> Retention:
    methods = [m for m in choose_methods(CORE, SUITE, ["adapter"]) if m.name in ("adapter", "wrong")]
    questions = SUITE.documents[0].questions
    return measure_retention(
        CORE.base, methods, SUITE.documents[:2], neutral="Bread is old.", questions=questions, answers=True
    )


@pytest.fixture(scope="module")
def cost() -> Cost:
    return measure_cost(CORE, SUITE.documents[:1], repeats=1)


@pytest.fixture(scope="module")
def perplexity() -> Perplexity:
    return measure_perplexity(CORE, [Document(name=d.name, text=d.text) for d in SUITE.documents])


@pytest.fixture(scope="module")
def stream() -> Stream:
    further = [Document(name=f"n{i}", text=f"Note {i}.") for i in range(3)]
    return measure_stream(CORE, SUITE.documents[0], further, checkpoints=(0, 3))


def undefined(report: Report) -> Report:
    def without(summary: MethodSummary) -> MethodSummary:
        specific: Recovery = UNDEFINED if summary.specific_recovery is not None else None
        return replace(summary, recovery=UNDEFINED, specific_recovery=specific)

    return replace(report, methods=tuple(without(s) if s.recovery is not None else s for s in report.methods))


def half_defined(report: Report) -> Report:
    """The same with a recovery that is defined, and an undefined specific one."""
    adapter = replace(report.summary("adapter"), recovery=report.summary("adapter").nll, specific_recovery=UNDEFINED)
    return replace(report, methods=tuple(adapter if s.method == "adapter" else s for s in report.methods))


def printed(table: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=250, no_color=True).print(table)
    return stream.getvalue()


def column(sheet: Sheet, name: str) -> list[str]:
    return [row[sheet.columns.index(name)] for row in sheet.rows]


def test_the_control_stands_right_below_the_adapter(report: Report) -> None:
    names = column(report_sheet(report), "method")

    assert names.index("adapter of a wrong document") == names.index("generated adapter") + 1
    assert any("adapter minus adapter of a wrong document" in note for note in report_sheet(report).notes)


def test_a_recovery_without_a_denominator_is_called_undefined(report: Report) -> None:
    sheet = report_sheet(undefined(report))

    assert column(sheet, "recovery") == ["—", "—", "undefined", "undefined"]
    assert column(sheet, "specific recovery") == ["—", "—", "undefined", "—"]
    assert "undefined (generated adapter, adapter of a wrong document)" in sheet.notes[-1]
    assert recovery_chart(undefined(report)) is None


def test_columns_of_answers_are_there_only_where_answers_are(report: Report) -> None:
    silent = evaluate(CORE, SUITE, ["none"], limit=2)

    assert {"contains", "F1", "remembered instead"} <= set(report_sheet(report).columns)
    assert not {"contains", "F1", "remembered instead"} & set(report_sheet(silent).columns)


def test_every_sheet_fits_its_columns(report: Report, retention: Retention, cost: Cost, perplexity: Perplexity) -> None:
    sheets = (report_sheet(report), retention_sheet(retention), cost_sheet(cost), perplexity_sheet(perplexity))
    for sheet in sheets:
        assert all(len(row) == len(sheet.columns) for row in sheet.rows)


def test_the_terminal_shows_every_cell(
    report: Report, retention: Retention, cost: Cost, perplexity: Perplexity, stream: Stream
) -> None:
    assert interval_text(report.summary("adapter").nll) in printed(report_table(report))
    assert interval_text(retention.summary("wrong").kl) in printed(retention_table(retention))
    assert "cached prompt" in printed(cost_table(cost))
    assert "reconstruction" in printed(perplexity_table(perplexity))
    assert "byte for byte" in printed(stream_table(stream))


def test_brackets_in_a_table_are_no_markup() -> None:
    sheet = Sheet(title="suite [a]", columns=("[b]", "[/c]"), rows=(("[d]", "[/e] [68, 76]"),), notes=("[/f]",))
    shown = printed(terminal_table(sheet))
    for text in (sheet.title, *sheet.columns, *sheet.rows[0], *sheet.notes):
        assert text in shown


def test_markdown_holds_every_sheet_and_what_the_numbers_depend_on(
    report: Report, retention: Retention, cost: Cost, perplexity: Perplexity
) -> None:
    text = markdown(report, retention, cost, perplexity)

    for heading in (
        "tiny: 8 questions on 4 documents",
        "what adapting breaks",
        "perplexity",
        "cost",
        "What the numbers",
    ):
        assert f"## {heading}" in text
    assert report.provenance.generator in text
    assert interval_text(report.summary("adapter").nll) in text


def test_bars_in_cells_do_not_break_a_markdown_table() -> None:
    sheet = Sheet(title="t", columns=("a", "b"), rows=(("x|y", "1"),))

    assert r"| x\|y | 1 |" in markdown_table(sheet)


def test_every_chart_is_written_as_svg(report: Report, retention: Retention, cost: Cost, tmp_path: Path) -> None:
    written = figures(half_defined(report), tmp_path, retention=retention, cost=cost)

    assert [path.stem for path in written] == [
        *("nll", "recovery", "norms", "retention"),
        *("break-even-seconds", "break-even-flops"),
    ]
    assert all(ET.parse(path).getroot().tag.endswith("svg") for path in written)  # noqa: S314  # our own file
    assert "undefined: generated adapter, specific" in (tmp_path / "recovery.svg").read_text()


def test_perplexity_and_a_stream_have_charts_too(
    report: Report, perplexity: Perplexity, stream: Stream, tmp_path: Path
) -> None:
    written = figures(report, tmp_path, perplexity=perplexity, stream=stream)

    assert {path.stem for path in written} >= {"perplexity", "stream"}


def test_charts_without_figures_are_not_written(tmp_path: Path) -> None:
    found = evaluate(CORE, SUITE, ["none"], limit=2)

    assert [path.name for path in figures(found, tmp_path)] == ["nll.svg"]
    assert [path.name for path in tmp_path.iterdir()] == ["nll.svg"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (seconds_text(0.0), "—"),
        (seconds_text(0.0421), "42 ms"),
        (seconds_text(12.34), "12.3 s"),
        (bytes_text(0), "—"),
        (bytes_text(512), "512 B"),
        (bytes_text(17_694_720), "17.7 MB"),
        (bytes_text(2e9), "2.0 GB"),
        (share_text(None), "—"),
        (share_text(UNDEFINED), "undefined"),
        (interval_text(None), "—"),
    ],
)
def test_figures_read_as_they_should(text: str, expected: str) -> None:
    assert text == expected


def test_bounds_that_are_not_known_are_not_shown() -> None:
    single = Interval(value=0.5, low=None, high=None, level=0.95, count=3, clusters=1)

    assert share_text(single) == "50%"
    assert interval_text(single, signed=True) == "+0.500"
    assert share_text(replace(single, low=0.25, high=0.75)) == "50% [25%, 75%]"
