"""What all charts share: colours, words for screen readers, fonts, axes.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; a method has the same colour in every
chart.
"""

import math
from collections.abc import Sequence
from typing import Any

from adapters_core.errors import InputError

Spec = dict[str, Any]
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A6D00")
_METHODS = {
    "none": ("no context", "#999999"),
    "prompt": ("context in the prompt", "#0072B2"),
    "cached": ("cached prompt", "#56B4E9"),
    "lora": ("LoRA fine-tuning", "#009E73"),
    "full": ("full fine-tuning", "#CC79A7"),
    "adapter": ("generated adapter", "#D55E00"),
    "wrong": ("adapter of a wrong document", "#E69F00"),
}
INK, FAINT = "#333333", "#E4E4E4"
_FEW = 6


def method_label(method: str) -> str:
    """What a reader calls a method."""
    return _METHODS.get(method, (method, ""))[0]


def assemble(title: str, note: str, rows: Sequence[Spec], body: Spec) -> Spec:
    """The parts that all charts share: inline data, words for screen readers, and looks."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": f"{title}. {note}".strip(),
        "title": {"text": title, "subtitle": note, "anchor": "start", "frame": "group", "offset": 14},
        "data": {"values": list(rows)},
        "background": "white",
        "padding": 14,
        "config": {
            "view": {"stroke": None},
            "title": {"fontSize": 16, "subtitleFontSize": 12, "subtitleColor": "#666666", "subtitlePadding": 5},
            "axis": {
                "labelFontSize": 12,
                "titleFontSize": 12,
                "titleFontWeight": "normal",
                "titlePadding": 10,
                "gridColor": FAINT,
                "domainColor": "#888888",
                "tickColor": "#888888",
            },
            "axisX": {"labelFlush": False},
            "axisY": {"domain": False},
            "legend": {
                "symbolOpacity": 1,
                "labelFontSize": 12,
                "titleFontSize": 12,
                "titleFontWeight": "normal",
                "labelLimit": 260,
            },
        },
        **body,
    }


def colour_by(methods: Sequence[str], *, field: str, legend: bool) -> Spec:
    """A colour for each method: its own, or one of the palette that no other has."""
    own = {method: _METHODS[method][1] for method in methods if method in _METHODS}
    free = [colour for colour in _PALETTE if colour not in own.values()]
    others = [method for method in methods if method not in own]
    own |= {method: free[place % len(free)] for place, method in enumerate(others)}
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": [method_label(method) for method in methods], "range": [own[method] for method in methods]},
        "legend": {"orient": "top", "title": None, "symbolType": "stroke", "symbolStrokeWidth": 3} if legend else None,
    }


def number_axis(values: Sequence[float], *, title: str, log: bool) -> Spec:
    """Type, scale and axis of an encoding of numbers. Few ticks on a logarithmic axis: a grid must not shout."""
    encoding: Spec = {"type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": {"title": title}}
    if log:
        encoding["scale"] = {"type": "log", "nice": False, "domain": [min(values), max(values)]}
        encoding["axis"]["values"] = _log_ticks(values)
    return encoding


def _log_ticks(values: Sequence[float]) -> list[float]:
    """The values themselves where they are few, else powers of ten, with 2 and 5 between where these are few."""
    if len(set(values)) <= _FEW:
        return sorted(set(values))
    low, high = min(values), max(values)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if len(exponents) > 4 else (1, 2, 5)  # noqa: PLR2004  # three decades or more
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def short_number(value: float) -> str:
    """Three digits that mean something: 0.310, 5.74, 12,300, 1.2e-05."""
    if abs(value) >= 1e3:  # noqa: PLR2004
        return f"{value:,.0f}"
    if value == 0 or abs(value) >= 1e-3:  # noqa: PLR2004
        return f"{value:#.3g}".removesuffix(".")
    return f"{value:.1e}"


def check_values(names: Sequence[str], values: Sequence[float | None]) -> None:
    """Refuse what cannot be drawn.

    Raises:
        InputError: no values, a name twice, or a value that is not finite.
    """
    if not values:
        raise InputError("a chart must have at least one value, got none")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"a chart must show each method or place once, got {repeated} more than once")
    if wrong := [value for value in values if value is not None and not math.isfinite(value)]:
        raise InputError(f"a chart needs finite values, got {wrong[:3]}: leave out what is not known")
