"""Scenes that look like Sentinel-2's to a codec, written by rasterio, and installations on them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

EPSG = 32633
WEST, NORTH = 500_000.0, 5_000_000.0
PIXEL_M = 10.0
BANDS = ("blue", "green", "red", "nir")
COLLECTION = "generated-l2a"

# Cells of the coarse field that the pixels vary about
FIELD_PX = 64
NOISE = 60.0


@dataclass(frozen=True)
class Scenes:
    """Files of one size, one a date and band.

    Attributes:
        dates: one a month of 2025.
        edge: rows and columns.
        block: rows and columns of a tile.
    """

    dates: int
    edge: int
    block: int = 512

    @property
    def name(self) -> str:
        """Of their folder."""
        return f"scenes-{self.dates}x{len(BANDS)}x{self.edge}-{self.block}"

    @property
    def transform(self) -> Affine:
        """Pixel corner (column, row) → metres."""
        return Affine(PIXEL_M, 0, WEST, 0, -PIXEL_M, NORTH)

    @property
    def layers(self) -> list[tuple[int, str]]:
        """Date and band of each file, in the order of the cube."""
        return [(date, band) for date in range(self.dates) for band in BANDS]

    def taken_at(self, date: int) -> datetime:
        """When."""
        return datetime(2025, date + 1, 5, 10, 30, tzinfo=UTC)

    def item_id(self, date: int) -> str:
        """STAC item of a date."""
        return f"G{self.taken_at(date):%Y%m%d}"

    def path(self, cache: Path, date: int, band: str) -> Path:
        """One file."""
        return cache / self.name / f"{self.item_id(date)}-{band}.tif"

    def paths(self, cache: Path) -> list[Path]:
        """All files, in the order of ``layers``."""
        return [self.path(cache, *layer) for layer in self.layers]


def strips(edge: int, height: int, seed: int) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """Numbers that vary smoothly with noise upon them, none of them 0: first row, and ``height`` rows or what is left."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(400, 3_000, (edge // FIELD_PX + 2, edge // FIELD_PX + 2)).astype(np.float32)
    columns, share = _between(np.arange(edge))
    for first in range(0, edge, height):
        rows, weight = _between(np.arange(first, min(first + height, edge)))
        smooth = coarse[rows] * (1 - weight)[:, None] + coarse[rows + 1] * weight[:, None]
        smooth = smooth[:, columns] * (1 - share) + smooth[:, columns + 1] * share
        smooth += rng.standard_normal(smooth.shape, np.float32) * np.float32(NOISE)
        yield first, np.clip(smooth, 1, 10_000).astype(np.uint16)


def _between(pixel: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Cell of the coarse field, and how far a pixel is towards the next."""
    return pixel // FIELD_PX, (pixel % FIELD_PX / FIELD_PX).astype(np.float32)


def written(scenes: Scenes, cache: Path) -> Path:
    """The folder of the files, which are written where they are not there yet."""
    folder = cache / scenes.name
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        missing = [(layer, path) for layer, path in zip(scenes.layers, scenes.paths(cache), strict=True) if not path.exists()]
        list(pool.map(lambda each: _write(scenes, *each), missing))
    return folder


def _write(scenes: Scenes, layer: tuple[int, str], path: Path) -> None:
    date, band = layer
    part = path.with_suffix(".part")
    profile = {
        "driver": "GTiff",
        "width": scenes.edge,
        "height": scenes.edge,
        "count": 1,
        "dtype": "uint16",
        "crs": f"EPSG:{EPSG}",
        "transform": scenes.transform,
        "tiled": True,
        "blockxsize": scenes.block,
        "blockysize": scenes.block,
        "compress": "deflate",
        "predictor": 2,
        "nodata": 0,
    }
    with rasterio.open(part, "w", **profile) as file:
        for first, rows in strips(scenes.edge, scenes.block, seed=100 * date + BANDS.index(band)):
            file.write(rows, 1, window=Window(0, first, scenes.edge, len(rows)))
    part.rename(path)
