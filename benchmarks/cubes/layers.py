"""One way to read all layers, in a fresh process: ``python -m benchmarks.cubes.layers NAME DATES EDGE CACHE``.

Every way gives the same array, (date, band, y, x); its checksum is taken after the clock has stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from zlib import crc32

import numpy as np

from benchmarks.cubes import reading, stores
from benchmarks.cubes.scenes import BANDS, COLLECTION, EPSG, PIXEL_M, Scenes
from benchmarks.measuring import measure

Reader = Callable[[], np.ndarray]


def materialised(scenes: Scenes, cache: Path) -> Reader:
    """The same pixels as an Icechunk cube of 512² chunks."""
    import zarr

    from dataflows.cubes.repository import store

    def read() -> np.ndarray:
        session = store.open_readonly("regions", lake=stores.lake(scenes, cache))
        return np.asarray(zarr.open_group(session.store, path=stores.MATERIALISED, mode="r")["pixels"][:])

    return read


def virtual(scenes: Scenes, cache: Path) -> Reader:
    """``open_virtual``: chunk references into the files."""
    from dataflows.cubes.opening import open_virtual

    def read() -> np.ndarray:
        cube = open_virtual(COLLECTION, lake=stores.lake(scenes, cache))
        return np.stack([cube[band].values for band in BANDS], axis=1)

    return read


def ours(scenes: Scenes, cache: Path) -> Reader:
    """What decodes for chips (``TileReader``), asked for every tile."""
    from dataflows.cubes.rasters.access import Access
    from dataflows.cubes.rasters.tiles import TileReader

    def read() -> np.ndarray:
        out = np.empty((len(scenes.layers), scenes.edge, scenes.edge), np.uint16)
        hrefs = [str(path) for path in scenes.paths(cache)]
        with TileReader(Access(), cache_bytes=0) as reader:
            rasters = reader.rasters(hrefs)
            following = reader.begin({hrefs[0]: rasters[hrefs[0]].blocks})
            for layer, href in enumerate(hrefs):
                current, following = (
                    following,
                    reader.begin({name: rasters[name].blocks for name in hrefs[layer + 1 : layer + 3]}),
                )
                reader.finish(current)
                reader.cut(rasters[href], 1, 0, 0, out[layer])
                reader.trim([following])
        return out

    return read


def rasterio_threads(scenes: Scenes, cache: Path) -> Reader:
    """``read`` of each file, one thread a core."""
    import rasterio

    def read() -> np.ndarray:
        out = np.empty((len(scenes.layers), scenes.edge, scenes.edge), np.uint16)

        def one(layer: int, path: Path) -> None:
            with rasterio.open(path) as file:
                file.read(1, out=out[layer])

        reading.in_threads(scenes, cache, one)
        return out

    return read


def async_geotiff(scenes: Scenes, cache: Path) -> Reader:
    """``async-geotiff``, four files at a time."""
    import_module("async_geotiff")

    def read() -> np.ndarray:
        out = np.empty((len(scenes.layers), scenes.edge, scenes.edge), np.uint16)
        count = -(-scenes.edge // scenes.block)
        block = scenes.block

        def place(layer: int, decoded: dict[reading.Tile, reading.Pixels]) -> None:
            for (row, column), tile in decoded.items():
                target = out[layer, row * block : (row + 1) * block, column * block : (column + 1) * block]
                target[...] = tile[: target.shape[0], : target.shape[1]]

        reading.run_async(scenes, cache, [(row, column) for row in range(count) for column in range(count)], place)
        return out

    return read


def rioxarray(scenes: Scenes, cache: Path) -> Reader:
    """``open_rasterio`` of each file, in turn."""
    import rioxarray as rio
    import xarray as xr

    def read() -> np.ndarray:
        layers = [rio.open_rasterio(path).load() for path in scenes.paths(cache)]
        return xr.concat(layers, dim="layer").values[:, 0]

    return read


def odc_stac(scenes: Scenes, cache: Path) -> Reader:
    """``odc.stac.load`` with two threads."""
    import odc.stac
    from odc.geo.geobox import GeoBox

    items = stac_items(scenes, cache)
    box = GeoBox((scenes.edge, scenes.edge), scenes.transform, f"EPSG:{EPSG}")

    def read() -> np.ndarray:
        cube = odc.stac.load(items, bands=BANDS, geobox=box, pool=2, groupby="time", resampling="nearest")
        return np.stack([cube[band].values for band in BANDS], axis=1)

    return read


def stac_items(scenes: Scenes, cache: Path) -> list:
    """Items as a catalog would give them, with the projection extension."""
    import pystac
    from odc.geo.geobox import GeoBox

    box = GeoBox((scenes.edge, scenes.edge), scenes.transform, f"EPSG:{EPSG}")
    footprint = box.extent.to_crs("EPSG:4326")
    items = []
    for date in range(scenes.dates):
        properties = {
            "proj:code": f"EPSG:{EPSG}",
            "proj:shape": [scenes.edge] * 2,
            "proj:transform": list(scenes.transform[:6]),
            "gsd": PIXEL_M,
        }
        item = pystac.Item(
            scenes.item_id(date),
            footprint.json,
            list(footprint.boundingbox.bbox),
            scenes.taken_at(date),
            properties,
            stac_extensions=["https://stac-extensions.github.io/projection/v2.0.0/schema.json"],
            collection=COLLECTION,
        )
        for band in BANDS:
            path = str(scenes.path(cache, date, band))
            item.add_asset(
                band,
                pystac.Asset(
                    path,
                    media_type=pystac.MediaType.COG,
                    roles=["data"],
                    extra_fields={"bands": [{"name": band, "data_type": "uint16", "nodata": 0}]},
                ),
            )
        items.append(item)
    return items


CONTENDERS: dict[str, Callable[[Scenes, Path], Reader]] = {
    "materialised Icechunk": materialised,
    "odc-stac, pool=2": odc_stac,
    "rasterio, threads": rasterio_threads,
    "ours: TileReader": ours,
    "async-geotiff": async_geotiff,
    "ours: open_virtual": virtual,
    "rioxarray": rioxarray,
}


def main(name: str, dates: str, edge: str, cache: str) -> None:
    scenes = Scenes(int(dates), int(edge))
    read = CONTENDERS[name](scenes, Path(cache))
    found: list[np.ndarray] = []

    def operation() -> dict[str, object]:
        found.append(read())
        return {}

    measure(operation, lambda: {"checksum": crc32(np.ascontiguousarray(found[0]))})


if __name__ == "__main__":
    main(*sys.argv[1:])
