"""The norms of an adapter as a drawing: SVG made by vl-convert, without a browser and without a network."""

from typing import Any

import vl_convert
from django.utils.translation import gettext as _

from adapters_core.errors import InputError
from governance.selectors.adapter_norms import NormReport

VEGA_LITE = "6.4"
_THIS, _OUT, _BAND, _MIDDLE = "#0017C1", "#CE0000", "#C5D7FB", "#4979F5"
_INK, _FAINT = "#333333", "#E6E6E6"
_FONT = "'Noto Sans JP', 'Noto Sans CJK JP', sans-serif"
_WIDTH, _HEIGHT, _FEW = 640, 200, 120


def norm_svg(report: NormReport) -> bytes:
    """The chart, in the language that is active.

    Raises:
        InputError: it could not be drawn.
    """
    try:
        svg = vl_convert.vegalite_to_svg(_specification(report), vl_version=VEGA_LITE, allowed_base_urls=[])
    except ValueError as error:
        raise InputError(f"a chart must be a valid specification: {str(error).splitlines()[0]}") from error
    return str(svg).encode()


def _specification(report: NormReport) -> dict[str, Any]:
    rows = [
        {
            "layer": place if site.layer is None else site.layer,
            "part": site.part if site.layer is not None else _("Site"),
            "norm": site.frobenius,
            "low": site.low,
            "high": site.high,
            "median": site.median,
            "out": site.stands_out,
        }
        for place, site in enumerate(report.sites)
    ]
    x = {"field": "layer", "type": "quantitative", "title": _("Layer"), "axis": {"tickMinStep": 1, "format": "d"}}
    band: dict[str, Any] = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "area", "color": _BAND, "opacity": 0.9, "line": False},
        "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
    }
    middle = {
        "transform": [{"filter": "isValid(datum.median)"}],
        "mark": {"type": "line", "color": _MIDDLE, "strokeDash": [4, 3]},
        "encoding": {"x": x, "y": {"field": "median", "type": "quantitative"}},
    }
    this = {
        "mark": {"type": "point", "filled": True, "size": 60},
        "encoding": {
            "x": x,
            "y": {"field": "norm", "type": "quantitative", "title": None},
            "color": {"condition": {"test": "datum.out", "value": _OUT}, "value": _THIS},
            "shape": {"condition": {"test": "datum.out", "value": "diamond"}, "value": "circle"},
        },
    }
    parts = {row["part"] for row in rows}
    layered = {"layer": [band, middle, this], "width": _WIDTH, "height": _HEIGHT if len(parts) == 1 else _FEW}
    header = {
        "field": "part",
        "type": "nominal",
        "title": None,
        "header": {"labelAnchor": "start", "labelFontSize": 12},
    }
    body = {"facet": {"row": header}, "spec": layered} if len(parts) > 1 else layered
    axis = {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelColor": _INK,
        "gridColor": _FAINT,
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": rows},
        "title": {"text": _("Size of the change (Frobenius norm)"), "anchor": "start", "fontSize": 13},
        "background": "white",
        "padding": 10,
        "config": {"font": _FONT, "axis": axis, "view": {"stroke": None}},
        **body,
    }
