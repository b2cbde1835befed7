"""What maps show: cells, sites and boundaries, as pictures and the page need them."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from dataflows.publish import cutting
from db.arrow_functions import provide
from db.lake import has_table

# Vertices of all boundaries together, in a picture or a page
BOUNDARY_VERTICES = 60_000


@dataclass(frozen=True)
class Cells:
    """H3 cells of one resolution.

    Attributes:
        resolution: H3's.
        shapes: outlines, EPSG:4326, in parts at the antimeridian; shape (n,).
        table: cell (hexadecimal), n_installations, capacity_mw, area_m2; n rows.
    """

    resolution: int
    shapes: NDArray[np.object_]
    table: pa.Table


def resolutions(con: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """Number of cells with sites by resolution of ``curated.pv_h3``; empty where it has not been built."""
    if not has_table(con, "curated", "pv_h3"):
        return {}
    return dict(
        con.execute(
            "SELECT resolution::INTEGER, count(*) FROM lake.curated.pv_h3 WHERE n_installations > 0 GROUP BY 1 ORDER BY 1"
        ).fetchall()
    )


def cells(con: duckdb.DuckDBPyConnection, resolution: int) -> Cells:
    """The cells of one resolution of ``curated.pv_h3`` with sites; those that hold parts of sites only are left out."""
    provide(con, cutting.FUNCTIONS)
    outline = cutting.expression("ST_GeomFromWKB(h3_cell_to_boundary_wkb(cell))")
    table = con.execute(
        f"""
        SELECT h3_h3_to_string(cell) AS cell, n_installations::BIGINT AS n_installations, capacity_mw, area_m2,
            ST_AsWKB({outline})::BLOB AS wkb
        FROM lake.curated.pv_h3 WHERE resolution = ? AND n_installations > 0 ORDER BY cell
        """,
        [resolution],
    ).to_arrow_table()
    return Cells(resolution, shapely.from_wkb(table["wkb"].to_numpy(zero_copy_only=False)), table.drop_columns(["wkb"]))


def boundaries(con: duckdb.DuckDBPyConnection, level: str = "country") -> list[NDArray[np.float64]]:
    """Rings of administrative areas, each of shape (n, 2), longitude and latitude in degrees; simplified for the eye.

    Empty where the lake knows no boundaries.
    """
    if not has_table(con, "staging", "stg_admin_areas"):
        return []
    found = con.execute(
        "SELECT ST_AsWKB(geometry)::BLOB FROM lake.staging.stg_admin_areas"
        " WHERE level = ? AND geometry IS NOT NULL ORDER BY area_id",
        [level],
    ).fetchall()
    shapes = shapely.from_wkb([wkb for (wkb,) in found])
    tolerance = 0.002
    while len(shapes) and shapely.get_num_coordinates(shapes).sum() > BOUNDARY_VERTICES and tolerance < 1:
        shapes = shapely.simplify(shapes, tolerance)
        tolerance *= 2
    rings = [shapely.get_coordinates(ring) for part in shapely.get_parts(shapes) for ring in shapely.get_rings(part)]
    return [ring for ring in rings if len(ring) > 3]


def outlines(shapes: NDArray[np.object_]) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """Outer rings of polygons, each (n, 2), and of which shape each is; a shape in several parts has several."""
    parts, owner = shapely.get_parts(shapes, return_index=True)
    return [shapely.get_coordinates(shapely.get_exterior_ring(part)) for part in parts], owner
