"""In which countries PV stands, by the boundaries that have been landed."""

from __future__ import annotations

import logging

import duckdb
import h3.api.basic_int as h3
import numpy as np
import shapely

from dataflows.raw.context_areas import Areas, cell_boxes
from db.lake import has_table

log = logging.getLogger(__name__)

# Natural Earth first, because it knows the whole world; Overture's areas are only those around PV, which will do too
_BOUNDARIES = {
    "natural_earth_admin_0": "SELECT iso_a2_eh, ST_AsWKB(geometry) FROM lake.landing.natural_earth_admin_0",
    "overture_division_area": """
        SELECT country, ST_AsWKB(geometry) FROM lake.landing.overture_division_area
        WHERE subtype IN ('country', 'dependency') AND class = 'land'
    """,
}
SHORE_RESOLUTION = 4
"""Cells of some 22 km: a coastline of 1:50 million is off by less, and leaves islets out."""


def countries_of(lake: duckdb.DuckDBPyConnection, areas: Areas) -> list[str] | None:
    """ISO 3166-1 alpha-2 codes of the countries that areas of interest are in, sorted; ``None`` without landed boundaries.

    A cell belongs to the country that holds its centre. One that none holds, off a coast or on an islet, belongs to all that
    are in its surroundings at ``SHORE_RESOLUTION``: rather one country too many than a site without.

    Args:
        lake: connection.
        areas: cells that hold PV.
    """
    table = next((name for name in _BOUNDARIES if has_table(lake, "landing", name)), None)
    if table is None:
        return None
    codes, shapes = [], []
    for code, geometry in lake.execute(_BOUNDARIES[table]).fetchall():
        if code and code.isalpha() and len(code) == 2:  # Natural Earth writes -99 where ISO knows no code
            codes.append(code)
            shapes.append(shapely.make_valid(shapely.from_wkb(bytes(geometry))))
    centres, found = areas.centres(), set()
    ashore = np.zeros(len(centres), dtype=bool)
    for code, shape in zip(codes, shapes, strict=True):
        shapely.prepare(shape)
        west, south, east, north = shape.bounds
        lon, lat = centres.T
        near = np.flatnonzero((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
        inside = near[shapely.contains_xy(shape, centres[near])]
        ashore[inside] = True
        found.update([code] if len(inside) else [])
    off = {h3.cell_to_parent(int(cell), min(SHORE_RESOLUTION, areas.resolution)) for cell in areas.cells[~ashore]}
    boxes = shapely.box(*np.array([box for cell in sorted(off) for box in cell_boxes(cell)], dtype=np.float64).reshape(-1, 4).T)
    shores, _ = shapely.STRtree(boxes).query(shapes, predicate="intersects") if len(boxes) else (np.empty(0, int), None)
    found.update(codes[row] for row in np.unique(shores))
    log.info("PV stands in %d countries, by %s", len(found), table)
    return sorted(found)
