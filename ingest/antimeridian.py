"""Footprints that cross the antimeridian, in the one form that a search can rely on: split there (RFC 7946, section 3.1.9)."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from shapely import affinity

WORLD_DEG = 360.0
HALF_DEG = 180.0


def within_the_world(geometry: shapely.Geometry) -> shapely.Geometry:
    """A geometry with what lies beyond ±180° brought to the other side, and what lies beyond ±90° cut off.

    Args:
        geometry: EPSG:4326, longitude first, on a map that goes on beyond the antimeridian, from -540° to 540°.
    """
    west, south, east, north = geometry.bounds
    if west >= -HALF_DEG and east <= HALF_DEG and south >= -90.0 and north <= 90.0:
        return geometry
    starts = (-HALF_DEG - WORLD_DEG, -HALF_DEG, HALF_DEG)
    worlds = [(start, geometry.intersection(shapely.box(start, -90.0, start + WORLD_DEG, 90.0))) for start in starts]
    parts = [affinity.translate(part, xoff=-HALF_DEG - start) for start, part in worlds if not part.is_empty]
    return shapely.union_all(parts)


def unwrapped(geometry: shapely.Geometry, bbox: Any) -> shapely.Geometry:
    """A geometry that goes the short way round, if its bounding box says so.

    A polygon from 179° to -179° that is not split looks as if it went around the world. Where the item's ``bbox`` has its west
    edge east of its east edge, it crosses the antimeridian, and the western longitudes are meant beyond 180°.
    """
    crosses = isinstance(bbox, list) and len(bbox) in (4, 6) and _is_greater(bbox[0], bbox[len(bbox) // 2])
    west, _, east, _ = geometry.bounds
    if not crosses or east - west <= HALF_DEG or geometry.geom_type.startswith("Multi"):
        return geometry

    def eastward(coordinates: np.ndarray) -> np.ndarray:
        return np.column_stack(
            [np.where(coordinates[:, 0] < 0, coordinates[:, 0] + WORLD_DEG, coordinates[:, 0]), coordinates[:, 1]]
        )

    return shapely.transform(geometry, eastward)


def _is_greater(a: object, b: object) -> bool:
    return isinstance(a, int | float) and isinstance(b, int | float) and a > b
