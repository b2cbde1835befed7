"""Outlines of PV sites: a few plans in a unit square, and the affine maps that size, turn and move them."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

RECTANGLE = shapely.box(-0.5, -0.5, 0.5, 0.5)
L_SHAPE = shapely.Polygon([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.0), (0.1, 0.0), (0.1, 0.5), (-0.5, 0.5)])
TRAPEZOID = shapely.Polygon([(-0.5, -0.5), (0.5, -0.5), (0.3, 0.5), (-0.5, 0.5)])
HEXAGON = shapely.Polygon([(-0.5, -0.1), (-0.2, -0.5), (0.4, -0.5), (0.5, 0.2), (0.2, 0.5), (-0.4, 0.5)])
U_SHAPE = shapely.Polygon(
    [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (0.25, 0.5), (0.25, 0.0), (-0.25, 0.0), (-0.25, 0.5), (-0.5, 0.5)]
)
POND = RECTANGLE.difference(shapely.box(-0.2, -0.1, 0.1, 0.15))
TWO_PONDS = RECTANGLE.difference(shapely.MultiPolygon([shapely.box(-0.35, -0.2, -0.1, 0.2), shapely.box(0.1, 0.0, 0.3, 0.3)]))
ROAD = shapely.MultiPolygon([shapely.box(-0.5, -0.5, 0.5, -0.04), shapely.box(-0.5, 0.04, 0.5, 0.5)])
THREE_FIELDS = shapely.MultiPolygon(
    [shapely.box(-0.5, -0.5, -0.1, 0.5), shapely.box(-0.02, -0.5, 0.5, -0.05), shapely.box(-0.02, 0.05, 0.5, 0.5)]
)

PLANS = shapely.orient_polygons(
    np.array([RECTANGLE, L_SHAPE, TRAPEZOID, HEXAGON, U_SHAPE, POND, TWO_PONDS, ROAD, THREE_FIELDS], dtype=object)
)
"""Outlines that fill the unit square around the origin, shells anticlockwise; simple ones, then with holes, then in parts."""

SIMPLE_PLANS = 5
"""How many of ``PLANS``, from the first, are one part without a hole."""


def affine(
    geometry: NDArray[np.object_],
    *,
    scale: NDArray[np.float64] | float = 1.0,
    angle_rad: NDArray[np.float64] | float = 0.0,
    shift: NDArray[np.float64] | float = 0.0,
    origin: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.object_]:
    """Scale, then turn anticlockwise, each geometry about its own origin, then shift it.

    Args:
        geometry: n geometries in a plane.
        scale: (n, 2) factors along x and y, or one for all.
        angle_rad: n angles.
        shift: (n, 2) in the plane's unit.
        origin: (n, 2) in the plane's unit.

    Returns:
        n new geometries of the same types.
    """
    n = len(geometry)
    coordinates, index = shapely.get_coordinates(geometry, return_index=True)
    scale, shift, origin = (np.broadcast_to(value, (n, 2))[index] for value in (scale, shift, origin))
    cos, sin = (np.broadcast_to(f(angle_rad), n)[index] for f in (np.cos, np.sin))
    x, y = ((coordinates - origin) * scale).T
    moved = np.column_stack([x * cos - y * sin, x * sin + y * cos]) + origin + shift
    return shapely.set_coordinates(geometry.copy(), moved)
