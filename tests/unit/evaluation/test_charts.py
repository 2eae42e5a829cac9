"""Charts are drawn from plain data, show no number that is not there, and are safe to open."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_core.errors import InputError, StorageError
from adapters_core.evaluation.chart_style import short_number
from adapters_core.evaluation.charts import (
    Bar,
    Cell,
    CostLine,
    Point,
    Spec,
    bar_chart,
    break_even_chart,
    crossing_point,
    heat_map,
    line_chart,
    method_label,
    write_png,
    write_svg,
)

BARS = [
    Bar(method="none", value=5.7, low=5.5, high=5.9),
    Bar(method="adapter", value=4.2, low=4.0, high=4.4),
    Bar(method="full", value=None),
    Bar(method="our own", value=3.9),
]
POINTS = [
    Point(series=name, x=x, y=x / 10, low=x / 20, high=x / 5) for name in ("prompt", "adapter") for x in (1, 10, 100)
]
CELLS = [Cell(layer=layer, site=site, value=layer) for layer in range(40) for site in ("o_proj", "down_proj")]
LINES = [
    CostLine(method="prompt", once=0, per_query=2),
    CostLine(method="adapter", once=2.5, per_query=0.1),
    CostLine(method="lora", once=500, per_query=0.1),
    CostLine(method="full", once=9_000, per_query=0.1),
]
CHARTS: dict[str, Spec] = {
    "bar": bar_chart(BARS, title="Answers", metric="NLL (nats per token)", note="95% intervals"),
    "line": line_chart(POINTS, title="Loss", x_title="step", y_title="loss", log_x=True, log_y=True),
    "heat": heat_map(CELLS, title="Norms", quantity="Frobenius norm"),
    "even": break_even_chart(LINES, title="Break-even", unit="seconds"),
}


def colours(value: Any) -> dict[str, str]:
    """Colours by label, from wherever a specification names them."""
    found: dict[str, str] = {}
    if isinstance(value, dict):
        scale = value.get("scale", {})
        if isinstance(scale, dict) and "range" in scale:
            found |= dict(zip(scale["domain"], scale["range"], strict=True))
        for inner in value.values():
            found |= colours(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= colours(inner)
    return found


def texts(path: Path) -> list[str]:
    return ["".join(element.itertext()) for element in ET.parse(path).iter() if element.tag.endswith("}text")]  # noqa: S314


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_becomes_an_svg_without_script_or_link(tmp_path: Path, name: str) -> None:
    write_svg(CHARTS[name], tmp_path / "chart.svg")

    root = ET.parse(tmp_path / "chart.svg").getroot()  # noqa: S314  # our own file
    tags = {element.tag.rpartition("}")[2].lower() for element in root.iter()}
    attributes = {attribute.lower() for element in root.iter() for attribute in element.attrib}
    assert root.tag.endswith("}svg")
    assert not tags & {"script", "foreignobject", "a", "image", "iframe", "use"}
    assert not any(attribute.startswith("on") or attribute.endswith("href") for attribute in attributes)
    assert CHARTS[name]["title"]["text"] in texts(tmp_path / "chart.svg")
    assert [file.name for file in tmp_path.iterdir()] == ["chart.svg"]


@pytest.mark.parametrize("name", CHARTS)
def test_a_specification_is_plain_data_with_words_for_screen_readers(name: str) -> None:
    spec = CHARTS[name]

    assert json.loads(json.dumps(spec, allow_nan=False)) == spec
    assert spec["description"].startswith(spec["title"]["text"])
    assert set(spec["data"]) == {"values"}


def test_markup_in_a_name_stays_text(tmp_path: Path) -> None:
    name = "<script>alert('x')</script>&"

    write_svg(bar_chart([Bar(method=name, value=1.0)], title=name, metric=name), tmp_path / "c.svg")

    assert "<script" not in (tmp_path / "c.svg").read_text()
    assert name in texts(tmp_path / "c.svg")


def test_a_bar_that_was_not_measured_says_so_and_has_no_length(tmp_path: Path) -> None:
    write_svg(CHARTS["bar"], tmp_path / "c.svg")

    bars = re.findall(r'aria-roledescription="bar"', (tmp_path / "c.svg").read_text())
    assert len(bars) == 3
    assert texts(tmp_path / "c.svg").count("not measured") == 1
    assert {"5.70", "4.20", "3.90", "our own", "no context"} <= set(texts(tmp_path / "c.svg"))


def test_bars_keep_their_order_and_negative_ones_are_drawn(tmp_path: Path) -> None:
    write_svg(
        bar_chart([Bar(method="b", value=-1.0), Bar(method="a", value=2.0)], title="t", metric="m"), tmp_path / "c.svg"
    )

    labels = [text for text in texts(tmp_path / "c.svg") if text in {"a", "b"}]
    assert labels == ["b", "a"]
    assert "-1.00" in texts(tmp_path / "c.svg")


def test_a_method_has_one_colour_in_every_chart_and_shares_it_with_no_other() -> None:
    bars, lines, even = (colours(CHARTS[name]) for name in ("bar", "line", "even"))

    assert bars["generated adapter"] == lines["generated adapter"] == even["generated adapter"]
    for chart in (bars, lines, even):
        assert len(set(chart.values())) == len(chart)


def test_a_method_is_called_by_a_readable_name() -> None:
    assert method_label("wrong") == "adapter of a wrong document"
    assert method_label("something else") == "something else"


@given(
    once=st.integers(0, 1000), first=st.integers(0, 1000), per_query=st.integers(1, 50), reference=st.integers(1, 50)
)
def test_from_the_crossing_on_a_method_is_cheaper_and_before_it_is_not(
    once: int, first: int, per_query: int, reference: int
) -> None:
    line = CostLine(method="adapter", once=once, per_query=per_query)
    other = CostLine(method="prompt", once=first, per_query=reference)

    crossing = crossing_point(line, other)

    def is_cheaper(count: int) -> bool:
        return once + count * per_query < first + count * reference

    if crossing is None:
        assert per_query >= reference
    else:
        assert is_cheaper(crossing)
        assert is_cheaper(crossing + 1)
        assert crossing == 1 or not is_cheaper(crossing - 1)


def test_break_even_is_marked_where_it_lies_on_the_axis(tmp_path: Path) -> None:
    write_svg(CHARTS["even"], tmp_path / "c.svg")

    marks = [text for text in texts(tmp_path / "c.svg") if "quer" in text and text[0].isdigit()]
    assert marks == ["2 queries", "264 queries"]


def test_a_heat_map_names_layers_sites_and_quantity(tmp_path: Path) -> None:
    write_svg(CHARTS["heat"], tmp_path / "c.svg")

    assert {"o_proj", "down_proj", "decoder layer", "Frobenius norm", "0", "39"} <= set(texts(tmp_path / "c.svg"))
    assert (tmp_path / "c.svg").read_text().count('aria-roledescription="rect mark"') == 80


def test_a_chart_becomes_a_png(tmp_path: Path) -> None:
    write_png(CHARTS["heat"], tmp_path / "c.png", scale=1)

    assert (tmp_path / "c.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.31, "0.310"),
        (5.7, "5.70"),
        (123.4, "123"),
        (-0.5, "-0.500"),
        (12345.6, "12,346"),
        (1.2e-5, "1.2e-05"),
    ],
)
def test_numbers_are_shown_with_three_digits(value: float, text: str) -> None:
    assert short_number(value) == text


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="at least one value"):
        bar_chart([], title="t", metric="m")
    with pytest.raises(InputError, match=r"once, got \['a'\]"):
        bar_chart([Bar(method="a", value=1), Bar(method="a", value=2)], title="t", metric="m")
    with pytest.raises(InputError, match=r"finite values, got \[nan\]"):
        line_chart([Point(series="a", x=0, y=float("nan"))], title="t", x_title="x", y_title="y")
    with pytest.raises(InputError, match="logarithmic y axis needs values above 0"):
        line_chart([Point(series="a", x=1, y=2, low=0)], title="t", x_title="x", y_title="y", log_y=True)
    with pytest.raises(InputError, match=r"once, got \['layer 0, o'\]"):
        heat_map([Cell(layer=0, site="o", value=1), Cell(layer=0, site="o", value=2)], title="t", quantity="q")
    with pytest.raises(InputError, match="needs the method 'prompt'"):
        break_even_chart([LINES[1]], title="t", unit="s")
    with pytest.raises(InputError, match="above 0 per query"):
        break_even_chart([CostLine(method="prompt", once=0, per_query=0)], title="t", unit="s")


def test_an_invalid_specification_and_a_place_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="valid Vega-Lite"):
        write_svg({"mark": 7}, tmp_path / "c.svg")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_svg(CHARTS["heat"], tmp_path / "file" / "c.svg")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
