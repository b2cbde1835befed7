"""Generated points where PV would be: clusters on land, and places along borders, some of them exactly on one."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

SEED = 20_261_128
CLUSTER = 1_000
# A cluster's standard deviation, and how far those near a border are from it
SPREAD_DEG, NEAR_DEG = 0.15, 0.02
NEAR_SHARE, ON_SHARE = 0.1, 0.0005


def written(count: int, areas: Path, cache: Path) -> Path:
    """A Parquet file of ``count`` points: ``id`` (int64), ``lon`` and ``lat`` in degrees (EPSG:4326)."""
    file = cache / f"{areas.stem}-{count}.parquet"
    if not file.exists():
        lon, lat = _points(count, gpd.read_parquet(areas).geometry.to_numpy())
        pq.write_table(pa.table({"id": np.arange(count), "lon": lon, "lat": lat}), file)
    return file


def _points(count: int, areas: NDArray[np.object_]) -> NDArray[np.float64]:
    random = np.random.default_rng(SEED)
    corners = shapely.get_coordinates(areas)
    near, on = int(count * NEAR_SHARE), int(count * ON_SHARE)
    centres = _on_land(random, max(1, count // CLUSTER), areas)
    clustered = centres[random.integers(0, len(centres), count - near - on)] + random.normal(
        0, SPREAD_DEG, (count - near - on, 2)
    )
    along = corners[random.integers(0, len(corners), near)] + random.normal(0, NEAR_DEG, (near, 2))
    points = np.concatenate([clustered, along, corners[random.integers(0, len(corners), on)]])
    return np.clip(points[random.permutation(count)], (-180, -90), (180, 90)).T


def _on_land(random: np.random.Generator, count: int, areas: NDArray[np.object_]) -> NDArray[np.float64]:
    """Places within areas; large ones have more, though not as many as they are larger."""
    weight = np.sqrt(shapely.area(areas))
    shapely.prepare(areas)
    found: list[NDArray[np.float64]] = []
    while sum(map(len, found)) < count:
        chosen = random.choice(areas, 2 * count, p=weight / weight.sum())
        west, south, east, north = shapely.bounds(chosen).T
        places = np.column_stack([random.uniform(west, east), random.uniform(south, north)])
        found.append(places[shapely.contains_xy(chosen, *places.T)])
    return np.concatenate(found)[:count]
