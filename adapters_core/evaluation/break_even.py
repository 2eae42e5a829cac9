"""A chart of total cost over the number of queries: where an adapter becomes cheaper than a prompt."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from adapters_core.errors import InputError
from adapters_core.evaluation.chart_style import INK, Spec, assemble, check_values, colour_by, method_label, number_axis


@dataclass(frozen=True, kw_only=True)
class CostLine:
    """What a method costs: once, and for each query."""

    method: str
    once: float
    per_query: float


def break_even_chart(
    lines: Sequence[CostLine],
    *,
    title: str,
    unit: str,
    against: str = "prompt",
    most_queries: int = 1_000,
    note: str = "",
) -> Spec:
    """Total cost over the number of queries, with a mark where a method becomes cheaper than the one it is set against.

    Args:
        lines: methods are distinct; ``against`` is one of them.
        title: what the chart shows.
        unit: of the cost, such as seconds.
        against: the method whose line the others are to cross.
        most_queries: right end of the axis.
        note: a line below the title.

    Raises:
        InputError: a method twice or ``against`` missing, a cost that is not finite, below 0 once or not above 0
            per query, or ``most_queries`` below 2.
    """
    check_values([line.method for line in lines], [x for line in lines for x in (line.once, line.per_query)])
    reference = next((line for line in lines if line.method == against), None)
    drawable = all(line.once >= 0 and line.per_query > 0 for line in lines)
    if reference is None or most_queries < 2 or not drawable:  # noqa: PLR2004  # a line has two ends
        raise InputError(
            f"a break-even chart needs the method {against!r}, costs from 0 once and above 0 per query, "
            "and at least 2 queries"
        )
    counts = sorted({max(1, round(most_queries ** (place / 60))) for place in range(61)})
    rows: list[Spec] = [
        {"method": method_label(line.method), "queries": count, "cost": line.once + count * line.per_query}
        for line in lines
        for count in counts
    ]
    crossed: set[int] = set()
    for line in lines:
        crossing = crossing_point(line, reference)
        if line is not reference and crossing is not None and crossing <= most_queries:
            label = "" if crossing in crossed else f"{crossing:,} {'query' if crossing == 1 else 'queries'}"
            crossed.add(crossing)
            cost = line.once + crossing * line.per_query
            rows.append({"method": method_label(line.method), "crossing": crossing, "cost": cost, "label": label})
    colour = colour_by([line.method for line in lines], field="method", legend=True)
    costs = [row["cost"] for row in rows]
    # Room below the lowest line for the label of a crossing there.
    y = {"field": "cost", **number_axis([0.4 * min(costs), *costs], title=f"total cost ({unit})", log=True)}
    x = number_axis(counts, title="number of queries on one context", log=True)
    curves = {
        "transform": [{"filter": "isValid(datum.queries)"}],
        "mark": {"type": "line", "strokeWidth": 2.5},
        "encoding": {"x": {**x, "field": "queries"}, "y": y, "color": colour},
    }
    crossings = {"x": {**x, "field": "crossing"}, "y": y}
    only = [{"filter": "isValid(datum.crossing)"}]
    dots = {
        "transform": only,
        "mark": {"type": "point", "size": 90, "filled": True, "opacity": 1, "stroke": "white", "strokeWidth": 1.5},
        "encoding": {**crossings, "color": colour},
    }
    labels = {
        "transform": only,
        "mark": {"type": "text", "align": "left", "baseline": "top", "dx": 8, "dy": 8, "color": INK, "fontSize": 12},
        "encoding": {**crossings, "text": {"field": "label"}},
    }
    return assemble(title, note, rows, {"layer": [curves, dots, labels], "width": 520, "height": 300})


def crossing_point(line: CostLine, reference: CostLine) -> int | None:
    """The smallest number of queries, at least 1, from which on a method costs less; None: there is none."""
    saved = reference.per_query - line.per_query
    if saved <= 0:
        return None
    return max(1, math.floor((line.once - reference.once) / saved) + 1)
