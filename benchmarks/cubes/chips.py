"""One way to get chips, in a fresh process: ``python -m benchmarks.cubes.chips NAME DATES EDGE COUNT SIZE CACHE``.

Every way gives the same array, (chip, layer, y, x); its checksum is taken after the clock has stopped. Ours has written the
chips to Icechunk by then, with classes, masks and coordinates, checked, committed and tagged; the others hold the pixels in
memory.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from benchmarks.cubes import layers, reading, sites, stores
from benchmarks.cubes.scenes import BANDS, COLLECTION, EPSG, NORTH, PIXEL_M, WEST, Scenes
from benchmarks.measuring import measure
from dataflows.cubes.rasters.access import Access


class Contest:
    """What is to be cut from what.

    Args:
        scenes: the files.
        cache: where they are.
        count: installations.
        size: pixels along an edge.
        scratch: where ours may write.
    """

    def __init__(self, scenes: Scenes, cache: Path, count: int, size: int, scratch: Path) -> None:
        self.scenes, self.cache, self.size, self.scratch = scenes, cache, size, scratch
        self.shapes = sites.outlines(scenes, count, size)
        self.corners = sites.corners(scenes, self.shapes, size)
        self.tiles = reading.tiles_of(scenes, self.corners, size)
        self.needed = self.decoded = len(self.tiles) * len(scenes.layers)

    def empty(self) -> NDArray[np.uint16]:
        """Memory for the result, shape (layer, chip, y, x): one layer's chips are written together."""
        return np.empty((len(self.scenes.layers), len(self.corners), self.size, self.size), np.uint16)

    def window(self, chip: int) -> tuple[slice, slice]:
        """Rows and columns of a chip."""
        top, left = self.corners[chip].tolist()
        return slice(top, top + self.size), slice(left, left + self.size)


Cutting = Callable[[], Callable[[], np.ndarray]]


def each_tile_once(contest: Contest) -> Cutting:
    """What cannot be avoided: rasterio decodes each needed tile once, one thread a core; nothing is cut or kept."""
    import_module("rasterio")

    def run() -> Callable[[], np.ndarray]:
        def one(_: int, path: Path) -> None:
            reading.rasterio_tiles(contest.scenes, path, contest.tiles)

        reading.in_threads(contest.scenes, contest.cache, one)
        return lambda: np.empty(0, np.uint16)

    return run


def rasterio_by_tile(contest: Contest) -> Cutting:
    """The same, and cut: the best grouped reader without a store."""
    import_module("rasterio")

    def run() -> Callable[[], np.ndarray]:
        out = contest.empty()

        def one(layer: int, path: Path) -> None:
            decoded = reading.rasterio_tiles(contest.scenes, path, contest.tiles)
            reading.cut(contest.scenes, decoded, contest.corners, out[layer])

        reading.in_threads(contest.scenes, contest.cache, one)
        return lambda: out

    return run


def async_by_tile(contest: Contest) -> Cutting:
    """``async-geotiff`` decodes each needed tile once."""
    import_module("async_geotiff")

    def run() -> Callable[[], np.ndarray]:
        out = contest.empty()

        def place(layer: int, decoded: dict[reading.Tile, reading.Pixels]) -> None:
            reading.cut(contest.scenes, decoded, contest.corners, out[layer])

        reading.run_async(contest.scenes, contest.cache, contest.tiles, place)
        return lambda: out

    return run


def materialised_by_tile(contest: Contest) -> Cutting:
    """A materialised Icechunk cube of 512² chunks, layer by layer."""
    read = layers.materialised(contest.scenes, contest.cache)
    return _of_layers(contest, read)


def virtual_by_tile(contest: Contest) -> Cutting:
    """``open_virtual``, whole layers."""
    return _of_layers(contest, layers.virtual(contest.scenes, contest.cache))


def _of_layers(contest: Contest, read: layers.Reader) -> Cutting:
    def run() -> Callable[[], np.ndarray]:
        out = contest.empty()
        cube = read().reshape(len(contest.scenes.layers), contest.scenes.edge, contest.scenes.edge)
        for chip in range(len(contest.corners)):
            out[:, chip] = cube[:, *contest.window(chip)]
        return lambda: out

    return run


def virtual_by_chip(contest: Contest) -> Cutting:
    """``open_virtual``, a window of all layers for each chip."""
    from dataflows.cubes.opening import open_virtual

    def run() -> Callable[[], np.ndarray]:
        out = contest.empty()
        cube = open_virtual(COLLECTION, lake=stores.lake(contest.scenes, contest.cache))
        for chip in range(len(contest.corners)):
            rows, columns = contest.window(chip)
            bands = [cube[band].isel(y=rows, x=columns).values for band in BANDS]
            out[:, chip] = np.stack(bands, axis=1).reshape(-1, contest.size, contest.size)
        return lambda: out

    return run


def rasterio_by_chip(contest: Contest) -> Cutting:
    """The usual way: open a file for every chip and layer, and read its window."""
    import rasterio
    from rasterio.windows import Window

    def run() -> Callable[[], np.ndarray]:
        out = contest.empty()
        for chip, (top, left) in enumerate(contest.corners.tolist()):
            for layer, path in enumerate(contest.scenes.paths(contest.cache)):
                with rasterio.open(path) as file:
                    file.read(1, window=Window(left, top, contest.size, contest.size), out=out[layer, chip])
        return lambda: out

    return run


def odc_stac_by_area(contest: Contest) -> Cutting:
    """``odc.stac.load`` of every chip's area, with two threads."""
    import odc.stac
    from affine import Affine
    from odc.geo.geobox import GeoBox

    items = layers.stac_items(contest.scenes, contest.cache)

    def run() -> Callable[[], np.ndarray]:
        out = contest.empty()
        for chip, (top, left) in enumerate(contest.corners.tolist()):
            transform = Affine(PIXEL_M, 0, WEST + left * PIXEL_M, 0, -PIXEL_M, NORTH - top * PIXEL_M)
            box = GeoBox((contest.size, contest.size), transform, f"EPSG:{EPSG}")
            cube = odc.stac.load(items, bands=BANDS, geobox=box, pool=2, groupby="time", resampling="nearest")
            bands = [cube[band].values for band in BANDS]
            out[:, chip] = np.stack(bands, axis=1).reshape(-1, contest.size, contest.size)
        return lambda: out

    return run


def ours(contest: Contest) -> Cutting:
    """``build_chips`` into an empty repository: from the plan to the checked and tagged commit."""
    import_module("pyarrow.ipc")
    from dataflows.cubes.chips import build_chips
    from dataflows.cubes.opening import open_chips
    from db.settings import Settings

    plan = sites.plan(contest.scenes, contest.cache, contest.shapes)
    lake = Settings(home=contest.scratch / "home", _env_file=None)

    def run() -> Callable[[], np.ndarray]:
        result = build_chips(plan, bands=BANDS, size=contest.size, access=Access(), lake=lake)
        (group,) = result.groups
        assert group.tiles_wanted == contest.needed
        contest.decoded = group.tiles_decoded

        def cubed() -> np.ndarray:
            cube = open_chips(COLLECTION, lake=lake)
            order = np.argsort(cube.installation_id.values.astype(object))
            values = cube.pixels.values[order]
            return values.reshape(len(order), -1, contest.size, contest.size).swapaxes(0, 1)

        return cubed

    return run


CONTENDERS: dict[str, Callable[[Contest], Cutting]] = {
    "each tile once (rasterio)": each_tile_once,
    "rasterio, grouped by tile": rasterio_by_tile,
    "materialised, grouped by tile": materialised_by_tile,
    "async-geotiff, grouped by tile": async_by_tile,
    "virtual, grouped by tile": virtual_by_tile,
    "virtual, chip by chip": virtual_by_chip,
    "rasterio, open for every chip": rasterio_by_chip,
    "odc-stac per area": odc_stac_by_area,
    "ours: build_chips": ours,
}


def main(name: str, dates: str, edge: str, count: str, size: str, cache: str) -> None:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        contest = Contest(Scenes(int(dates), int(edge)), Path(cache), int(count), int(size), Path(scratch))
        run = CONTENDERS[name](contest)
        found: list[Callable[[], np.ndarray]] = []

        def operation() -> dict[str, object]:
            found.append(run())
            return {"tiles": contest.needed, "decoded": contest.decoded}

        # Of 20,000 chips the pixels are too many to be held at once: the speed of those is measured, not their content
        verify = len(contest.corners) * len(contest.scenes.layers) <= 200 * 48
        measure(operation, lambda: {"checksum": crc32(np.ascontiguousarray(found[0]()))} if verify else {})


if __name__ == "__main__":
    main(*sys.argv[1:])
