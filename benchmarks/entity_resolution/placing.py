"""From metres around a place to degrees, and across the antimeridian."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

METRES_PER_DEGREE = 111_320.0
WEST = shapely.box(-180, -90, 180, 90)
EAST = shapely.box(180, -90, 540, 90)

Floats = NDArray[np.float64]


def degrees(east_m: Floats, north_m: Floats, lon: Floats | float, lat: Floats | float) -> Floats:
    """Coordinates (…, 2) in degrees of offsets in metres from places; longitudes go on beyond 180.

    The same scale holds around one place, so that shapes stay what they are wherever the place is.
    """
    return np.stack([lon + east_m / (METRES_PER_DEGREE * np.cos(np.radians(lat))), lat + north_m / METRES_PER_DEGREE], axis=-1)


def wrapped(geometry: shapely.Geometry) -> shapely.Geometry:
    """A geometry that goes on beyond 180° as it is published (RFC 7946): cut in two there, all of it within ±180°."""
    bounds = shapely.bounds(geometry)
    if bounds[2] <= 180:
        return geometry
    if bounds[0] >= 180:
        return _shifted(geometry)
    pieces = [geometry.intersection(WEST), _shifted(geometry.intersection(EAST))]
    return MultiPolygon([part for piece in pieces for part in shapely.get_parts(piece) if isinstance(part, Polygon)])


def _shifted(geometry: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(geometry, lambda places: places - [360, 0])
