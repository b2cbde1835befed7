"""``covered_points`` in SQL: which of many points a polygon covers, asked of a prepared geometry.

``ST_Intersects`` and ``ST_Contains`` on DuckDB look at every corner of a polygon for every point. GEOS can index the edges of a
polygon once and then answers in the logarithm of their number, with the same exact arithmetic and so the same result; Shapely
hands that to whole arrays. A query therefore groups points by polygon:
``unnest(covered_points(st_aswkb(geometry)::blob, list(lon_deg), list(lat_deg)))``.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import shapely
from duckdb import sqltypes as sql

from db.arrow_functions import ArrowFunction

NAME = "covered_points"


def covered_points(polygon: pa.ChunkedArray, lon_deg: pa.ChunkedArray, lat_deg: pa.ChunkedArray) -> pa.Array:
    """Whether points lie in polygons or on their boundaries (``ST_Intersects``, in the plane of longitude and latitude).

    Args:
        polygon: n polygons or multipolygons as WKB, EPSG:4326, valid.
        lon_deg: n lists of longitudes, degrees.
        lat_deg: n lists of latitudes, each as long as its longitudes.

    Returns:
        n lists of booleans, as long as the points; null where the polygon or a list is null, false for a point of null or NaN.

    Raises:
        ValueError: longitudes and latitudes differ in number.
    """
    rows = zip(polygon.to_pylist(), _lists(lon_deg), _lists(lat_deg), strict=True)
    return pa.array([_covered(*row) for row in rows], type=pa.list_(pa.bool_()))


def _covered(wkb: bytes | None, lon: np.ndarray | None, lat: np.ndarray | None) -> np.ndarray | None:
    if wkb is None or lon is None or lat is None:
        return None
    if len(lon) != len(lat):
        raise ValueError(f"{NAME}: {len(lon)} longitudes and {len(lat)} latitudes.")
    geometry = shapely.from_wkb(wkb)
    shapely.prepare(geometry)
    return shapely.intersects_xy(geometry, lon, lat)


def _lists(column: pa.ChunkedArray) -> list[np.ndarray | None]:
    """Each list as an array; a null within is NaN."""
    return [
        None if not row.is_valid else row.values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
        for chunk in column.chunks
        for row in chunk
    ]


_DOUBLES, _BOOLEANS = duckdb.list_type(sql.DOUBLE), duckdb.list_type(sql.BOOLEAN)
FUNCTIONS = {NAME: ArrowFunction(covered_points, (sql.BLOB, _DOUBLES, _DOUBLES), _BOOLEANS)}
