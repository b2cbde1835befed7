"""Which station is the nearest one of a place, on the globe."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

EARTH_RADIUS_KM = 6371.0088


def nearest(stations: np.ndarray, places: np.ndarray, max_distance_km: float) -> np.ndarray:
    """The nearest station of each place; int64 (n,), -1 where none is within reach.

    Args:
        stations: float64 (m, 2): longitude and latitude in degrees.
        places: float64 (n, 2), likewise.
        max_distance_km: great-circle distance beyond which a place has no station.
    """
    if not len(stations):
        return np.full(len(places), -1, dtype=np.int64)
    # Straight lines through the globe grow with the distance on it, and know no antimeridian and no poles
    reach = 2 * np.sin(min(max_distance_km / EARTH_RADIUS_KM, np.pi) / 2)
    distances, found = cKDTree(_on_sphere(stations)).query(_on_sphere(places), distance_upper_bound=reach)
    return np.where(np.isfinite(distances), found, -1).astype(np.int64)


def _on_sphere(degrees: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(degrees.reshape(-1, 2).T)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
