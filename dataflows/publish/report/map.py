"""The page's map: cells coloured by their sites, the sites themselves, boundaries; drawn by Bokeh, without tiles of anybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import h3
import numpy as np
import pyarrow as pa
from bokeh.events import Reset
from bokeh.layouts import column, row
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    CustomJS,
    Div,
    GlyphRenderer,
    HoverTool,
    LayoutDOM,
    PanTool,
    RadioButtonGroup,
    Range1d,
    ResetTool,
    Toggle,
    WheelZoomTool,
)
from bokeh.plotting import figure

from dataflows.publish.report.layers import CellLayers, draw_boundaries, draw_cells, projected, ticks, tooltip
from dataflows.publish.report.sites_tables import SITES

NAME = "map"
SITES_NAME = "sites"
SITE_COLOUR = "#cc0066"
SITE_SIZE = 7

# What a browser still pans smoothly, and what keeps the page within some 20 MB
MOST_SITES = 50_000

HEIGHT_PX = 560

# A hexagon whose edge is less than so many pixels is too small to be told from its neighbours
LEAST_EDGE_PX = 7
MARGIN = 0.08

_TOLD = {
    "site": "name",
    "capacity": "capacity",
    "year": "year",
    "place": "place",
    "mount": "mount",
    "datasets": "datasets",
    "id": "id",
}

# Keeps a metre as long in both directions, whatever the page's width, by showing more of the one that has room. It starts from
# what was last asked for, not from its own result, because a page takes several sizes before it has its last one.
_FIT = """
const {x_range, y_range} = plot
const now = [x_range.start, x_range.end, y_range.start, y_range.end]
if (!plot._fitted || plot._fitted.some((edge, i) => edge !== now[i])) plot._wanted = now
const [width, height] = [plot.inner_width, plot.inner_height]
const [west, east, south, north] = plot._wanted
if (width > 0 && height > 0) {
  const half = Math.max((east - west) / width, (north - south) / height) / 2
  const [x, y] = [(west + east) / 2, (south + north) / 2]
  plot._fitted = [x - half * width, x + half * width, y - half * height, y + half * height]
  x_range.setv({start: plot._fitted[0], end: plot._fitted[1]})
  y_range.setv({start: plot._fitted[2], end: plot._fitted[3]})
}
"""

# Shows the cells of the resolution chosen, or, if the choice is automatic, the finest that can still be told apart
_SHOW_CELLS = """
const {start, end} = plot.x_range
const latitude = Math.atan(Math.sinh((plot.y_range.start + plot.y_range.end) / 2 / 6378137))
const metres_per_pixel = (end - start) / Math.max(plot.inner_width, 1) * Math.cos(latitude)
let shown = choice.active - 1
if (shown < 0) {
  shown = 0
  edges_m.forEach((edge_m, i) => { if (edge_m / metres_per_pixel >= least_px) shown = i })
}
cells.forEach((renderer, i) => { renderer.visible = i === shown })
if (cells.length) {
  colours.high = greatest[shown]
  ticker.ticks = ticks[shown]
}
said.text = cells.length ? `Cells of H3 resolution ${resolutions[shown]}` : ""
"""


@dataclass(frozen=True)
class Map:
    """The map and what has to be said about it.

    Attributes:
        layout: Bokeh's.
        notes: what is not shown, and why.
    """

    layout: LayoutDOM
    notes: tuple[str, ...]


def site_map(con: duckdb.DuckDBPyConnection) -> Map:
    """Draw cells, boundaries and sites of a lake in Web Mercator (EPSG:3857), fitted to the sites."""
    notes: list[str] = []
    sites = _sites(con, notes)
    plot = figure(
        name=NAME,
        x_axis_type="mercator",
        y_axis_type="mercator",
        x_axis_label="longitude",
        y_axis_label="latitude",
        x_range=Range1d(),
        y_range=Range1d(),
        sizing_mode="stretch_width",
        height=HEIGHT_PX,
        min_border_right=10,
        tools=[],
        background_fill_color="#f7f7f7",
        output_backend="canvas",
    )
    wheel = WheelZoomTool(zoom_on_axis=False)
    plot.add_tools(PanTool(), wheel, BoxZoomTool(match_aspect=True), ResetTool())
    plot.toolbar.active_scroll = wheel
    plot.toolbar.logo = None
    _fit(plot, sites)
    cells = draw_cells(plot, con, notes)
    draw_boundaries(plot, con, notes)
    dots = plot.scatter("x", "y", source=ColumnDataSource(sites), name=SITES_NAME, size=SITE_SIZE, color=SITE_COLOUR)
    dots.glyph.line_color = "white"
    dots.glyph.line_width = 0.5
    plot.add_tools(
        HoverTool(renderers=[dots], tooltips=tooltip(_TOLD, "about-site"), attachment="above", description="Hover: sites")
    )
    return Map(_with_controls(plot, cells, dots), tuple(notes))


def _sites(con: duckdb.DuckDBPyConnection, notes: list[str]) -> dict[str, Any]:
    """Columns of the sites to show, at most :data:`MOST_SITES`, the largest first."""
    found: pa.Table = con.execute(
        f"""
        SELECT installation_id AS id, coalesce(name, '(no name)') AS name, centroid_lon_deg, centroid_lat_deg,
            coalesce(round(capacity_mw, 2)::VARCHAR || ' MW (AC)', 'unknown') AS capacity,
            coalesce(installed_year::VARCHAR, 'unknown') AS year, mount, array_to_string(datasets, ', ') AS datasets,
            coalesce(nullif(concat_ws(', ', county_name, region_name, coalesce(country_name, country_code)), ''), 'unknown')
                AS place
        FROM {SITES} WHERE centroid_lon_deg IS NOT NULL
        ORDER BY capacity_mw DESC NULLS LAST, area_m2 DESC NULLS LAST, installation_id LIMIT {MOST_SITES}
        """
    ).to_arrow_table()
    (total, without) = con.execute(f"SELECT count(*), count(*) - count(centroid_lon_deg) FROM {SITES}").fetchone() or (0, 0)
    if total - without > len(found):
        drawn = f"the {len(found):,} largest by capacity and area are drawn one by one"
        notes.append(f"Of {total - without:,} sites {drawn}; the cells hold all.")
    if without:
        notes.append(f"{without:,} sites have no place and are not on the map.")
    lon, lat = (found[name].to_numpy() for name in ("centroid_lon_deg", "centroid_lat_deg"))
    xy = projected(np.stack([lon, lat], axis=1))
    columns = {name: found[name].to_pylist() for name in found.column_names if not name.startswith("centroid")}
    return {"x": xy[:, 0], "y": xy[:, 1], **columns}


def _fit(plot: figure, sites: dict[str, Any]) -> None:
    """Show all sites, or the world if there is none; never closer than some kilometres."""
    if not len(sites["x"]):
        plot.x_range.update(start=-2e7, end=2e7)
        plot.y_range.update(start=-1e7, end=1.5e7)
        return
    for axis, values in ((plot.x_range, sites["x"]), (plot.y_range, sites["y"])):
        low, high = float(values.min()), float(values.max())
        margin = max((high - low) * MARGIN, 5_000)
        axis.update(start=low - margin, end=high + margin)


def _with_controls(plot: figure, cells: CellLayers, dots: GlyphRenderer) -> LayoutDOM:
    labels = ["automatic", *map(str, cells.resolutions)]
    choice = RadioButtonGroup(labels=labels, active=0, name="resolution")
    said = Div(text="", name="shown")
    show = CustomJS(
        args={
            "plot": plot,
            "cells": list(cells.renderers),
            "colours": cells.colours,
            "greatest": list(cells.greatest),
            "ticker": cells.ticker,
            "ticks": [ticks(most) for most in cells.greatest],
            "resolutions": list(cells.resolutions),
            "edges_m": [h3.average_hexagon_edge_length(resolution, unit="m") for resolution in cells.resolutions],
            "least_px": LEAST_EDGE_PX,
            "choice": choice,
            "said": said,
        },
        code=_SHOW_CELLS,
    )
    fit = CustomJS(args={"plot": plot}, code=_FIT)
    for size in ("inner_width", "inner_height"):
        plot.js_on_change(size, fit, show)
    plot.js_on_event(Reset, fit)
    plot.x_range.js_on_change("end", show)
    choice.js_on_change("active", show)
    toggle = Toggle(label="Sites", active=True, name="toggle-sites")
    toggle.js_link("active", dots, "visible")
    words = Div(text="Resolution of the cells:")
    controls = row(words, choice, toggle, said, sizing_mode="stretch_width", styles={"flex-wrap": "wrap"})
    return column(controls, plot, sizing_mode="stretch_width")
