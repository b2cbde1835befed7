"""Generated PV sites: deterministic polygons of about ten vertices with five attributes of mixed types, over Europe."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

SEED = 20_261_120
VERTICES = 10
# Inside the area of use of EPSG:3035, degrees
WEST, SOUTH, EAST, NORTH = -8.0, 37.0, 28.0, 66.0
METRES_PER_DEGREE = 111_320.0


def sites(count: int) -> gpd.GeoDataFrame:
    """``count`` valid, star-shaped polygons of 20 m to 500 m, EPSG:4326, in no spatial order.

    Returns:
        Columns ``site_id`` (text), ``operator`` (text, one in ten missing), ``capacity_mw`` (float), ``year`` (integer),
        ``ground_mt`` (boolean; ten characters, as a Shapefile allows) and ``geometry``.
    """
    random = np.random.default_rng(SEED)
    longitude, latitude = random.uniform(WEST, EAST, count), random.uniform(SOUTH, NORTH, count)
    radius = random.uniform(20, 500, (count, 1)) * random.uniform(0.5, 1, (count, VERTICES)) / METRES_PER_DEGREE
    angle = (np.arange(VERTICES) + random.uniform(0, 0.8, (count, VERTICES))) * (2 * np.pi / VERTICES)
    x = longitude[:, None] + radius * np.cos(angle) / np.cos(np.radians(latitude))[:, None]
    y = latitude[:, None] + radius * np.sin(angle)
    rings = np.stack([x, y], axis=2)
    closed = np.concatenate([rings, rings[:, :1]], axis=1)
    operators = np.array([f"Operator {number:03d} Solar GmbH" for number in range(500)], dtype=object)
    operator = operators[random.integers(0, len(operators), count)]
    operator[random.random(count) < 0.1] = None
    return gpd.GeoDataFrame(
        {
            "site_id": pd.Series(np.char.add("PV", np.arange(count).astype(str).astype("U8")), dtype="str"),
            "operator": pd.Series(operator, dtype="str"),
            "capacity_mw": np.round(random.lognormal(0, 1.5, count), 3),
            "year": random.integers(2005, 2026, count).astype("int32"),
            "ground_mt": random.random(count) < 0.7,
        },
        geometry=shapely.polygons(closed),
        crs="EPSG:4326",
    )


def points(count: int) -> pd.DataFrame:
    """Centroids of :func:`sites` as a plain table with ``longitude`` and ``latitude`` in degrees."""
    frame = sites(count)
    centroids = shapely.centroid(frame.geometry.to_numpy())
    table = pd.DataFrame(frame.drop(columns="geometry"))
    return table.assign(longitude=shapely.get_x(centroids), latitude=shapely.get_y(centroids))
