"""Chips from one scene: which pixels of each file they take, what they are worth, and how they are aligned.

Where a file's pixels coincide with the chip's, they are copied. Any other north-up file of the same CRS (20 m beside 10 m, a
shifted origin) gives, for each pixel of the chip, the pixel that holds its centre: nearest neighbour, so that a chip never
holds a number that was not published, unless bilinear ones are asked for. A centre on an edge belongs to the pixel in the south
or east. Classes are always the nearest pixel's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.cubes.chip.resampling import Resampling, as_numbers, interpolated, taps
from dataflows.cubes.pixels import quality
from dataflows.cubes.pixels.scenes import Band, Scene
from dataflows.cubes.rasters.grid import TOLERANCE_PX, Grid
from dataflows.cubes.rasters.tiles import Block, Raster, TileReader
from db.errors import CubeError, SourceError


@dataclass(frozen=True)
class Places:
    """Where chips lie.

    Attributes:
        epsg: code of the CRS.
        top: northern edges in metres, shape (chips,).
        left: western edges in metres, shape (chips,).
        resolution: height and width of a pixel in metres, shape (chips, 2).
        size: pixels along an edge.
    """

    epsg: int
    top: NDArray[np.float64]
    left: NDArray[np.float64]
    resolution: NDArray[np.float64]
    size: int


class _Axis(NamedTuple):
    """Along one axis, how a chip lies to a file.

    Attributes:
        pixels: those of the chip that the file has.
        begin: the file's first pixel that counts.
        end: the last but one.
        take: for each of the chip's pixels its place among them.
        weights: for each of the chip's pixels what each of them counts; ``None`` where it is one alone.
    """

    pixels: slice
    begin: int
    end: int
    take: NDArray[np.int64]
    weights: NDArray[np.float64] | None


class _Extents:
    """Which pixels of a grid chips take; none where ``end`` is not after ``begin``.

    Attributes:
        begin: first row and column in the grid, shape (chips, 2).
        end: last but one.
        whole: chips whose pixels all coincide with pixels of the grid.
    """

    def __init__(self, grid: Grid, places: Places, resampling: Resampling) -> None:
        width, _, west, _, minus_height, north = grid.transform[:6]
        self._first = np.stack([(north - places.top) / -minus_height, (places.left - west) / width], axis=1)
        self._step = places.resolution / (-minus_height, width)
        self._size, self._shape = places.size, grid.shape
        self._smooth = resampling is Resampling.BILINEAR
        start = np.rint(self._first)
        self._coincide = (np.abs(self._first - start) <= TOLERANCE_PX) & (np.abs(self._step - 1) * self._size <= TOLERANCE_PX)
        # Neighbours that count lie within a pixel of the file or of the chip, whichever is larger
        reach = np.ceil(np.maximum(self._step, 1)) if self._smooth else 0
        centre = self._first + self._step / 2 + TOLERANCE_PX
        last = np.floor(centre + self._step * (self._size - 1)) + reach
        begin = np.where(self._coincide, start, np.floor(centre) - reach).astype(np.int64)
        end = np.where(self._coincide, start + self._size, last + 1).astype(np.int64)
        self.whole = (self._coincide & (begin >= 0) & (end <= self._shape)).all(axis=1)
        self.begin, self.end = np.maximum(begin, 0), np.minimum(end, self._shape)

    def axis(self, chip: int, axis: int) -> _Axis | None:
        """How a chip lies to the grid's rows (0) or columns (1); ``None`` where they do not meet."""
        first, step, size, length = self._first[chip, axis], self._step[chip, axis], self._size, self._shape[axis]
        if self._coincide[chip, axis]:
            start = round(first)
            begin, end = max(start, 0), min(start + size, length)
            return None if begin >= end else _Axis(slice(begin - start, end - start), begin, end, np.arange(end - begin), None)
        centre = first + step * (np.arange(size) + 0.5)
        pixel = np.floor(centre + TOLERANCE_PX).astype(np.int64)
        inside = np.flatnonzero((pixel >= 0) & (pixel < length))
        if len(inside) == 0:
            return None
        pixels = slice(int(inside[0]), int(inside[-1]) + 1)
        if self._smooth:
            begin, end, weights = taps(centre[pixels], step, length)
        else:
            begin, end, weights = int(pixel[inside[0]]), int(pixel[inside[-1]]) + 1, None
        return _Axis(pixels, begin, end, pixel[pixels] - begin, weights)


@dataclass(frozen=True)
class _Layer:
    """One band of a scene."""

    band: Band
    raster: Raster
    extents: _Extents

    @property
    def nodata(self) -> float | None:
        """As the item states it, else the file."""
        return self.band.nodata if self.band.nodata is not None else self.raster.nodata


@dataclass(frozen=True)
class Needed:
    """Files of a scene with one grid and one size of blocks, and the blocks of them that each chip needs.

    Attributes:
        hrefs: the files.
        block_bytes: what one block of all of them takes.
        begin: first row and column of blocks, shape (chips, 2).
        end: last but one; not after ``begin`` where a chip does not meet the files.
    """

    hrefs: tuple[str, ...]
    block_bytes: int
    begin: NDArray[np.int64]
    end: NDArray[np.int64]

    def blocks(self, chip: int) -> Iterator[Block]:
        """Those of one chip."""
        (row, column), (end_row, end_column) = self.begin[chip].tolist(), self.end[chip].tolist()
        return ((y, x) for y in range(row, end_row) for x in range(column, end_column))


class Cut:
    """Chips to be cut from a scene: what must be decoded for them, and how they are made of that.

    Args:
        scene: the item.
        places: the chips.
        reader: decodes tiles.
        dtype: of the pixels.
        resampling: of bands.

    Raises:
        SourceError: an asset is missing or unreadable, rotated, of another type, or in another CRS than its item says; before
            anything is decoded.
    """

    def __init__(self, scene: Scene, places: Places, reader: TileReader, dtype: np.dtype, resampling: Resampling) -> None:
        self.scene, self._reader = scene, reader
        wanted = [(band, resampling) for band in scene.bands]
        if scene.classification is not None:
            wanted.append((scene.classification, Resampling.NEAREST))
        self._layers: list[_Layer] = []
        # Files of one item share few grids
        extents: dict[tuple[int, Resampling], _Extents] = {}
        for number, (band, method) in enumerate(wanted):
            if band is None:
                raise SourceError(f"{scene.item_id} has no asset for one of the bands.", remedy="Build fewer bands.")
            raster = reader.raster(band.href)
            if band.number > raster.bands:
                raise SourceError(f"{raster.href} has {raster.bands} bands, not {band.number}.")
            if raster.grid.epsg != places.epsg:
                raise SourceError(
                    f"{raster.href} is in EPSG:{raster.grid.epsg}, its item says EPSG:{places.epsg}.",
                    remedy="Correct the item, or read it through open_region, which warps.",
                )
            if number < len(scene.bands) and raster.dtype != dtype.name:
                raise SourceError(f"{raster.href} is of type {raster.dtype}, the group is of type {dtype.name}.")
            if not raster.grid.is_north_up:
                raise SourceError(f"{raster.href} is rotated.", remedy="Read it through open_region, which warps.")
            key = id(raster.grid), method
            if key not in extents:
                extents[key] = _Extents(raster.grid, places, method)
            self._layers.append(_Layer(band, raster, extents[key]))

    @cached_property
    def needed(self) -> list[Needed]:
        """What must be decoded."""
        alike: dict[tuple[int, Block], dict[str, Raster]] = {}
        for layer in self._layers:
            alike.setdefault((id(layer.extents), layer.raster.block), {})[layer.band.href] = layer.raster
        extents = {id(layer.extents): layer.extents for layer in self._layers}
        return [
            Needed(
                tuple(rasters),
                sum(raster.tile_bytes for raster in rasters.values()),
                extents[key].begin // block,
                np.where(extents[key].end > extents[key].begin, -(-extents[key].end // block), 0),
            )
            for (key, block), rasters in alike.items()
        ]

    def into(
        self, chips: Sequence[int], pixels: NDArray[np.generic], fill: float
    ) -> tuple[NDArray[np.uint8], dict[int, CubeError]]:
        """Fill chips' pixels, and say what they are worth.

        Args:
            chips: which of the places.
            pixels: shape (chips, band, y, x); all of it is written.
            fill: value of what is not observed.

        Returns:
            Classes, shape (chips, y, x); and, by its number among ``chips``, why a chip cannot be cut: a tile cannot be
            decoded, or the classification is none. Such a chip's pixels and classes are void.
        """
        bands = self._layers[: len(self.scene.bands)]
        beyond = np.zeros((len(chips), *pixels.shape[2:]), np.bool_)
        errors: dict[int, CubeError] = {}
        for index, layer in enumerate(bands):
            self._copy(layer, chips, pixels[:, index], beyond, fill, errors)
        _blank(pixels, [layer.nodata for layer in bands], fill, beyond)
        if self.scene.classification is None:
            return quality.classify(None, None, beyond), errors
        layer = self._layers[-1]
        numbers = np.zeros(beyond.shape, layer.raster.dtype)
        self._copy(layer, chips, numbers, beyond, 0, errors)
        try:
            return quality.classify(numbers, layer.band.asset_key, beyond), errors
        except CubeError:
            classes = np.empty(beyond.shape, np.uint8)
            for at in range(len(chips)):
                try:
                    classes[at] = quality.classify(numbers[at], layer.band.asset_key, beyond[at])
                except CubeError as error:
                    errors.setdefault(at, error)
            return classes, errors

    def _copy(
        self,
        layer: _Layer,
        chips: Sequence[int],
        out: NDArray[np.generic],
        beyond: NDArray[np.bool_],
        fill: float,
        errors: dict[int, CubeError],
    ) -> None:
        """Pixels of one band as they are, shape (chips, y, x); fills and marks where the file does not reach."""
        extents, cut = layer.extents, self._reader.cut
        places = zip(extents.whole[chips].tolist(), extents.begin[chips].tolist(), strict=True)
        for at, (whole, (row, column)) in enumerate(places):
            if at in errors:
                continue
            try:
                if whole:
                    cut(layer.raster, layer.band.number, row, column, out[at])
                else:
                    self._copy_partly(layer, chips[at], out[at], beyond[at], fill)
            except SourceError as error:
                errors[at] = error

    def _copy_partly(self, layer: _Layer, chip: int, out: NDArray[np.generic], beyond: NDArray[np.bool_], fill: float) -> None:
        rows, columns = layer.extents.axis(chip, 0), layer.extents.axis(chip, 1)
        reached = np.zeros(out.shape, np.bool_)
        if rows is not None and columns is not None:
            reached[rows.pixels, columns.pixels] = True
            out[rows.pixels, columns.pixels] = self._aligned(layer, rows, columns, out.dtype)
        out[~reached] = fill
        beyond |= ~reached

    def _aligned(self, layer: _Layer, rows: _Axis, columns: _Axis, dtype: np.dtype) -> NDArray[np.generic]:
        """Pixels of one band on the chip's grid, as far as the file has them."""
        read = np.empty((rows.end - rows.begin, columns.end - columns.begin), dtype)
        self._reader.cut(layer.raster, layer.band.number, rows.begin, columns.begin, read)
        nearest = np.ix_(rows.take, columns.take)
        if rows.weights is None and columns.weights is None:
            return read[nearest]
        weights = [np.eye(axis.end - axis.begin) if axis.weights is None else axis.weights for axis in (rows, columns)]
        empty = _equals(read, layer.nodata)
        smooth = as_numbers(interpolated(read, empty, *weights), dtype, layer.nodata)
        return np.where(empty[nearest], read[nearest], smooth)


def _blank(pixels: NDArray[np.generic], values: list[float | None], fill: float, nodata: NDArray[np.bool_]) -> None:
    """Mark where a band has no value, and put the group's fill value in the place of each file's own."""
    if len(set(values)) == 1:
        # Most items state one value for all bands, which then are compared at once
        empty = _equals(pixels, values[0])
    else:
        empty = np.stack([_equals(pixels[:, band], value) for band, value in enumerate(values)], axis=1)
    if empty.any():
        pixels[empty] = fill
        nodata |= empty.any(axis=1)


def _equals(pixels: NDArray[np.generic], value: float | None) -> NDArray[np.bool_]:
    if pixels.dtype.kind == "f":
        return np.isnan(pixels) if value is None or np.isnan(value) else np.isnan(pixels) | (pixels == value)
    if value is None or value != int(value):
        return np.zeros(pixels.shape, np.bool_)
    # As an integer: compared with a float, every pixel would become one
    return pixels == int(value)
