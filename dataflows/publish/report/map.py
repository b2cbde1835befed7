"""The page's map: cells coloured by their sites, the sites themselves, boundaries; drawn by Bokeh, without tiles of anybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import h3
import numpy as np
import pyarrow as pa
from bokeh.layouts import column, row
from bokeh.models import (
    BoxZoomTool,
    Checkbox,
    ColorBar,
    ColumnDataSource,
    CustomJS,
    Div,
    GlyphRenderer,
    HoverTool,
    LayoutDOM,
    LogColorMapper,
    NumeralTickFormatter,
    PanTool,
    RadioButtonGroup,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.palettes import Cividis256
from bokeh.plotting import figure
from numpy.typing import NDArray
from pyproj import Transformer

from dataflows.publish import places
from dataflows.publish.report.sites_tables import SITES

NAME = "map"
SITES_NAME = "sites"
SITE_COLOUR = "#cc0066"
SITE_SIZE = 7
BOUNDARY_COLOUR = "#6b6b6b"

# What a browser still pans smoothly, and what keeps the page within some 20 MB
MOST_SITES = 50_000
MOST_CELLS = 20_000

# Web Mercator ends at 85.06°
LATITUDE_LIMIT_DEG = 85.0
HEIGHT_PX = 560

# A hexagon whose edge is less than so many pixels is too small to be told from its neighbours
LEAST_EDGE_PX = 7
MARGIN = 0.08

_SITE_TOOLTIPS = [
    ("site", "@name"),
    ("capacity", "@capacity"),
    ("year", "@year"),
    ("place", "@place"),
    ("mount", "@mount"),
    ("datasets", "@datasets"),
    ("id", "@id"),
]
_CELL_TOOLTIPS = [
    ("H3 cell", "@cell"),
    ("sites", "@n_installations{0,0}"),
    ("capacity", "@capacity_mw{0,0.0} MW"),
    ("area", "@area_km2{0,0.00} km²"),
]

# Keeps a metre as long in both directions, whatever the page's width, by showing more of the one that has room; then shows the
# cells of the resolution chosen, or, if the choice is automatic, the finest that can still be told apart
_SHOW_CELLS = """
const {x_range, y_range} = plot
const [width, height] = [plot.inner_width, plot.inner_height]
const spans = [(x_range.end - x_range.start) / width, (y_range.end - y_range.start) / height]
const span = Math.max(...spans)
if (width > 0 && height > 0 && span > 1.001 * Math.min(...spans)) {
  for (const [range, length] of [[x_range, width], [y_range, height]]) {
    const [middle, half] = [(range.start + range.end) / 2, span * length / 2]
    range.setv({start: middle - half, end: middle + half})
  }
  return
}
const {start, end} = x_range
const latitude = Math.atan(Math.sinh((plot.y_range.start + plot.y_range.end) / 2 / 6378137))
const metres_per_pixel = (end - start) / Math.max(plot.inner_width, 1) * Math.cos(latitude)
let shown = choice.active - 1
if (shown < 0) {
  shown = 0
  edges_m.forEach((edge_m, i) => { if (edge_m / metres_per_pixel >= least_px) shown = i })
}
cells.forEach((renderer, i) => { renderer.visible = i === shown })
if (cells.length) colours.high = greatest[shown]
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
    cells = _draw_cells(plot, con, notes)
    _draw_boundaries(plot, con, notes)
    dots = plot.scatter("x", "y", source=ColumnDataSource(sites), name=SITES_NAME, size=SITE_SIZE, color=SITE_COLOUR)
    dots.glyph.line_color = "white"
    dots.glyph.line_width = 0.5
    plot.add_tools(HoverTool(renderers=[dots], tooltips=_SITE_TOOLTIPS, description="Hover: sites"))
    return Map(_with_controls(plot, cells, dots), tuple(notes))


def _projected(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitude and latitude in degrees as metres of EPSG:3857; shape (n, 2) to (n, 2)."""
    to = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    limited = np.clip(coordinates[:, 1], -LATITUDE_LIMIT_DEG, LATITUDE_LIMIT_DEG)
    return np.stack(to.transform(coordinates[:, 0], limited), axis=1)


def _sites(con: duckdb.DuckDBPyConnection, notes: list[str]) -> dict[str, Any]:
    """Columns of the sites to show, at most :data:`MOST_SITES`, the largest first."""
    found: pa.Table = con.execute(
        f"""
        SELECT installation_id AS id, coalesce(name, '(no name)') AS name, centroid_lon_deg, centroid_lat_deg,
            coalesce(round(capacity_mw, 2)::VARCHAR || ' MW (AC)', 'unknown') AS capacity,
            coalesce(installed_year::VARCHAR, 'unknown') AS year, mount, array_to_string(datasets, ', ') AS datasets,
            coalesce(nullif(concat_ws(', ', county_name, region_name, coalesce(country_name, country_code)), ''), 'unknown') AS place
        FROM {SITES} WHERE centroid_lon_deg IS NOT NULL
        ORDER BY capacity_mw DESC NULLS LAST, area_m2 DESC NULLS LAST, installation_id LIMIT {MOST_SITES}
        """
    ).to_arrow_table()
    (total, without) = con.execute(f"SELECT count(*), count(*) - count(centroid_lon_deg) FROM {SITES}").fetchone() or (0, 0)
    if total - without > len(found):
        notes.append(
            f"Of {total - without:,} sites the {len(found):,} largest by capacity and area are drawn one by one; the cells hold all."
        )
    if without:
        notes.append(f"{without:,} sites have no place and are not on the map.")
    lon, lat = (found[name].to_numpy() for name in ("centroid_lon_deg", "centroid_lat_deg"))
    xy = _projected(np.stack([lon, lat], axis=1))
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


def _draw_cells(plot: figure, con: duckdb.DuckDBPyConnection, notes: list[str]) -> list[tuple[int, GlyphRenderer]]:
    there = places.resolutions(con)
    if not there:
        notes.append("There are no cells to show: curated.pv_h3 is missing or empty; 'eopv build' makes it.")
    drawn: list[tuple[int, GlyphRenderer]] = []
    bar: ColorBar | None = None
    for resolution, count in there.items():
        if count > MOST_CELLS:
            notes.append(
                f"Resolution {resolution} has {count:,} cells, too many for a page; export them with 'eopv export pv_h3'."
            )
            continue
        cells = places.cells(con, resolution)
        rings, owner = places.outlines(cells.shapes)
        projected = [_projected(ring) for ring in rings]
        taken = cells.table.take(owner)
        sites = taken["n_installations"].to_numpy()
        colours = LogColorMapper(palette=Cividis256, low=1, high=max(int(sites.max()), 2))
        source = ColumnDataSource(
            {
                "xs": [ring[:, 0].round(1) for ring in projected],
                "ys": [ring[:, 1].round(1) for ring in projected],
                "cell": taken["cell"].to_pylist(),
                "n_installations": sites,
                "capacity_mw": taken["capacity_mw"].to_numpy(zero_copy_only=False).astype(float),
                "area_km2": taken["area_m2"].to_numpy(zero_copy_only=False).astype(float) / 1e6,
            }
        )
        renderer = plot.patches(
            "xs",
            "ys",
            source=source,
            name=f"cells-{resolution}",
            fill_color={"field": "n_installations", "transform": colours},
            fill_alpha=0.75,
            line_color="white",
            line_width=0.5,
            visible=not drawn,
        )
        plot.add_tools(
            HoverTool(
                renderers=[renderer],
                tooltips=_CELL_TOOLTIPS,
                point_policy="follow_mouse",
                description=f"Hover: cells {resolution}",
                visible=False,
            )
        )
        if bar is None:
            bar = renderer.construct_color_bar(title="sites in a cell", width=12, location=(0, 0))
            plot.add_layout(bar, "right")
        drawn.append((resolution, renderer))
    return drawn


def _draw_boundaries(plot: figure, con: duckdb.DuckDBPyConnection, notes: list[str]) -> None:
    rings = [_projected(ring) for ring in places.boundaries(con)]
    if not rings:
        notes.append("The lake knows no boundaries; 'eopv context ingest' brings them.")
    source = ColumnDataSource({"xs": [ring[:, 0].round(1) for ring in rings], "ys": [ring[:, 1].round(1) for ring in rings]})
    plot.multi_line("xs", "ys", source=source, name="boundaries", color=BOUNDARY_COLOUR, line_width=0.8)


def _with_controls(plot: figure, cells: list[tuple[int, GlyphRenderer]], dots: GlyphRenderer) -> LayoutDOM:
    labels = ["automatic", *(str(resolution) for resolution, _ in cells)]
    choice = RadioButtonGroup(labels=labels, active=0, name="resolution")
    said = Div(text="", name="shown")
    show = CustomJS(
        args={
            "plot": plot,
            "cells": [renderer for _, renderer in cells],
            "resolutions": [resolution for resolution, _ in cells],
            "edges_m": [h3.average_hexagon_edge_length(resolution, unit="m") for resolution, _ in cells],
            "least_px": LEAST_EDGE_PX,
            "choice": choice,
            "said": said,
        },
        code=_SHOW_CELLS,
    )
    for changed in (plot.x_range, plot.y_range):
        changed.js_on_change("end", show)
    for size in ("inner_width", "inner_height"):
        plot.js_on_change(size, show)
    choice.js_on_change("active", show)
    toggle = Checkbox(label="sites", active=True, name="toggle-sites")
    toggle.js_link("active", dots, "visible")
    controls = row(
        Div(text="Resolution of the cells:"), choice, toggle, said, sizing_mode="stretch_width", styles={"flex-wrap": "wrap"}
    )
    return column(controls, plot, sizing_mode="stretch_width")
