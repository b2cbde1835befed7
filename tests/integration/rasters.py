"""Rasters written by rasterio (GDAL), and scenes made of them: what virtual cubes are compared with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

from dataflows.cubes.references.scenes import SceneAsset

FIRST_DATE = datetime(2025, 1, 10, 10, 30, 15, 250_000, tzinfo=UTC)
ROWS, COLUMNS = 150, 130
TILES = {"tiled": True, "blockxsize": 64, "blockysize": 64}
COLLECTION = "made-l2a"


def pixels(dtype: str = "uint16", bands: int = 1, seed: int = 0, shape: tuple[int, int] = (ROWS, COLUMNS)) -> np.ndarray:
    """Random values over the whole range of a type, shape (bands, rows, columns)."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1000, (bands, *shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, (bands, *shape), dtype=dtype, endpoint=True)


def write_raster(path: Path, values: np.ndarray, **profile: Any) -> Path:
    """A GeoTIFF of 10 m in EPSG:32613 unless ``profile`` says otherwise; tiled unless it names strips."""
    path.parent.mkdir(parents=True, exist_ok=True)
    described = {
        "driver": "GTiff",
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype,
        "crs": "EPSG:32613",
        "transform": from_origin(400_000, 4_400_000, 10, 10),
        **TILES,
        **profile,
    }
    with rasterio.open(path, "w", **described) as file:
        file.write(values)
    return path


def read_raster(path: Path | str) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read()


def scene(href: Path | str, day: int = 0, asset: str = "red", **facts: Any) -> SceneAsset:
    """A scene of one raster, ``day`` days after the first."""
    described = {"collection": COLLECTION, "item_id": f"item-{day:03d}", "datetime": FIRST_DATE + timedelta(days=day), **facts}
    return SceneAsset(asset_key=asset, href=str(href), **described)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal in type, shape and every bit: NaN and -0.0 included."""
    native = other.astype(other.dtype.newbyteorder("="))
    return one.dtype == native.dtype and one.shape == native.shape and one.tobytes() == native.tobytes()
