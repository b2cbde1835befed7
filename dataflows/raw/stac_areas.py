"""Where to look for imagery: the H3 cells that hold installations, merged into a few search areas."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import duckdb
import h3.api.basic_int as h3
import shapely
from shapely import affinity

from db.errors import LakeNotFoundError
from db.lake import has_table
from ingest.antimeridian import within_the_world
from ingest.stac_manifest import Search
from ingest.stac_policy import Area

METRES_A_DEGREE = 110_574.0
"""Length of a degree of latitude at the equator, where it is shortest: a margin in degrees made with it is never too small."""

POLAR_COSINE = math.cos(math.radians(89.0))
GRID_DEG = 1e-6


def installation_areas(lake: duckdb.DuckDBPyConnection, search: Search) -> list[Area]:
    """One area for each group of cells that hold centroids of ``curated.pv_installations``, sorted by key.

    Args:
        lake: connection.
        search: ``h3_resolution`` of the cells, ``group_resolution`` of their common parent, ``buffer_m`` of the margin.

    Raises:
        LakeNotFoundError: no installations have been built.
    """
    cells: list[int] = []
    if has_table(lake, "curated", "pv_installations"):
        query = """
            SELECT DISTINCT h3_latlng_to_cell(centroid_lat_deg, centroid_lon_deg, ?) AS cell
            FROM lake.curated.pv_installations WHERE centroid_lat_deg IS NOT NULL ORDER BY cell
        """
        cells = [int(cell) for (cell,) in lake.execute(query, [search.h3_resolution]).fetchall() if cell is not None]
    if not cells:
        raise LakeNotFoundError(
            "The lake has no installations to search around.",
            remedy="Run 'eopv ingest' and 'eopv build' first, or search elsewhere with --bbox.",
        )
    return cell_areas(cells, group_resolution=search.group_resolution, buffer_m=search.buffer_m)


def cell_areas(cells: Iterable[int], *, group_resolution: int, buffer_m: float) -> list[Area]:
    """Cells merged into one area a parent.

    Args:
        cells: H3 cells of one resolution.
        group_resolution: resolution of the parents, at most that of the cells.
        buffer_m: margin around each cell in metres. Edges of cells are arcs of great circles and are drawn as straight lines of
            the map, 10 m (resolution 4) off in the middle: a margin of zero may cut a site at an edge.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for cell in cells:
        groups[h3.cell_to_parent(cell, group_resolution)].append(cell)
    return [
        Area(h3.int_to_str(parent), shapely.union_all([_cell_polygon(cell, buffer_m) for cell in group], grid_size=GRID_DEG))
        for parent, group in sorted(groups.items())
    ]


def box_area(west: float, south: float, east: float, north: float) -> Area:
    """An area from a bounding box in degrees; west > east crosses the antimeridian."""
    geometry = shapely.box(west, south, east + 360.0 if west > east else east, north)
    return Area(f"bbox {west:g} {south:g} {east:g} {north:g}", within_the_world(geometry))


def _cell_polygon(cell: int, buffer_m: float) -> shapely.Geometry:
    """A cell with its margin, split at the antimeridian; around a pole the whole cap."""
    boundary = h3.cell_to_boundary(cell)
    latitudes, longitudes = [lat for lat, _ in boundary], [lng for _, lng in boundary]
    margin = buffer_m / METRES_A_DEGREE
    for pole in (90.0, -90.0):
        if cell == h3.latlng_to_cell(pole, 0.0, h3.get_resolution(cell)):
            edge = min(latitudes) - margin if pole > 0 else max(latitudes) + margin
            return shapely.box(-180.0, min(edge, pole), 180.0, max(edge, pole))
    if max(longitudes) - min(longitudes) > 180.0:
        longitudes = [lng + 360.0 if lng < 0 else lng for lng in longitudes]
    polygon = shapely.Polygon(zip(longitudes, latitudes, strict=True))
    if buffer_m:
        # Near a pole a metre is many degrees of longitude: the farthest latitude decides, and beyond 89° all are near
        widest = min(90.0, max(abs(lat) for lat in latitudes) + margin)
        cosine = math.cos(math.radians(widest))
        if cosine < POLAR_COSINE:
            return shapely.box(-180.0, max(-90.0, min(latitudes) - margin), 180.0, min(90.0, max(latitudes) + margin))
        squeezed = affinity.scale(polygon, xfact=cosine, origin=(0, 0)).buffer(margin, join_style="mitre")
        polygon = affinity.scale(squeezed, xfact=1 / cosine, origin=(0, 0))
    return within_the_world(polygon)
