"""How others read what the benchmark's cubes are made of: whole layers, and the tiles that windows need."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cubes.scenes import Scenes

WORKERS = os.cpu_count() or 1

Tile = tuple[int, int]
Pixels = NDArray[np.uint16]


def tiles_of(scenes: Scenes, corners: NDArray[np.int64], size: int) -> list[Tile]:
    """Rows and columns of the tiles that windows need, sorted."""
    block = scenes.block
    return sorted(
        {
            (row, column)
            for top, left in corners.tolist()
            for row in range(top // block, (top + size - 1) // block + 1)
            for column in range(left // block, (left + size - 1) // block + 1)
        }
    )


def cut(scenes: Scenes, decoded: dict[Tile, Pixels], corners: NDArray[np.int64], out: Pixels) -> None:
    """Copy windows, shape (chip, y, x), from decoded tiles."""
    block, size = scenes.block, out.shape[-1]
    for chip, (top, left) in enumerate(corners.tolist()):
        for row in range(top // block, (top + size - 1) // block + 1):
            for column in range(left // block, (left + size - 1) // block + 1):
                y0, y1 = max(top, row * block), min(top + size, (row + 1) * block)
                x0, x1 = max(left, column * block), min(left + size, (column + 1) * block)
                tile = decoded[row, column]
                out[chip, y0 - top : y1 - top, x0 - left : x1 - left] = tile[
                    y0 - row * block : y1 - row * block, x0 - column * block : x1 - column * block
                ]


def rasterio_tiles(scenes: Scenes, path: Path, tiles: list[Tile]) -> dict[Tile, Pixels]:
    """Each tile of a file once, the file opened once."""
    import rasterio
    from rasterio.windows import Window

    block = scenes.block
    with rasterio.open(path) as file:
        return {
            (row, column): file.read(1, window=Window(column * block, row * block, block, block).intersection(_whole(scenes)))
            for row, column in tiles
        }


def _whole(scenes: Scenes):
    from rasterio.windows import Window

    return Window(0, 0, scenes.edge, scenes.edge)


def in_threads(scenes: Scenes, cache: Path, work: Callable[[int, Path], None]) -> None:
    """Do something with every file, one thread a core."""
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(lambda item: work(*item), enumerate(scenes.paths(cache))):
            pass


async def async_tiles(scenes: Scenes, store, name: str, tiles: list[Tile]) -> dict[Tile, Pixels]:
    """Each tile of a file once, by async-geotiff."""
    from async_geotiff import GeoTIFF

    file = await GeoTIFF.open(name, store=store)
    fetched = await file.fetch_tiles([(column, row) for row, column in tiles])
    return {tile: np.asarray(each.array.data)[0] for tile, each in zip(tiles, fetched, strict=True)}


def run_async(scenes: Scenes, cache: Path, tiles: list[Tile], work: Callable[[int, dict[Tile, Pixels]], None]) -> None:
    """Do something with the tiles of every file, four files at a time."""
    from obstore.store import LocalStore

    store = LocalStore(str(cache / scenes.name))

    async def everything() -> None:
        several = asyncio.Semaphore(4)

        async def one(layer: int, path: Path) -> None:
            async with several:
                work(layer, await async_tiles(scenes, store, path.name, tiles))

        await asyncio.gather(*(one(layer, path) for layer, path in enumerate(scenes.paths(cache))))

    asyncio.run(everything())
