"""What lies under the sites on the page's map: cells coloured by how many sites they hold, and boundaries."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, GlyphRenderer, HoverTool, LogColorMapper, NumeralTickFormatter
from bokeh.palettes import Cividis256
from bokeh.plotting import figure
from numpy.typing import NDArray
from pyproj import Transformer

from dataflows.publish import places

BOUNDARY_COLOUR = "#6b6b6b"

# What keeps the page within some 20 MB
MOST_CELLS = 20_000

# Web Mercator ends at 85.06°
LATITUDE_LIMIT_DEG = 85.0

# Heads of the lines of what is shown at the pointer, and columns; Bokeh escapes the values
_TOLD = {"H3 cell": "cell", "sites": "n_installations{0,0}", "capacity": "capacity", "area": "area"}


@dataclass(frozen=True)
class CellLayers:
    """Cells as they are drawn, one layer a resolution.

    Attributes:
        resolutions: of H3, from coarse to fine.
        renderers: of each; only the first one is visible.
        greatest: most sites in a cell, of each.
        colours: that all share.
        ticker: of the legend.
    """

    resolutions: tuple[int, ...]
    renderers: tuple[GlyphRenderer, ...]
    greatest: tuple[int, ...]
    colours: LogColorMapper
    ticker: FixedTicker


def projected(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitude and latitude in degrees as metres of EPSG:3857; shape (n, 2) to (n, 2)."""
    to = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    limited = np.clip(coordinates[:, 1], -LATITUDE_LIMIT_DEG, LATITUDE_LIMIT_DEG)
    return np.stack(to.transform(coordinates[:, 0], limited), axis=1)


def draw_cells(plot: figure, con: duckdb.DuckDBPyConnection, notes: list[str]) -> CellLayers:
    """Draw the cells of each resolution of ``curated.pv_h3``; what is not drawn is said in ``notes``."""
    there = places.resolutions(con)
    if not there:
        notes.append("There are no cells to show: curated.pv_h3 is missing or empty; 'eopv build' makes it.")
    if large := [resolution for resolution, count in there.items() if count > MOST_CELLS]:
        named = ", ".join(map(str, large))
        notes.append(f"Resolution {named} has more than {MOST_CELLS:,} cells, too many for a page: 'eopv export pv_h3'.")
    shown = tuple(resolution for resolution in there if resolution not in large)
    found = [places.cells(con, resolution) for resolution in shown]
    greatest = tuple(max(max(layer.table["n_installations"].to_pylist()), 2) for layer in found)
    colours = LogColorMapper(palette=Cividis256, low=1, high=greatest[0] if greatest else 2)
    ticker = FixedTicker(ticks=ticks(int(colours.high)))
    renderers = tuple(_patches(plot, layer, colours, visible=layer is found[0]) for layer in found)
    if renderers:
        bar = renderers[0].construct_color_bar(
            title="sites in a cell",
            title_text_font_style="normal",
            width=12,
            ticker=ticker,
            formatter=NumeralTickFormatter(format="0,0"),
        )
        plot.add_layout(bar, "right")
    return CellLayers(shown, renderers, greatest, colours, ticker)


def ticks(greatest: int) -> list[int]:
    """Marks of a logarithmic legend of counts: 1, 2, 5, 10, 20 … up to the greatest."""
    steps = (digit * 10**exponent for exponent in range(len(str(greatest))) for digit in (1, 2, 5))
    return [step for step in steps if step <= greatest]


def tooltip(told: dict[str, str], name: str) -> str:
    """HTML of what is shown at the pointer: Bokeh puts the escaped values of columns in place of ``@{column}``.

    Args:
        told: column, with a number format where it has one, by the head of its line.
        name: class of the element.
    """
    lines = (
        f"<div><span style='color:#444'>{head}</span> @{{{column.split('{')[0]}}}{column[len(column.split('{')[0]) :]}</div>"
        for head, column in told.items()
    )
    style = "max-width:19rem;white-space:normal;overflow-wrap:anywhere;color:#1a1a1a"
    return f"<div class='{name}' style='{style}'>{''.join(lines)}</div>"


def _patches(plot: figure, cells: places.Cells, colours: LogColorMapper, *, visible: bool) -> GlyphRenderer:
    rings, owner = places.outlines(cells.shapes)
    outlines = [projected(ring).round(1) for ring in rings]
    taken = cells.table.take(owner)
    source = ColumnDataSource(
        {
            "xs": [ring[:, 0] for ring in outlines],
            "ys": [ring[:, 1] for ring in outlines],
            "cell": taken["cell"].to_pylist(),
            "n_installations": taken["n_installations"].to_numpy(),
            "capacity": [_said(value, 1, "MW (AC)") for value in taken["capacity_mw"].to_pylist()],
            "area": [_said(value and value / 1e6, 2, "km²") for value in taken["area_m2"].to_pylist()],
        }
    )
    renderer = plot.patches(
        "xs",
        "ys",
        source=source,
        name=f"cells-{cells.resolution}",
        fill_color={"field": "n_installations", "transform": colours},
        fill_alpha=0.75,
        line_color="white",
        line_width=0.5,
        visible=visible,
    )
    # No button of its own: there would be one a resolution
    told = tooltip(_TOLD, "about-cell")
    # Below the pointer: what is said of a site stands above it
    plot.add_tools(
        HoverTool(renderers=[renderer], tooltips=told, point_policy="follow_mouse", attachment="below", visible=False)
    )
    return renderer


def _said(value: float | None, decimals: int, unit: str) -> str:
    return "unknown" if value is None else f"{value:,.{decimals}f} {unit}"


def draw_boundaries(plot: figure, con: duckdb.DuckDBPyConnection, notes: list[str]) -> None:
    """Draw the countries' outlines, if the lake knows them."""
    rings = [projected(ring).round(1) for ring in places.boundaries(con)]
    if not rings:
        notes.append("The lake knows no boundaries; 'eopv context ingest' brings them.")
    source = ColumnDataSource({"xs": [ring[:, 0] for ring in rings], "ys": [ring[:, 1] for ring in rings]})
    plot.multi_line("xs", "ys", source=source, name="boundaries", color=BOUNDARY_COLOUR, line_width=0.8)
