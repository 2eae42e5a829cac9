"""A comparison as files: CSV, Excel, and charts as SVG."""

import csv
import io
import re
from collections.abc import Callable, Mapping

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font

from adapters_core.evaluation.chart_files import svg_of
from adapters_core.evaluation.chart_style import Spec
from governance.installation import installation
from governance.selectors.candidates import parse_keys
from governance.selectors.comparison_charts import break_even_chart, norms_chart, scores_chart
from governance.selectors.comparison_sheets import Sheet, sheet
from governance.selectors.comparison_tables import PARTS, Table, Value
from governance.views.reading import reading

CHARTS: Mapping[str, Callable[[Sheet], Spec]] = {
    "scores": scores_chart,
    "norms": norms_chart,
    "break-even": break_even_chart,
}
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_WIDEST, _MARGIN = 60, 2


@require_safe
def csv_file(request: HttpRequest, keys: str) -> HttpResponse:
    """All tables one below the other, or one of them with ``?part=``; with a mark that lets Excel read Japanese."""
    found, part = _sheet(request, keys), request.GET.get("part", "")
    if part and part not in PARTS:
        raise Http404(part)
    text = io.StringIO()
    writer = csv.writer(text)
    for table in [PARTS[part](found)] if part else [make(found) for make in PARTS.values()]:
        if not part:
            writer.writerow([table.name])
        writer.writerow(table.header)
        writer.writerows([_plain(value) for value in row] for row in table.rows)
        if not part:
            writer.writerow([])
    return _file(text.getvalue().encode("utf-8-sig"), "text/csv; charset=utf-8", "csv")


@require_safe
def workbook(request: HttpRequest, keys: str) -> HttpResponse:
    """A sheet for each table."""
    found = _sheet(request, keys)
    book = Workbook(write_only=True)
    for make in PARTS.values():
        _write(book, make(found))
    data = io.BytesIO()
    book.save(data)
    return _file(data.getvalue(), _EXCEL, "xlsx")


@require_safe
def drawing(request: HttpRequest, keys: str, chart: str) -> HttpResponse:
    """A chart."""
    if chart not in CHARTS:
        raise Http404(chart)
    return HttpResponse(svg_of(CHARTS[chart](_sheet(request, keys))), content_type="image/svg+xml")


def _sheet(request: HttpRequest, keys: str) -> Sheet:
    with reading(request) as sight:
        return sheet(sight.reader, installation().master_key, parse_keys(keys))


def _write(book: Workbook, table: Table) -> None:
    tab = book.create_sheet(table.name)
    tab.freeze_panes = "A2"
    for place, _header in enumerate(table.header):
        lengths = [len(str(row[place])) for row in (table.header, *table.rows) if row[place] is not None]
        tab.column_dimensions[chr(ord("A") + place)].width = min(_WIDEST, max(lengths, default=0) * 1.4 + _MARGIN)
    tab.append([_cell(tab, name, bold=True) for name in table.header])
    for row in table.rows:
        tab.append([_cell(tab, value) for value in row])


def _cell(tab: object, value: Value, *, bold: bool = False) -> WriteOnlyCell:
    text = isinstance(value, str)
    cell = WriteOnlyCell(tab, value=_CONTROLS.sub("", value) if isinstance(value, str) else value)
    if text:
        cell.data_type = "s"  # whatever it begins with, it is no formula
    cell.font = Font(bold=bold)
    cell.alignment = Alignment(wrap_text=text, vertical="top")
    return cell


def _plain(value: Value) -> Value:
    """A text that begins like a formula is marked as text, so that no spreadsheet runs it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _file(data: bytes, kind: str, ending: str) -> HttpResponse:
    name = f'attachment; filename="ringi-comparison.{ending}"'
    return HttpResponse(data, content_type=kind, headers={"Content-Disposition": name})
