"""Statistics of installations, in a fresh process: ``python -m benchmarks.cubes.zonal NAME DATES EDGE COUNT CACHE``.

Every contender says what its seconds include. All but the first find mean, standard deviation, least and greatest number of
every outline and layer. Coverage differs: exactextract computes it in each run, ours once, when the chips are built, which was
before the clock started; it is a part of the chips, and serves all dates, bands and runs. Ours leaves out what is not clear.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from benchmarks.cubes import sites
from benchmarks.cubes.scenes import BANDS, COLLECTION, EPSG, NORTH, PIXEL_M, WEST, Scenes
from benchmarks.measuring import measure

if TYPE_CHECKING:
    from icechunk import Session

# Holds the largest outline
SIZE = 64
SCALE = 1e-4
GROUP = f"{COLLECTION}/epsg-{EPSG}"
FOUR = ("mean", "stdev", "min", "max")

Means = np.ndarray  # shape (layer, site)


def bare(
    scenes: Scenes, cache: Path, count: int, *, operations: tuple[str, ...] = FOUR, reads: bool = False
) -> Callable[[], Means]:
    """By exactextract, from whole layers as arrays, which are read within the measurement or before it."""
    import geopandas as gpd
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    frame = gpd.GeoDataFrame(geometry=sites.outlines(scenes, count, SIZE), crs=f"EPSG:{EPSG}")
    edge_m = scenes.edge * PIXEL_M
    box = WEST, NORTH - edge_m, WEST + edge_m, NORTH
    crs = frame.crs.to_wkt()

    def source(layer: int, path: Path) -> NumPyRasterSource:
        with rasterio.open(path) as file:
            return NumPyRasterSource(file.read(1), *box, nodata=0, name=f"{layer:04d}", srs_wkt=crs)

    held = [] if reads else [source(*each) for each in enumerate(scenes.paths(cache))]

    def run() -> Means:
        # Files a date at a time: all of them are more than one would hold
        dates = batched(enumerate(scenes.paths(cache)), len(BANDS))
        groups = ([source(*each) for each in date] for date in dates) if reads else [held]
        tables = [exact_extract(group, frame, list(operations), output="pandas") for group in groups]
        return np.concatenate([table.filter(like="mean").to_numpy().T for table in tables])

    return run


def chips_of(scenes: Scenes, cache: Path, count: int) -> Session:
    """A repository of their chips, made where it is missing."""
    from dataflows.cubes.chips import build_chips
    from dataflows.cubes.repository import store
    from db.settings import Settings

    lake = Settings(home=cache / f"{scenes.name}-zonal-{count}", _env_file=None)
    build_chips(sites.plan(scenes, cache, sites.outlines(scenes, count, SIZE)), bands=BANDS, size=SIZE, lake=lake)
    return store.open_readonly("chips", lake=lake)


def in_memory(scenes: Scenes, cache: Path, count: int) -> Callable[[], Means]:
    """What ``timeseries`` does with each block of chips, and nothing else."""
    from dataflows.cubes.chip.blocks import blocks
    from dataflows.cubes.chip.group import opened_group
    from dataflows.cubes.timeseries import block_statistics

    group = opened_group(chips_of(scenes, cache, count), GROUP)
    scale, offset = group["reflectance_scale"][:], group["reflectance_offset"][:]
    held = [(block, group["own_mask"][block.chips]) for block in blocks(group, group["scene_key"][:] != 0)]
    order = np.argsort(group["installation_id"][:].astype(object))

    def run() -> Means:
        # Without medians, which the others do not compute
        found = [
            block_statistics(
                block, mask, scale, offset[block.chips, block.months], BANDS, [], alone=np.zeros(len(mask), np.bool_)
            )[0]
            for block, mask in held
        ]
        # Blocks take all months of some chips
        return np.concatenate([each.mean for each in found])[order].reshape(count, -1).T / SCALE

    return run


def stored(scenes: Scenes, cache: Path, count: int) -> Callable[[], Means]:
    """``timeseries`` of a group of chips."""
    from dataflows.cubes.timeseries import timeseries

    session = chips_of(scenes, cache, count)

    def run() -> Means:
        frame = timeseries(session, GROUP, indices=[]).select(["installation_id", "period", "variable", "mean"]).to_pandas()
        wide = frame.pivot(index=["period", "variable"], columns="installation_id", values="mean")
        wanted = [(period, band) for period in sorted(frame["period"].unique()) for band in BANDS]
        return wide.loc[wanted].to_numpy() / SCALE

    return run


CONTENDERS = {
    "exactextract: coverage, mean; layers in memory": partial(bare, operations=("mean",)),
    "exactextract: coverage, 4 statistics; layers in memory": bare,
    "exactextract: reading files, coverage, 4 statistics": partial(bare, reads=True),
    "ours: 4 statistics; chips in memory": in_memory,
    "ours: reading stored chips, 4 statistics, table": stored,
}
BARE = "exactextract: coverage, 4 statistics; layers in memory"


def main(name: str, dates: str, edge: str, count: str, cache: str) -> None:
    run = CONTENDERS[name](Scenes(int(dates), int(edge)), Path(cache), int(count))
    found: list[Means] = []

    def operation() -> dict[str, object]:
        found.append(run())
        return {}

    measure(operation, lambda: {"means": np.round(found[0], 6).ravel()[:: max(1, found[0].size // 5000)].tolist()})


if __name__ == "__main__":
    main(*sys.argv[1:])
