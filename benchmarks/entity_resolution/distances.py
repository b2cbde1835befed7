"""Distances between points on the sphere, in metres; the frames have ``lon`` and ``lat`` in degrees."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.neighbors import BallTree

EARTH_RADIUS_M = 6_371_008.8


def nearest(points: pd.DataFrame, targets: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Position of, and distance to, the nearest target of each point."""
    distance, position = _tree(targets).query(_radians(points), k=1)
    return position[:, 0], distance[:, 0] * EARTH_RADIUS_M


def within(points: pd.DataFrame, targets: pd.DataFrame, radius_m: float) -> pd.DataFrame:
    """Positions (``point``, ``target``) of all pairs no further apart than a radius, with ``distance_m``."""
    positions, distances = _tree(targets).query_radius(_radians(points), r=radius_m / EARTH_RADIUS_M, return_distance=True)
    return pd.DataFrame(
        {
            "point": np.repeat(np.arange(len(points)), [len(found) for found in positions]),
            "target": np.concatenate(positions).astype("int64"),
            "distance_m": np.concatenate(distances) * EARTH_RADIUS_M,
        }
    )


def between(a: pd.DataFrame, b: pd.DataFrame) -> NDArray[np.float64]:
    """Distance of each row of ``a`` to the same row of ``b``."""
    (lat_a, lon_a), (lat_b, lon_b) = _radians(a).T, _radians(b).T
    chord = np.sin((lat_b - lat_a) / 2) ** 2 + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(chord))


def _tree(points: pd.DataFrame) -> BallTree:
    return BallTree(_radians(points), metric="haversine")


def _radians(points: pd.DataFrame) -> NDArray[np.float64]:
    return np.radians(points[["lat", "lon"]].to_numpy(dtype="float64"))
