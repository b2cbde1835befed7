"""Installations at random places of generated scenes, and the plan of chips that a lake would make of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray

from benchmarks.cubes.scenes import BANDS, COLLECTION, EPSG, NORTH, PIXEL_M, WEST, Scenes
from dataflows.cubes.chip.plan import ChipPlan
from dataflows.cubes.pixels.windows import Lattice, windows
from dataflows.cubes.rasters.grid import Grid

# Edges of the outlines in metres
SMALLEST_M, LARGEST_M = 30.0, 300.0
SEED = 20_251_121


def outlines(scenes: Scenes, count: int, size: int) -> NDArray[np.object_]:
    """Squares whose chips of ``size`` pixels lie within the scenes, in their CRS, shape (count,)."""
    rng = np.random.default_rng(SEED)
    margin = (size / 2 + 1) * PIXEL_M
    x = rng.uniform(WEST + margin, WEST + scenes.edge * PIXEL_M - margin, count)
    y = rng.uniform(NORTH - scenes.edge * PIXEL_M + margin, NORTH - margin, count)
    half = rng.uniform(SMALLEST_M, LARGEST_M, count) / 2
    return shapely.box(x - half, y - half, x + half, y + half)


def corners(scenes: Scenes, shapes: NDArray[np.object_], size: int) -> NDArray[np.int64]:
    """Row and column of each chip's first pixel, shape (count, 2): where the lake puts it, so that all read the same."""
    grid = Grid(EPSG, scenes.transform, (scenes.edge, scenes.edge))
    found = windows(shapes, Lattice.of(grid), size)
    assert np.array_equal(found.site, np.arange(len(shapes)))
    rows, columns = (NORTH - found.top) / PIXEL_M, (found.left - WEST) / PIXEL_M
    return np.rint(np.stack([rows, columns], axis=1)).astype(np.int64)


def site_name(index: int) -> str:
    """Id of an installation."""
    return f"site-{index:06d}"


def plan(scenes: Scenes, cache: Path, shapes: NDArray[np.object_]) -> ChipPlan:
    """Every installation in every scene."""
    to = pyproj.Transformer.from_crs(EPSG, 4326, always_xy=True)
    geometries = shapely.transform(shapes, lambda x, y: to.transform(x, y), interleaved=False)
    names = [site_name(index) for index in range(len(shapes))]
    installations = pa.table(
        {
            "installation_id": names,
            "geometry": pa.array(shapely.to_wkb(geometries), pa.binary()),
            "h3_r8": pa.array(np.arange(1, len(shapes) + 1), pa.uint64()),
            "area_m2": pa.nulls(len(shapes), pa.float64()),
            "capacity_mw": pa.nulls(len(shapes), pa.float64()),
        }
    )
    return ChipPlan(
        installations, pa.concat_tables(_chosen(scenes, each, names) for each in range(scenes.dates)), _files(scenes, cache)
    )


def _chosen(scenes: Scenes, each: int, names: list[str]) -> pa.Table:
    taken_at, n = scenes.taken_at(each), len(names)
    return pa.table(
        {
            "installation_id": names,
            "catalog": pa.repeat("generated", n),
            "collection": pa.repeat(COLLECTION, n),
            "item_id": pa.repeat(scenes.item_id(each), n),
            "version": pa.repeat(pa.scalar(1, pa.int32()), n),
            "period": pa.repeat(pa.scalar(date(taken_at.year, taken_at.month, 1)), n),
            "rank": pa.repeat(pa.scalar(1, pa.int32()), n),
            "datetime": pa.repeat(pa.scalar(taken_at, pa.timestamp("us", "UTC")), n),
            "epsg": pa.repeat(pa.scalar(EPSG, pa.int32()), n),
            "processing_baseline": pa.nulls(n, pa.string()),
            "boa_offset_applied": pa.nulls(n, pa.bool_()),
        }
    )


def _files(scenes: Scenes, cache: Path) -> pa.Table:
    transform: Affine = scenes.transform
    rows = [
        {
            "catalog": "generated",
            "collection": COLLECTION,
            "item_id": scenes.item_id(each),
            "version": 1,
            "asset_key": band,
            "href": str(scenes.path(cache, each, band)),
            "media_type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "bands": [band],
            "gsd_m": PIXEL_M,
            "proj_transform": list(transform[:6]),
            "nodata": 0.0,
            "scale": 1e-4,
            "value_offset": 0.0,
            "checksum": None,
        }
        for each in range(scenes.dates)
        for band in BANDS
    ]
    return pa.Table.from_pylist(rows, pa.schema([*_ASSET_TYPES.items()]))


_ASSET_TYPES = {
    "catalog": pa.string(),
    "collection": pa.string(),
    "item_id": pa.string(),
    "version": pa.int32(),
    "asset_key": pa.string(),
    "href": pa.string(),
    "media_type": pa.string(),
    "roles": pa.list_(pa.string()),
    "bands": pa.list_(pa.string()),
    "gsd_m": pa.float64(),
    "proj_transform": pa.list_(pa.float64()),
    "nodata": pa.float64(),
    "scale": pa.float64(),
    "value_offset": pa.float64(),
    "checksum": pa.string(),
}
