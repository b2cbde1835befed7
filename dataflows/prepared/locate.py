"""The calls of the dbt models ``prep_h3_admin`` and ``prep_pv_admin_nearby``."""

from __future__ import annotations

import pyarrow as pa

from dataflows.prepared import area_cover, nearest_areas
from dataflows.run import build_driver


def cover(areas: pa.Table, coarsest_resolution: int, finest_resolution: int) -> pa.Table:
    """H3 cells that cover areas.

    Args:
        areas: a row an area: ``area_id``, ``level`` (text), ``geometry`` (WKB of valid polygons, EPSG:4326, within ±180°; those
            across the antimeridian are cut there).
        coarsest_resolution: of cells within an area, 0–15.
        finest_resolution: of cells on a border; points have to be filed at this resolution or a finer one.

    Returns:
        A row an area and cell: ``cell`` (uint64), ``resolution`` (uint8), ``area_id``, ``level``, ``is_interior``. A point lies
        in an area if the cell that it is filed under descends from an interior cell of it; if from a cell that is not, the
        area's geometry decides; otherwise it lies outside. Cells within are as coarse as possible; no cell of an area is in
        another one of it.

    Raises:
        BuildError: a geometry is missing, no polygon, or out of bounds.
    """
    inputs = {"areas": areas, "coarsest_resolution": coarsest_resolution, "finest_resolution": finest_resolution}
    return build_driver(area_cover).execute(["cover"], inputs=inputs)["cover"]


def nearby(points: pa.Table, areas: pa.Table, max_distance_m: float) -> pa.Table:
    """Areas near points that none of their level covers.

    Args:
        points: a row a point and level that it has no area of: ``installation_id``, ``level``, ``lon_deg``, ``lat_deg``.
        areas: as for :func:`cover`.
        max_distance_m: metres, well below the length of a degree times ten.

    Returns:
        A row a point and area of its level within that distance: ``installation_id``, ``area_id``, ``distance_m`` (on the
        ellipsoid, to the border; areas that cover the point are as far as their border, too).

    Raises:
        BuildError: a geometry is missing, no polygon, or out of bounds.
    """
    inputs = {"points": points, "areas": areas, "max_distance_m": float(max_distance_m)}
    return build_driver(nearest_areas).execute(["nearby"], inputs=inputs)["nearby"]
