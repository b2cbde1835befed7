"""Around which places context is wanted: the H3 cells of the PV features that have been landed.

Of the landing tables, and not of the installations: so context can be ingested before anything has been built.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from functools import cached_property

import duckdb
import h3.api.basic_int as h3
import numpy as np

from db.errors import LakeNotFoundError
from db.lake import has_table
from db.sql import identifier
from ingest.manifest import Trust
from ingest.surroundings import Surroundings

log = logging.getLogger(__name__)

METRES_A_DEGREE = 111_320.0
"""Length of a degree of longitude at the equator, where it is longest."""


@dataclass(frozen=True)
class Areas:
    """Areas of interest.

    Attributes:
        resolution: of the cells.
        cells: uint64 (n,), sorted, each once.
    """

    resolution: int
    cells: np.ndarray

    @cached_property
    def digest(self) -> str:
        """Identity of the cells (sha256, hex)."""
        return hashlib.sha256(np.ascontiguousarray(self.cells).tobytes()).hexdigest()

    def centres(self) -> np.ndarray:
        """Longitude and latitude of the cells' centres in degrees, float64 (n, 2)."""
        pairs = np.array([h3.cell_to_latlng(int(cell)) for cell in self.cells], dtype=np.float64).reshape(-1, 2)
        return pairs[:, ::-1]

    def surroundings(self) -> Surroundings:
        """Bounding boxes of the cells; two for a cell across the antimeridian, and a whole cap for one around a pole."""
        boxes = [box for cell in self.cells for box in cell_boxes(int(cell))]
        return Surroundings(np.array(boxes, dtype=np.float64).reshape(-1, 4), self.digest[:16])


def cell_boxes(cell: int) -> list[tuple[float, float, float, float]]:
    """Bounding boxes of a cell: west, south, east, north in degrees; none crosses the antimeridian.

    Edges of cells are arcs of great circles, which reach out of the box of the corners by metres at these resolutions.
    """
    boundary = h3.cell_to_boundary(cell)
    latitudes, longitudes = [lat for lat, _ in boundary], [lng for _, lng in boundary]
    south, north = min(latitudes), max(latitudes)
    for pole in (90.0, -90.0):
        if cell == h3.latlng_to_cell(pole, 0.0, h3.get_resolution(cell)):
            return [(-180.0, min(south, pole), 180.0, max(north, pole))]
    west, east = min(longitudes), max(longitudes)
    if east - west <= 180.0:
        return [(west, south, east, north)]
    eastern, western = [lng for lng in longitudes if lng >= 0], [lng for lng in longitudes if lng < 0]
    return [(min(eastern), south, 180.0, north), (-180.0, south, max(western), north)]


def trusted_tables(lake: duckdb.DuckDBPyConnection) -> list[str]:
    """Landing tables of the datasets that can create installations, sorted: those whose trust is not low."""
    if not has_table(lake, "landing", "dataset_versions"):
        return []
    query = """
        SELECT dataset FROM (
            SELECT dataset, max_by(trust, ingested_at) AS trust FROM lake.landing.dataset_versions GROUP BY dataset
        ) WHERE trust <> ? ORDER BY dataset
    """
    return [key for (key,) in lake.execute(query, [Trust.LOW.value]).fetchall() if has_table(lake, "landing", key)]


def areas_of_interest(lake: duckdb.DuckDBPyConnection, resolution: int, ring: int) -> Areas:
    """The cells that hold landed PV features of trusted datasets, and those around them.

    Args:
        lake: connection.
        resolution: of the cells.
        ring: so many rings of cells around; at least 1, which is the margin for features that reach out of their cell.

    Raises:
        LakeNotFoundError: nothing has been landed that says where PV is.
    """
    tables = trusted_tables(lake)
    if not tables:
        raise LakeNotFoundError(
            "The lake has no PV features to look around.",
            remedy="Run 'eopv ingest' first, with a dataset of other than low trust.",
        )
    parts = " UNION ALL ".join(f"SELECT geometry FROM {identifier('lake', 'landing', table)}" for table in tables)
    # Features within a ring of their centre's cell need no more than the cell; parts, because a multipolygon may be anywhere
    reach_deg = h3.average_hexagon_edge_length(resolution, unit="m") / METRES_A_DEGREE
    query = f"""
        WITH parts AS (
            SELECT unnest(ST_Dump(geometry)).geom AS part FROM ({parts}) WHERE geometry IS NOT NULL AND NOT ST_IsEmpty(geometry)
        ),
        extents AS (
            SELECT ST_XMin(part) AS west, ST_YMin(part) AS south, ST_XMax(part) AS east, ST_YMax(part) AS north FROM parts
        ),
        sized AS (
            SELECT *, greatest(east - west, north - south) > {reach_deg} AND east - west < 180 AS is_large FROM extents
        ),
        cells AS (
            SELECT h3_latlng_to_cell((south + north) / 2, (west + east) / 2, {resolution}) AS cell
            FROM (SELECT DISTINCT west, south, east, north FROM sized WHERE NOT is_large AND east - west < 180)
            UNION
            SELECT unnest([
                h3_latlng_to_cell(south, west, {resolution}), h3_latlng_to_cell(north, east, {resolution})
            ]) FROM sized WHERE east - west >= 180
            UNION
            SELECT unnest(h3_polygon_wkb_to_cells_experimental(
                ST_AsWKB(ST_MakeEnvelope(west, south, east, north)), {resolution}, 'overlap'
            )) FROM sized WHERE is_large
        )
        SELECT DISTINCT unnest(h3_grid_disk(cell, {ring})) AS cell FROM cells WHERE cell IS NOT NULL
    """
    cells = np.sort(lake.execute(query).fetchnumpy()["cell"].astype(np.uint64))
    log.info("%d areas of interest at resolution %d around %d datasets", len(cells), resolution, len(tables))
    return Areas(resolution, cells)
