"""Polygons of areas as they come from the lake."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from db.errors import BuildError


def polygons_of(areas: pa.Table) -> NDArray[np.object_]:
    """Geometries of areas.

    Args:
        areas: ``area_id`` (text) and ``geometry`` (WKB, EPSG:4326), n rows.

    Returns:
        n polygons or multipolygons, prepared.

    Raises:
        BuildError: one is missing, empty, no polygon, or beyond ±180° or ±90°.
    """
    polygons = shapely.from_wkb(areas["geometry"].to_numpy())
    kinds = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
    west, south, east, north = shapely.bounds(polygons).T
    # Of an empty one, bounds are NaN: nothing compares with them
    usable = np.isin(shapely.get_type_id(polygons), kinds) & (west >= -180) & (south >= -90) & (east <= 180) & (north <= 90)
    if not usable.all():
        wrong = int(np.argmin(usable))
        raise BuildError(
            f"Area {areas['area_id'][wrong]} is not a polygon in degrees: {str(polygons[wrong])[:80]}.",
            remedy="Correct it, or leave it out, in staging.stg_admin_areas.",
        )
    shapely.prepare(polygons)
    return polygons
