"""One chip from one scene: which pixels of each file it takes, what they are worth, and how they are aligned.

Where a file's pixels coincide with the chip's, they are copied. Any other north-up file of the same CRS (20 m beside 10 m, a
shifted origin) gives, for each pixel of the chip, the pixel that holds its centre: nearest neighbour, so that a chip never
holds a number that was not published, unless bilinear ones are asked for. A centre on an edge belongs to the pixel in the south
or east. Classes are always the nearest pixel's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.cubes.chip.resampling import Resampling, as_numbers, interpolated, taps
from dataflows.cubes.pixels import quality
from dataflows.cubes.pixels.scenes import Band, Scene
from dataflows.cubes.rasters.grid import TOLERANCE_PX
from dataflows.cubes.rasters.tiles import Part, Raster, TileReader
from db.errors import SourceError


@dataclass(frozen=True)
class Place:
    """Where a chip lies: CRS, northern and western edge in metres, height and width of a pixel, pixels along an edge."""

    epsg: int
    top: float
    left: float
    resolution: tuple[float, float]
    size: int


@dataclass(frozen=True)
class Placement:
    """How a chip is filled from a file.

    Attributes:
        part: what is read of the file.
        rows: rows of the chip that the file has.
        columns: columns of the chip that the file has.
        take: for each of these rows and columns its place within the part; ``None`` where pixels coincide.
        weights: for each of these rows and columns what the rows and columns of the part count; ``None`` where it is one alone.
    """

    part: Part
    rows: slice
    columns: slice
    take: tuple[NDArray[np.int64], NDArray[np.int64]] | None
    weights: tuple[NDArray[np.float64], NDArray[np.float64]] | None


class _Axis(NamedTuple):
    """Along one axis: the chip's pixels, the file's first and last but one, and as :class:`Placement` which of them count."""

    pixels: slice
    begin: int
    end: int
    take: NDArray[np.int64] | None
    weights: NDArray[np.float64] | None


def placement(raster: Raster, place: Place, resampling: Resampling) -> Placement | None:
    """How a chip is filled from a file, ``None`` where they do not meet.

    Raises:
        SourceError: the file is rotated.
    """
    if not raster.grid.is_north_up:
        raise SourceError(f"{raster.href} is rotated.", remedy="Read it through open_region, which warps.")
    width, _, west, _, minus_height, north = raster.grid.transform[:6]
    first = (north - place.top) / -minus_height, (place.left - west) / width
    step = place.resolution[0] / -minus_height, place.resolution[1] / width
    rows, columns = (
        _axis(*each, place.size, smooth=resampling is Resampling.BILINEAR)
        for each in zip(first, step, raster.grid.shape, strict=True)
    )
    if rows is None or columns is None:
        return None
    part = Part(rows.begin, rows.end, columns.begin, columns.end)
    if rows.take is None and columns.take is None:
        return Placement(part, rows.pixels, columns.pixels, None, None)
    takes = [np.arange(axis.end - axis.begin) if axis.take is None else axis.take for axis in (rows, columns)]
    weights = [np.eye(axis.end - axis.begin) if axis.weights is None else axis.weights for axis in (rows, columns)]
    smooth = (weights[0], weights[1]) if resampling is Resampling.BILINEAR else None
    return Placement(part, rows.pixels, columns.pixels, (takes[0], takes[1]), smooth)


def _axis(first: float, step: float, length: int, size: int, *, smooth: bool) -> _Axis | None:
    """How a chip lies to a file along one axis; ``None`` where they do not meet.

    Args:
        first: edge of the chip's first pixel, in pixels of the file.
        step: pixel of the chip in pixels of the file.
        length: pixels of the file.
        size: pixels of the chip.
        smooth: whether neighbours count.
    """
    start = round(first)
    if abs(first - start) <= TOLERANCE_PX and abs(step - 1) * size <= TOLERANCE_PX:
        begin, end = max(start, 0), min(start + size, length)
        return None if begin >= end else _Axis(slice(begin - start, end - start), begin, end, None, None)
    centre = first + step * (np.arange(size) + 0.5)
    pixel = np.floor(centre + TOLERANCE_PX).astype(np.int64)
    inside = np.flatnonzero((pixel >= 0) & (pixel < length))
    if len(inside) == 0:
        return None
    pixels = slice(int(inside[0]), int(inside[-1]) + 1)
    if smooth:
        begin, end, weights = taps(centre[pixels], step, length)
    else:
        begin, end, weights = int(pixel[inside[0]]), int(pixel[inside[-1]]) + 1, None
    return _Axis(pixels, begin, end, pixel[pixels] - begin, weights)


class Cut:
    """A chip to be cut from a scene: what must be decoded for it, and how it is made of that.

    Args:
        scene: the item.
        place: the chip.
        reader: decodes tiles.
        resampling: of bands.

    Raises:
        SourceError: an asset is missing or unreadable, rotated, or in another CRS than its item says; before anything is
            decoded.
    """

    def __init__(self, scene: Scene, place: Place, reader: TileReader, resampling: Resampling) -> None:
        self.scene, self._place, self._reader = scene, place, reader
        wanted = [(band, resampling) for band in scene.bands]
        if scene.classification is not None:
            wanted.append((scene.classification, Resampling.NEAREST))
        self._placed: list[tuple[Band, Raster, Placement | None]] = []
        # Files of one item share few grids
        placed: dict[tuple[int, Resampling], Placement | None] = {}
        for band, method in wanted:
            if band is None:
                raise SourceError(f"{scene.item_id} has no asset for one of the bands.", remedy="Build fewer bands.")
            raster = reader.raster(band.href)
            if band.number > raster.bands:
                raise SourceError(f"{raster.href} has {raster.bands} bands, not {band.number}.")
            if raster.grid.epsg != place.epsg:
                raise SourceError(
                    f"{raster.href} is in EPSG:{raster.grid.epsg}, its item says EPSG:{place.epsg}.",
                    remedy="Correct the item, or read it through open_region, which warps.",
                )
            key = id(raster.grid), method
            if key not in placed:
                placed[key] = placement(raster, place, method)
            self._placed.append((band, raster, placed[key]))

    def parts(self) -> Iterator[tuple[str, Part]]:
        """File and part of it, one a band."""
        for band, _, placed in self._placed:
            if placed is not None:
                yield band.href, placed.part

    def into(self, pixels: NDArray[np.generic], fill: float) -> NDArray[np.uint8]:
        """Fill the chip's pixels, and say what they are worth.

        Args:
            pixels: shape (band, y, x); all of it is written.
            fill: value of what is not observed.

        Returns:
            Classes, shape (y, x).

        Raises:
            SourceError: a tile cannot be decoded, or a file is of another type than the group.
            CubeError: the classification is none.
        """
        bands = self._placed[: len(self.scene.bands)]
        dtype = pixels.dtype.name
        nodata = np.zeros(pixels.shape[1:], np.bool_)
        values = [band.nodata if band.nodata is not None else raster.nodata for band, raster, _ in bands]
        for index, (band, raster, placed) in enumerate(bands):
            if raster.dtype != dtype:
                raise SourceError(f"{raster.href} is of type {raster.dtype}, the group is of type {dtype}.")
            self._copy(pixels[index], band.number, raster, placed, nodata, fill, values[index])
        _blank(pixels, values, fill, nodata)
        if self.scene.classification is None:
            return quality.classify(None, None, nodata)
        band, raster, placed = self._placed[-1]
        classes = np.empty(pixels.shape[1:], raster.dtype)
        self._copy(classes, band.number, raster, placed, nodata, 0)
        return quality.classify(classes, band.asset_key, nodata)

    def _copy(
        self,
        out: NDArray[np.generic],
        number: int,
        raster: Raster,
        placed: Placement | None,
        beyond: NDArray[np.bool_],
        fill: float,
        value: float | None = None,
    ) -> None:
        """Pixels of one band, ``value`` where they have none; fills and marks where the file does not reach."""
        if placed is None:
            out[...] = fill
            beyond[...] = True
            return
        if placed.rows != slice(0, out.shape[0]) or placed.columns != slice(0, out.shape[1]):
            out[...] = fill
            reached = np.zeros(out.shape, np.bool_)
            reached[placed.rows, placed.columns] = True
            beyond |= ~reached
        if placed.take is None:
            self._reader.cut(raster, number, placed.part, out[placed.rows, placed.columns])
            return
        part = placed.part
        read = np.empty((part.end_row - part.row, part.end_column - part.column), out.dtype)
        self._reader.cut(raster, number, part, read)
        nearest = np.ix_(*placed.take)
        found = read[nearest]
        if placed.weights is not None:
            empty = _equals(read, value)
            smooth = as_numbers(interpolated(read, empty, *placed.weights), out.dtype, value)
            found = np.where(empty[nearest], found, smooth)
        out[placed.rows, placed.columns] = found


def _blank(pixels: NDArray[np.generic], values: list[float | None], fill: float, nodata: NDArray[np.bool_]) -> None:
    """Mark where a band has no value, and put the group's fill value in the place of each file's own."""
    if len(set(values)) == 1:
        # Most items state one value for all bands, which then are compared at once
        empty = _equals(pixels, values[0])
    else:
        empty = np.stack([_equals(band, value) for band, value in zip(pixels, values, strict=True)])
    if empty.any():
        pixels[empty] = fill
        nodata |= empty.any(axis=0)


def _equals(pixels: NDArray[np.generic], value: float | None) -> NDArray[np.bool_]:
    if pixels.dtype.kind == "f":
        return np.isnan(pixels) if value is None or np.isnan(value) else np.isnan(pixels) | (pixels == value)
    if value is None or value != int(value):
        return np.zeros(pixels.shape, np.bool_)
    # As an integer: compared with a float, every pixel would become one
    return pixels == int(value)
