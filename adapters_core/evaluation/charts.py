"""Charts of an evaluation as Vega-Lite specifications: plain data in, plain data out, no browser and no network.

What is not known is left out or said to be so, never drawn as zero.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from adapters_core.errors import InputError
from adapters_core.evaluation.break_even import CostLine, break_even_chart, crossing_point
from adapters_core.evaluation.chart_files import write_png, write_svg
from adapters_core.evaluation.chart_style import (
    INK,
    Spec,
    assemble,
    check_values,
    colour_by,
    method_label,
    number_axis,
    short_number,
)

__all__ = [
    "Bar",
    "Cell",
    "CostLine",
    "Point",
    "Spec",
    "bar_chart",
    "break_even_chart",
    "crossing_point",
    "heat_map",
    "line_chart",
    "method_label",
    "write_png",
    "write_svg",
]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One method's figure."""

    method: str
    value: float | None
    """None: not measured."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a line."""

    series: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One field of a heat map."""

    layer: int
    site: str
    value: float


def bar_chart(bars: Sequence[Bar], *, title: str, metric: str, note: str = "") -> Spec:
    """Methods against one metric, with error bars where an interval is known.

    Args:
        bars: from top to bottom; methods are distinct.
        title: what the chart shows.
        metric: name and unit of the axis.
        note: a line below the title, such as the number of questions and the level of the intervals.

    Raises:
        InputError: no bars, a method twice, or a value that is not finite.
    """
    check_values([bar.method for bar in bars], [x for bar in bars for x in (bar.value, bar.low, bar.high)])
    rows = [
        {
            "method": method_label(bar.method),
            "value": bar.value,
            "low": bar.low,
            "high": bar.high,
            "edge": max(0.0, *(x for x in (bar.value, bar.high) if x is not None)) if bar.value is not None else 0.0,
            "label": "not measured" if bar.value is None else short_number(bar.value),
        }
        for bar in bars
    ]
    order = [row["method"] for row in rows]
    y = {
        "field": "method",
        "type": "nominal",
        "sort": order,
        "title": None,
        "axis": {"labelLimit": 260, "ticks": False, "labelPadding": 6},
    }
    x_axis = {"title": metric, "grid": True, "tickCount": 6}
    bar_layer = {
        "transform": [{"filter": "isValid(datum.value)"}],
        "mark": {"type": "bar", "height": {"band": 0.62}, "cornerRadiusEnd": 2},
        "encoding": {
            "x": {"field": "value", "type": "quantitative", "axis": x_axis},
            "color": colour_by([bar.method for bar in bars], field="method", legend=False),
        },
    }
    interval = {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "errorbar", "ticks": {"size": 9, "color": INK}, "rule": {"strokeWidth": 1.5, "color": INK}},
        "encoding": {"x": {"field": "low", "type": "quantitative", "title": metric}, "x2": {"field": "high"}},
    }
    label = {
        "mark": {"type": "text", "align": "left", "dx": 8, "color": INK, "fontSize": 12},
        "encoding": {"x": {"field": "edge", "type": "quantitative"}, "text": {"field": "label"}},
    }
    zero = {"mark": {"type": "rule", "color": "#888888"}, "encoding": {"x": {"datum": 0}}}
    parts: list[Spec] = [bar_layer, interval, label]
    layers = [*({**part, "encoding": {"y": y, **part["encoding"]}} for part in parts), zero]
    return assemble(title, note, rows, {"layer": layers, "width": 460, "height": {"step": 34}})


def line_chart(
    points: Sequence[Point],
    *,
    title: str,
    x_title: str,
    y_title: str,
    note: str = "",
    log_x: bool = False,
    log_y: bool = False,
) -> Spec:
    """Lines over a number: a loss curve, recovery over length. Intervals are drawn as bands.

    Raises:
        InputError: no points, a value that is not finite, or one that is not positive on a logarithmic axis.
    """
    check_values([], [x for point in points for x in (point.x, point.y, point.low, point.high)])
    for name, log, values in (
        ("x", log_x, [p.x for p in points]),
        ("y", log_y, [value for p in points for value in (p.y, p.low, p.high) if value is not None]),
    ):
        if log and min(values) <= 0:
            raise InputError(f"a logarithmic {name} axis needs values above 0, got {min(values)}")
    series = list(dict.fromkeys(point.series for point in points))
    rows = [{"series": method_label(p.series), "x": p.x, "y": p.y, "low": p.low, "high": p.high} for p in points]
    x = {"field": "x", **number_axis([p.x for p in points], title=x_title, log=log_x)}
    bounds = [value for p in points for value in (p.y, p.low, p.high) if value is not None]
    y = {"field": "y", **number_axis(bounds, title=y_title, log=log_y)}
    colour = colour_by(series, field="series", legend=len(series) > 1)
    band = {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "area", "opacity": 0.18},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
    }
    few = len(points) <= 40 * len(series)
    line = {
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 36, "filled": True} if few else False},
        "encoding": {"x": x, "y": y, "color": colour},
    }
    return assemble(title, note, rows, {"layer": [band, line], "width": 520, "height": 300})


def heat_map(cells: Sequence[Cell], *, title: str, quantity: str, note: str = "") -> Spec:
    """Layers across, sites down, a quantity as colour: where in the model an adapter acts.

    Raises:
        InputError: no cells, a place twice, or a value that is not finite.
    """
    check_values([f"layer {cell.layer}, {cell.site}" for cell in cells], [cell.value for cell in cells])
    rows = [{"layer": cell.layer, "site": cell.site, "value": cell.value} for cell in cells]
    layers = sorted({cell.layer for cell in cells})
    sites = list(dict.fromkeys(cell.site for cell in cells))
    shown = [layer for place, layer in enumerate(layers) if place % math.ceil(len(layers) / 16) == 0]
    encoding = {
        "x": {
            "field": "layer",
            "type": "ordinal",
            "title": "decoder layer",
            "axis": {"values": shown, "labelAngle": 0, "ticks": False, "domain": False},
        },
        "y": {
            "field": "site",
            "type": "nominal",
            "sort": sites,
            "title": None,
            "axis": {"ticks": False, "domain": False, "labelPadding": 6},
        },
        "color": {
            "field": "value",
            "type": "quantitative",
            "title": quantity,
            "scale": {"scheme": "viridis", "zero": True},
            "legend": {"orient": "bottom", "gradientLength": 260, "direction": "horizontal", "titleLimit": 400},
        },
    }
    mark = {"type": "rect", "stroke": "white", "strokeWidth": 1}
    size = {"width": {"step": max(14, min(34, 560 // len(layers)))}, "height": {"step": 34}}
    return assemble(title, note, rows, {"mark": mark, "encoding": encoding, **size})
