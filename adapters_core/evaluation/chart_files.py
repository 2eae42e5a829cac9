"""Charts as files: Vega-Lite rendered to SVG and PNG by vl-convert, without a browser and without a network."""

from pathlib import Path

import vl_convert

from adapters_core.errors import InputError
from adapters_core.evaluation.chart_style import Spec
from adapters_core.storage import atomic_file

VEGA_LITE = "6.4"


def write_svg(spec: Spec, path: Path) -> None:
    """Render a chart as SVG; the file is whole or not there.

    Raises:
        InputError: the specification is not valid.
        StorageError: the file could not be written.
    """
    svg = svg_of(spec)
    with atomic_file(path) as staging:
        staging.write_text(svg, encoding="utf-8")


def write_png(spec: Spec, path: Path, *, scale: float = 2.0) -> None:
    """Render a chart as PNG at a scale; the file is whole or not there.

    Raises:
        InputError: the specification is not valid.
        StorageError: the file could not be written.
    """
    image = vl_convert.svg_to_png(svg_of(spec), scale=scale)
    with atomic_file(path) as staging:
        staging.write_bytes(image)


def svg_of(spec: Spec) -> str:
    """A chart as SVG.

    Raises:
        InputError: the specification is not valid.
    """
    try:
        return str(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[]))
    except ValueError as error:
        raise InputError(f"a chart must be a valid Vega-Lite specification: {str(error).splitlines()[0]}") from error
