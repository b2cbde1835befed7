"""Statistics of installations, in a fresh process: ``python -m benchmarks.cubes.zonal NAME DATES EDGE COUNT CACHE``.

Mean of every outline and layer. Bare ``exactextract`` has the layers in memory as arrays and does nothing but the statistics;
from files, it reads them first. Ours
reads chips from the repository (they were built before the clock started), leaves out what is not clear, and makes a table
with mean, standard deviation, least, greatest, covered area and clear share.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import rasterio

from benchmarks.cubes import sites
from benchmarks.cubes.scenes import BANDS, COLLECTION, EPSG, NORTH, PIXEL_M, WEST, Scenes
from benchmarks.measuring import measure

# Holds the largest outline
SIZE = 64
SCALE = 1e-4

Means = np.ndarray  # shape (layer, site)


def bare(scenes: Scenes, cache: Path, count: int, *, reads: bool = False) -> Callable[[], Means]:
    """By exactextract, from arrays, which are read within the measurement or before it."""
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
        if not reads:
            return exact_extract(held, frame, ["mean"], output="pandas").to_numpy().T
        # A layer at a time: all of them are more than one would hold
        layers = (source(*each) for each in enumerate(scenes.paths(cache)))
        return np.stack([exact_extract(each, frame, ["mean"], output="pandas").to_numpy()[:, 0] for each in layers])

    return run


def ours(scenes: Scenes, cache: Path, count: int) -> Callable[[], Means]:
    """``timeseries`` of a group of chips."""
    from dataflows.cubes.chips import build_chips
    from dataflows.cubes.repository import store
    from dataflows.cubes.timeseries import timeseries
    from db.settings import Settings

    lake = Settings(home=cache / f"{scenes.name}-zonal-{count}", _env_file=None)
    build_chips(sites.plan(scenes, cache, sites.outlines(scenes, count, SIZE)), bands=BANDS, size=SIZE, lake=lake)

    def run() -> Means:
        session = store.open_readonly("chips", lake=lake)
        table = timeseries(session, f"{COLLECTION}/epsg-{EPSG}", indices=[])
        frame = table.select(["installation_id", "period", "variable", "mean"]).to_pandas()
        wide = frame.pivot(index=["period", "variable"], columns="installation_id", values="mean")
        wanted = [(period, band) for period in sorted(frame["period"].unique()) for band in BANDS]
        return wide.loc[wanted].to_numpy() / SCALE

    return run


CONTENDERS = {
    "exactextract, arrays": bare,
    "exactextract, files": partial(bare, reads=True),
    "ours: timeseries": ours,
}


def main(name: str, dates: str, edge: str, count: str, cache: str) -> None:
    run = CONTENDERS[name](Scenes(int(dates), int(edge)), Path(cache), int(count))
    found: list[Means] = []

    def operation() -> dict[str, object]:
        found.append(run())
        return {}

    measure(operation, lambda: {"means": np.round(found[0], 6).ravel()[:: max(1, found[0].size // 5000)].tolist()})


if __name__ == "__main__":
    main(*sys.argv[1:])
