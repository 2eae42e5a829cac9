"""Charts of a comparison as Vega-Lite: scores with intervals, norms by layer, and costs over the number of questions.

Beside each chart the page has a table with the same numbers. Colours are those of Okabe and Ito.
"""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from adapters_core.comparison.costs import line
from adapters_core.errors import InputError
from adapters_core.evaluation.break_even import CostLine
from adapters_core.evaluation.chart_style import Spec, assemble
from governance.selectors.comparison_sheets import Column, Sheet
from governance.selectors.comparison_words import METRICS, SUITES

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A6D00", "#56B4E9")
_MOST = 1_000
_POINTS = 60
_WIDTH = 620
_ROW = 26
_PADDING = {"left": 70, "right": 30, "top": 14, "bottom": 14}
"""Browsers draw names wider than they were measured: room for that."""


def scores_chart(sheet: Sheet) -> Spec:
    """A panel for each metric: mean and 95% interval of each candidate.

    Raises:
        InputError: nothing was measured.
    """
    panels = []
    for row in sheet.comparison.rows:
        values = [
            {"name": column.label, "value": score.value, "low": score.low, "high": score.high}
            for column, score in zip(sheet.columns, row.scores, strict=True)
            if score.value is not None
        ]
        title = f"{SUITES[row.suite]}: {METRICS[row.metric]}"
        panels.append(_panel(title, values, sheet.columns))
    if not panels:
        raise InputError(_("Nothing was measured of these candidates, so there is no chart of scores."))
    return assemble(_("Scores with 95% intervals"), "", [], {"vconcat": panels, "padding": _PADDING})


def norms_chart(sheet: Sheet) -> Spec:
    """Where the model is changed, and how much more or less than by the first candidate.

    Raises:
        InputError: no candidate changes the model.
    """
    if not sheet.norms:
        raise InputError(_("None of these candidates changes the model, so there is no chart of changes."))
    own: list[Spec] = []
    apart: list[Spec] = []
    adapters = [column for column in sheet.columns if column.candidate.kind == "adapter"]
    for row in sheet.norms:
        for column, norm, difference in zip(sheet.columns, row.norms, row.differences, strict=True):
            place = {"name": column.label, "layer": row.layer, "site": row.site}
            if norm is not None:
                own.append({**place, "value": norm})
            if difference is not None and column is not sheet.columns[0]:
                apart.append({**place, "value": difference})
    names = [column.label for column in adapters]
    panels = [_heat(_("Size of the change (Frobenius norm)"), own, names, {"scheme": "blues"})]
    if apart:
        widest = max(abs(row["value"]) for row in apart) or 1.0
        scale = {"scheme": "blueorange", "domainMid": 0, "domain": [-widest, widest]}
        others = [name for name in names if name != sheet.columns[0].label]
        panels.append(_heat(_("Difference from %(name)s") % {"name": sheet.columns[0].label}, apart, others, scale))
    body = {"vconcat": panels, "padding": _PADDING, "resolve": {"scale": {"color": "independent"}}}
    return assemble(_("Where the model is changed"), "", [], body)


def break_even_chart(sheet: Sheet) -> Spec:
    """Seconds in all over the number of questions.

    Raises:
        InputError: no time was measured.
    """
    lines = cost_lines(sheet)
    if not lines:
        raise InputError(_("No answer of these candidates was timed, so there is no chart of costs."))
    counts = sorted({max(1, round(_MOST ** (place / _POINTS))) for place in range(_POINTS + 1)})
    rows = [
        {"name": name, "count": count, "seconds": one.once + count * one.per_query}
        for name, one in lines.items()
        for count in counts
    ]
    x = {
        "field": "count",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [1, _MOST]},
        "axis": {"title": _("number of questions"), "values": [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]},
    }
    y = {
        "field": "seconds",
        "type": "quantitative",
        "scale": {"type": "log"},
        "axis": {"title": _("seconds in all"), "tickCount": 5},
    }
    colour = {
        "field": "name",
        "type": "nominal",
        "scale": {"domain": list(lines), "range": list(_COLOURS[: len(lines)])},
        "legend": {"orient": "top", "title": None, "symbolType": "stroke", "columns": 2},
    }
    encoding = {"x": x, "y": y, "color": colour, "strokeDash": {**colour, "scale": {"domain": list(lines)}}}
    body = {"mark": {"type": "line", "strokeWidth": 2.5}, "encoding": encoding, "width": _WIDTH, "height": 260}
    return assemble(_("Time in all over the number of questions"), "", rows, body)


def cost_lines(sheet: Sheet) -> Mapping[str, CostLine]:
    """Of every candidate that was timed, and of each adapter's documents in the prompt, by name."""
    known = {column.label: line(column.label, column.candidate.cost) for column in sheet.columns}
    shown = {column.candidate.cost for column in sheet.columns}
    for column in sheet.columns:
        prompt = sheet.prompts.get(column.candidate.key)
        if prompt and column.lineage and prompt not in shown:
            name = _("(in the prompt: %(documents)s)") % {"documents": " / ".join(column.lineage.contexts)}
            known[name] = line(name, prompt)
            shown.add(prompt)
    return {name: one for name, one in known.items() if one is not None}


def _panel(title: str, values: Sequence[Spec], columns: Sequence[Column]) -> Spec:
    names = [column.label for column in columns]
    y = {"field": "name", "type": "nominal", "sort": names, "axis": {"title": None, "labelLimit": 240}}
    x = {"type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": {"title": None, "tickCount": 6}}
    colour = {
        "field": "name",
        "type": "nominal",
        "scale": {"domain": names, "range": list(_COLOURS[: len(names)])},
        "legend": None,
    }
    span = {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour}
    return {
        "title": {"text": title, "fontSize": 13, "anchor": "start", "frame": "group"},
        "data": {"values": list(values)},
        "width": _WIDTH,
        "height": {"step": _ROW},
        "layer": [
            {"transform": [{"filter": "isValid(datum.low)"}], "mark": {"type": "rule", "size": 3}, "encoding": span},
            {
                "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                "encoding": {"x": {**x, "field": "value"}, "y": y, "color": colour},
            },
        ],
    }


def _heat(title: str, values: Sequence[Spec], names: Sequence[str], scale: Spec) -> Spec:
    sites = sorted({str(row["site"]) for row in values})
    many = len(sites) > 1
    encoding: Spec = {
        "x": {
            "field": "layer",
            "type": "ordinal",
            "axis": {"title": _("layer"), "labelAngle": 0, "labelOverlap": True},
        },
        "y": {"field": "name", "type": "nominal", "sort": list(names), "axis": {"title": None, "labelLimit": 240}},
        "color": {
            "field": "value",
            "type": "quantitative",
            "scale": scale,
            "legend": {"title": None, "gradientLength": 90, "format": ".2~f"},
        },
    }
    if many:
        encoding["row"] = {"field": "site", "type": "nominal", "sort": sites, "header": {"title": None}}
    return {
        "title": {"text": title, "fontSize": 13, "anchor": "start"},
        "data": {"values": list(values)},
        "mark": {"type": "rect", "stroke": "white", "strokeWidth": 1},
        "width": _WIDTH,
        "height": {"step": _ROW},
        "encoding": encoding,
    }
