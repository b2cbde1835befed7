"""Generated sites and buildings: roofs of which most carry modules, some plants among them, a few footprints twice."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from benchmarks.generated import METRES_PER_DEGREE, SEED

LON, LAT = 10.0, 48.0
BUILDINGS_PER_KM2 = 500
# Of the sites, those on the ground; of the buildings, those that are mapped twice, a little apart
PLANTS, TWICE = 0.02, 0.02


def written(count: int, folder: Path) -> tuple[Path, Path]:
    """GeoParquet files of ``count`` sites and of as many buildings, EPSG:4326; made once.

    Returns:
        Files of ``installation_id`` and ``geometry``, and of ``area_id``, ``kind`` and ``geometry``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sites, buildings = folder / f"sites-{count}.parquet", folder / f"buildings-{count}.parquet"
    if not (sites.exists() and buildings.exists()):
        random = np.random.default_rng(SEED)
        half_m = 500 * np.sqrt(count / BUILDINGS_PER_KM2)
        place = random.uniform(-half_m, half_m, (count, 2))
        size, turn = random.uniform(8, 40, (count, 2)), random.uniform(0, np.pi, count)
        twice = np.flatnonzero(random.random(count) < TWICE)[1:]
        place[twice], size[twice], turn[twice] = place[twice - 1] + 1, size[twice - 1], turn[twice - 1]
        _write(buildings, "area_id", "b", _rectangles(place, size, turn), kind="building")
        is_plant = random.random(count) < PLANTS
        beside = random.normal(0, 3, (count, 2))
        roofs = size * random.uniform(0.3, 0.9, (count, 1))
        grounds = random.uniform(100, 800, (count, 2))
        of_site = np.where(is_plant[:, None], grounds, roofs)
        _write(sites, "installation_id", "s", _rectangles(place + beside, of_site, turn))
    return sites, buildings


def _rectangles(
    place_m: NDArray[np.float64], size_m: NDArray[np.float64], turn_rad: NDArray[np.float64]
) -> NDArray[np.object_]:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) / 2
    x, y = (corners[None] * size_m[:, None]).transpose(2, 0, 1)
    cos, sin = np.cos(turn_rad)[:, None], np.sin(turn_rad)[:, None]
    north = LAT + (place_m[:, 1, None] + x * sin + y * cos) / METRES_PER_DEGREE
    east = LON + (place_m[:, 0, None] + x * cos - y * sin) / METRES_PER_DEGREE / np.cos(np.radians(LAT))
    return shapely.polygons(np.stack([east, north], axis=2))


def _write(file: Path, column: str, letter: str, shapes: NDArray[np.object_], **more: str) -> None:
    ids = np.char.add(letter, np.arange(len(shapes)).astype("U8"))
    gpd.GeoDataFrame({column: ids, **more}, geometry=shapes, crs="EPSG:4326").to_parquet(file)
