"""Pixels of many windows from few decodes: every internal tile of a file that any window needs is decoded once.

Tiles are read by GDAL (rasterio) in threads, one a file: on 24 files of 2048² (deflate, predictor 2) that takes 0.35 s on
two cores, async-geotiff 0.5.1 takes 0.72 s. What GDAL reads is what rasterio reads, whatever the codec. The same way leads to
files, HTTP and S3, and to what cannot be referenced virtually.

Neighbouring tiles of a row are decoded in one call and stay together as one slab: a thread that decodes needs Python's lock
between calls only, and a window is cut from one array, not from several. Of what is remote, GDAL fetches them in parallel.

Decoded tiles stay in memory until they are dropped or exceed a number of bytes; the tiles used longest ago go first. Whoever
asks in the order of place finds every tile still there. ``decoded`` counts decodes, and ``wanted`` distinct tiles, so that a
test can tell.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from threading import Lock

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from dataflows.cubes.rasters.access import Access, absolute
from dataflows.cubes.rasters.checksums import Checksums
from dataflows.cubes.rasters.gdal_access import OpenFiles
from dataflows.cubes.rasters.grid import Grid
from db.errors import CubeError, SourceError

log = logging.getLogger(__name__)

CACHE_BYTES = 256 * 1024 * 1024

# Strips and small tiles are taken several at a time: their number, not their size, would cost the time
LEAST_BLOCK = 256

Block = tuple[int, int]
Tile = tuple[str, Block]  # href, block


@dataclass(frozen=True)
class Raster:
    """What cutting needs to know about a file.

    Attributes:
        href: absolute URL.
        grid: CRS, transform, shape.
        block: rows and columns that are decoded together.
        bands: bands in the file.
        dtype: NumPy's name of the pixels' type.
        nodata: of the first band, ``None`` where the file states none.
    """

    href: str
    grid: Grid
    block: tuple[int, int]
    bands: int
    dtype: str
    nodata: float | None

    @property
    def tile_bytes(self) -> int:
        """What a decoded tile takes."""
        return self.block[0] * self.block[1] * self.bands * np.dtype(self.dtype).itemsize

    @property
    def blocks(self) -> list[Block]:
        """All blocks of the file."""
        rows, columns = (-(-extent // block) for extent, block in zip(self.grid.shape, self.block, strict=True))
        return [(row, column) for row in range(rows) for column in range(columns)]


class _Slab:
    """Decoded blocks that are neighbours in a row of blocks.

    Attributes:
        pixels: shape (band, y, x).
        row, column: first pixel in the file; ``end_row``, ``end_column``: the last but one.
        tiles: those of its blocks that are kept.
        blocks: how many it has.
        block_width: columns of each but perhaps the last.
    """

    __slots__ = ("block_width", "blocks", "column", "end_column", "end_row", "pixels", "row", "tiles")

    def __init__(self, pixels: NDArray[np.generic], row: int, column: int, tiles: set[Tile], block_width: int) -> None:
        self.pixels, self.row, self.column, self.tiles, self.blocks = pixels, row, column, tiles, len(tiles)
        self.block_width = block_width
        self.end_row, self.end_column = row + pixels.shape[1], column + pixels.shape[2]


@dataclass(frozen=True)
class Decoding:
    """Tiles that are needed together, and what decodes those that are not there yet."""

    tiles: frozenset[Tile]
    futures: set[Future[None]]


class TileReader:
    """Decodes blocks of rasters and cuts windows from them. Not to be shared between threads; it has its own.

    Args:
        access: credentials.
        cache_bytes: how much decoded pixels may take.
        workers: files decoded at the same time; one a core when omitted.
    """

    def __init__(self, access: Access, *, cache_bytes: int = CACHE_BYTES, workers: int | None = None) -> None:
        self._access = access
        self._cache_bytes = cache_bytes
        workers = workers or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="tiles")
        # Of their own: whoever asks for facts of the next files must not wait for all the tiles that are to be decoded before
        self._describing = ThreadPoolExecutor(workers, thread_name_prefix="files")
        self._files = OpenFiles(access)
        self._rasters: dict[str, Raster | SourceError] = {}
        self._tiles: OrderedDict[Tile, _Slab | SourceError] = OrderedDict()
        self._held = 0
        self._lock = Lock()
        self._grids: dict[Grid, Grid] = {}
        self._known: dict[str, set[Block]] = {}
        self._coming: dict[Tile, Future[None]] = {}
        self.decoded = self.wanted = 0
        self.checksums = Checksums(access)

    def __enter__(self) -> TileReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._describing.shutdown(cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)
        self._files.close()
        self._tiles.clear()

    def forget(self, hrefs: Iterable[str]) -> None:
        """Drop all tiles of files, and what is known of them: those of the next period are others."""
        files = set(hrefs)
        with self._lock:
            for key in [key for key in self._tiles if key[0] in files]:
                self._drop(key)
        self._files.close(files)
        for href in files:
            self._rasters.pop(href, None)
            self._known.pop(href, None)

    def drop(self, tiles: Iterable[Tile]) -> None:
        """Drop tiles that nobody will ask for again."""
        with self._lock:
            for tile in tiles:
                if tile in self._tiles:
                    self._drop(tile)

    def rasters(self, hrefs: Iterable[str]) -> dict[str, Raster | SourceError]:
        """Facts of many files, several at a time; one that cannot be read has the error in its place."""
        hrefs = list(dict.fromkeys(hrefs))
        missing = [href for href in hrefs if href not in self._rasters]
        for href, found in zip(missing, self._describing.map(self._described, missing), strict=True):
            if isinstance(found, Raster):
                # Files of one grid hold one object, so that it need not be compared number by number
                found = replace(found, grid=self._grids.setdefault(found.grid, found.grid))
            self._rasters[href] = found
        return {href: self._rasters[href] for href in hrefs}

    def raster(self, href: str) -> Raster:
        """Facts of one file.

        Raises:
            SourceError: it is missing or cannot be read.
        """
        found = self._rasters.get(href) or self.rasters([href])[href]
        if isinstance(found, SourceError):
            raise found
        return found

    def begin(self, wanted: Mapping[str, Collection[Block]]) -> Decoding:
        """Begin to decode tiles that are not in memory; the files side by side.

        Args:
            wanted: href → blocks of it; the files are known (:meth:`rasters`) and readable.

        Returns:
            What to :meth:`finish`, and not to :meth:`trim`, before anything is cut from them.
        """
        tiles = [(href, index) for href in wanted for index in sorted(wanted[href])]
        for href, index in tiles:
            known = self._known.setdefault(href, set())
            self.wanted += index not in known
            known.add(index)
        with self._lock:
            for tile in tiles:
                if tile in self._tiles:
                    self._tiles.move_to_end(tile)
            absent = [tile for tile in tiles if tile not in self._tiles and tile not in self._coming]
        for href, run in groupby(absent, key=itemgetter(0)):
            indices = [index for _, index in run]
            future = self._pool.submit(self._decode, href, indices)
            self._coming.update(((href, index), future) for index in indices)
        return Decoding(frozenset(tiles), {self._coming[tile] for tile in tiles if tile in self._coming})

    def finish(self, decoding: Decoding) -> None:
        """Wait for tiles; then their parts can be cut."""
        for future in decoding.futures:
            future.result()
        for tile in decoding.tiles:
            self._coming.pop(tile, None)

    def holds(self, href: str, tile: Block) -> bool:
        """Whether a tile is in memory, or will be soon."""
        return (href, tile) in self._tiles or (href, tile) in self._coming

    def trim(self, needed: Iterable[Decoding] = ()) -> None:
        """Drop the tiles used longest ago until what is held is within ``cache_bytes``.

        Args:
            needed: tiles that stay, however many.
        """
        stay = frozenset().union(*(decoding.tiles for decoding in needed))
        with self._lock:
            for key in [key for key in self._tiles if key not in stay]:
                if self._held <= self._cache_bytes:
                    return
                self._drop(key)

    def cut(self, raster: Raster, band: int, row: int, column: int, out: NDArray[np.generic]) -> None:
        """Copy a window of a band into an array of its shape, from tiles that are decoded (:meth:`finish`).

        Args:
            raster: file.
            band: from 1.
            row: first row of the window, which lies within the file.
            column: first column.
            out: shape of the window.

        Raises:
            SourceError: a tile of the window cannot be decoded.
        """
        height, width = raster.block
        end_row, end_column = row + out.shape[0], column + out.shape[1]
        y0 = row
        while y0 < end_row:
            x0, y1 = column, end_row
            while x0 < end_column:
                slab = self._tiles[raster.href, (y0 // height, x0 // width)]
                if isinstance(slab, SourceError):
                    raise slab
                y1, x1 = min(end_row, slab.end_row), min(end_column, slab.end_column)
                out[y0 - row : y1 - row, x0 - column : x1 - column] = slab.pixels[
                    band - 1, y0 - slab.row : y1 - slab.row, x0 - slab.column : x1 - slab.column
                ]
                x0 = x1
            y0 = y1

    def _described(self, href: str) -> Raster | SourceError:
        try:
            with self._files.opened(href) as source:
                return _described(href, source)
        except SourceError as error:
            return error
        except (RasterioError, OSError) as error:
            return SourceError(f"{absolute(href)} cannot be read: {_reason(error)}.", remedy="Fetch it again, or leave it out.")

    def _decode(self, href: str, blocks: list[Block]) -> None:
        raster = self.raster(href)
        try:
            with self._files.opened(href) as source:
                for run in _runs(blocks):
                    self._decode_run(source, raster, run)
        except (RasterioError, OSError) as error:
            for index in blocks:
                self._keep(href, [index], _undecodable(href, error))

    def _decode_run(self, source: rasterio.DatasetReader, raster: Raster, run: list[Block]) -> None:
        """Neighbouring blocks of one row in one read."""
        height, width = raster.block
        rows, columns = raster.grid.shape
        top, left = run[0][0] * height, run[0][1] * width
        bottom, right = min(top + height, rows), min((run[-1][1] + 1) * width, columns)
        try:
            pixels: NDArray[np.generic] = source.read(window=Window(left, top, right - left, bottom - top))
        except RasterioError as error:
            if len(run) == 1:
                self._keep(raster.href, run, _undecodable(raster.href, error))
                return
            # One broken tile is no reason to lose its neighbours
            for index in run:
                self._decode_run(source, raster, [index])
            return
        self._keep(raster.href, run, _Slab(pixels, top, left, {(raster.href, index) for index in run}, width))

    def _keep(self, href: str, run: list[Block], found: _Slab | SourceError) -> None:
        with self._lock:
            self._tiles.update(((href, index), found) for index in run)
            self._held += 0 if isinstance(found, SourceError) else found.pixels.nbytes
            self.decoded += len(run)

    def _drop(self, tile: Tile) -> None:
        """Drop a tile; its memory is free when less than half of its slab is left."""
        slab = self._tiles.pop(tile)
        if isinstance(slab, SourceError):
            return
        slab.tiles.discard(tile)
        if 2 * len(slab.tiles) >= slab.blocks:
            return
        self._held -= slab.pixels.nbytes
        width = slab.block_width
        for href, index in slab.tiles:
            left = index[1] * width
            pixels = slab.pixels[:, :, left - slab.column : left - slab.column + width].copy()
            self._tiles[href, index] = _Slab(pixels, slab.row, left, {(href, index)}, width)
            self._held += pixels.nbytes


def _runs(blocks: list[Block]) -> Iterator[list[Block]]:
    """Sorted blocks, those that are neighbours in a row together."""
    for _, run in groupby(enumerate(blocks), key=lambda item: (item[1][0], item[1][1] - item[0])):
        yield [index for _, index in run]


def _described(href: str, source: rasterio.DatasetReader) -> Raster:
    epsg = None if source.crs is None else source.crs.to_epsg()
    if epsg is None:
        raise SourceError(f"{absolute(href)} has no CRS with an EPSG code.", remedy="Warp it first: groups are named by code.")
    if len(set(source.dtypes)) > 1:
        raise SourceError(f"{absolute(href)}: bands are of several types: {', '.join(source.dtypes)}.")
    try:
        grid = Grid.of(epsg, source.transform[:6], source.shape)
    except CubeError as error:
        raise SourceError(error.message, remedy=error.remedy) from None
    block = tuple(_least(*sizes) for sizes in zip(source.block_shapes[0], source.shape, strict=True))
    return Raster(href, grid, block, source.count, source.dtypes[0], source.nodata)


def _least(block: int, extent: int) -> int:
    """Pixels that are decoded together along one axis: whole blocks, as many as make :data:`LEAST_BLOCK`."""
    return min(block * -(-min(LEAST_BLOCK, extent) // block), -(-extent // block) * block)


def _undecodable(href: str, error: Exception) -> SourceError:
    return SourceError(
        f"{absolute(href)}: a tile cannot be decoded: {_reason(error)}.", remedy="Fetch it again, or leave it out."
    )


def _reason(error: Exception) -> str:
    # rasterio says "Read failed. See previous exception for details."
    cause = error.__cause__ or error
    return str(cause).split("\n", 1)[0].rstrip(".")[:200]
