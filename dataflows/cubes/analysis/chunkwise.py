"""Questions to a whole cube that are answered chunk by chunk: what was composed over time, and what zones are like.

A cube is never loaded. Blocks are whole chunks in space, and as many of them in time as :data:`BLOCK_BYTES` allow (one at
least): memory is bounded by a few times that, and by the answer. Every chunk is decoded once; for medians, as often as a block
of all dates has to be divided to fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import bottleneck as bn
import h3ronpy.vector
import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from dataflows.cubes.pixels import quality
from dataflows.cubes.pixels.reflectance import calibrated
from dataflows.cubes.pixels.statistics import WeightedStatistics, combined
from dataflows.cubes.pixels.zone_cells import cells_in
from dataflows.cubes.rasters.grid import Grid
from dataflows.cubes.repository.conventions import grid_of
from db.errors import CubeError

BLOCK_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 1024 * 1024

_DOUBLE = 8


@dataclass(frozen=True)
class Series:
    """A band of a cube, and how its numbers become values.

    Attributes:
        numbers: dimensions (time, y, x), not loaded: NumPy's values are taken block by block.
        grid: of the pixels.
        scale: value = scale × number + offset; shape (time,).
        offset: shape (time,).
        nodata: number that means nothing; ``None`` where all count. NaN never counts.
        classes: classification of the same dates, dimensions (time, y, x), on the same grid or one of larger pixels.
        classification: asset key of ``classes`` (:mod:`dataflows.cubes.pixels.quality`).
    """

    numbers: xr.DataArray
    grid: Grid
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    nodata: float | None = None
    classes: xr.DataArray | None = None
    classification: str | None = None

    @classmethod
    def of(cls, cube: xr.Dataset, band: str, *, classes: xr.Dataset | None = None) -> Self:
        """A band as :func:`~dataflows.cubes.open_virtual` or :func:`~dataflows.cubes.open_region` opens it.

        Args:
            cube: as opened, with or without Dask; stored numbers, not masked ones.
            band: name of the variable.
            classes: the group that has the classification of the same scenes: clouds, shadows and snow do not count.

        Raises:
            CubeError: no such band, or the classification has not the same dates.
        """
        if band not in cube.data_vars or cube[band].dims != ("time", "y", "x"):
            raise CubeError(
                f"The cube has no band {band!r} (time, y, x).", remedy=f"It has {', '.join(map(str, cube.data_vars))}."
            )
        numbers = cube[band]
        scale, offset = np.ones(cube.sizes["time"]), np.zeros(cube.sizes["time"])
        if "reflectance_scale" in cube:
            of_band = {"asset": numbers.attrs.get("asset_key", band)}
            # What no item states is taken as it is
            scale = np.nan_to_num(cube["reflectance_scale"].sel(of_band).values, nan=1.0)
            offset = np.nan_to_num(cube["reflectance_offset"].sel(of_band).values, nan=0.0)
        stated = numbers.attrs.get("_FillValue")
        nodata = None if stated is None else float(stated)
        if classes is None:
            return cls(numbers, grid_of(cube.attrs), scale, offset, nodata)
        key = quality.classification_of([str(name) for name in classes.data_vars])
        if key is None:
            raise CubeError("The group has no classification of pixels.", remedy="Give the one that has 'scl' or 'qa_pixel'.")
        if not np.isin(cube["time"].values, classes["time"].values).all():
            raise CubeError("The classification has not all dates of the band.", remedy="Select the dates that both have.")
        return cls(numbers, grid_of(cube.attrs), scale, offset, nodata, classes[key].sel(time=cube["time"].values), key)

    def read(self, time: slice, y: slice, x: slice) -> tuple[NDArray[np.generic], NDArray[np.integer] | None]:
        """Numbers of a part as they are stored, and their classes, shape (time, y, x)."""
        part = self.numbers.isel(time=time, y=y, x=x)
        if self.classes is None:
            return np.asarray(part.values), None
        classes = self.classes.isel(time=time).sel(y=part["y"], x=part["x"], method="nearest")
        return np.asarray(part.values), np.asarray(classes.values)

    def seen(self, numbers: NDArray[np.generic], classes: NDArray[np.integer] | None, time: slice) -> NDArray[np.float64]:
        """Values of what was read, or of some of its pixels, shape (time, …); NaN where there are none or no ground is seen."""
        nothing = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros(numbers.shape, np.bool_)
        if self.nodata is not None:
            nothing |= numbers == self.nodata
        if classes is not None:
            nothing |= ~quality.usable(quality.classify(classes, self.classification, nothing))
        found = calibrated(numbers, self.scale[time], self.offset[time])
        found[nothing] = np.nan
        return found

    def values(self, time: slice, y: slice, x: slice) -> NDArray[np.float64]:
        """Values of a part, shape (time, y, x), as :meth:`seen` gives them."""
        return self.seen(*self.read(time, y, x), time)

    @property
    def chunk(self) -> tuple[int, int, int]:
        """Lengths of a chunk in time, y and x."""
        stored = self.numbers.encoding.get("preferred_chunks", {})
        blocks = dict(zip(self.numbers.dims, self.numbers.chunks or (), strict=False))
        lengths = [blocks[dim][0] if dim in blocks else stored.get(dim, self.numbers.sizes[dim]) for dim in ("time", "y", "x")]
        return lengths[0], lengths[1], lengths[2]


def temporal_mean(series: Series, *, block_bytes: int = BLOCK_BYTES) -> xr.Dataset:
    """Mean over time.

    Args:
        series: band.
        block_bytes: most that the values of a block take.

    Returns:
        ``mean`` (y, x), double precision, NaN where nothing was seen, and ``count`` (y, x), the number of dates.
    """
    mean = np.full(series.grid.shape, np.nan)
    count = np.zeros(series.grid.shape, np.int32)
    for y, x in _columns(series):
        total = np.zeros((y.stop - y.start, x.stop - x.start))
        for time in _times(series, y, x, block_bytes):
            values = series.values(time, y, x)
            count[y, x] += np.count_nonzero(~np.isnan(values), axis=0).astype(np.int32)
            total += bn.nansum(values, axis=0)
        np.divide(total, count[y, x], out=mean[y, x], where=count[y, x] > 0)
    return _plane(series, "mean", mean, count)


def temporal_median(series: Series, *, block_bytes: int = BLOCK_BYTES) -> xr.Dataset:
    """Median over time.

    Args:
        series: band.
        block_bytes: most that the values of a block of all dates take; a column of chunks that takes more is divided, and its
            chunks are decoded once for each part.

    Returns:
        ``median`` (y, x), double precision, NaN where nothing was seen, and ``count`` (y, x), the number of dates.
    """
    median = np.full(series.grid.shape, np.nan)
    count = np.zeros(series.grid.shape, np.int32)
    dates = series.numbers.sizes["time"]
    for y, x in _columns(series):
        for part in _parts(y, max(1, block_bytes // (dates * (x.stop - x.start) * _DOUBLE))):
            values = np.empty((dates, part.stop - part.start, x.stop - x.start))
            for time in _times(series, part, x, block_bytes):
                values[time] = series.values(time, part, x)
            median[part, x] = bn.nanmedian(values, axis=0)
            count[part, x] = np.count_nonzero(~np.isnan(values), axis=0)
    return _plane(series, "median", median, count)


def polygon_statistics(series: Series, polygons: NDArray[np.object_], *, block_bytes: int = BLOCK_BYTES) -> xr.Dataset:
    """Statistics of polygons at every date, each pixel weighted by the share of it that is covered: those of exactextract.

    Polygons may overlap. Chunks that none meets are not read.

    Args:
        series: band.
        polygons: valid ones in the CRS of the cube, shape (n,).
        block_bytes: most that the values of a block take.

    Returns:
        ``mean``, ``stdev`` (of the population), ``min``, ``max`` and ``count`` (sum of the covered shares, in pixels), each
        (zone, time): NaN, and 0 for ``count``, where nothing was seen.
    """
    cells = cells_in(series.grid, np.asarray(polygons, object))
    _, high, wide = series.chunk
    across = -(-series.grid.shape[1] // wide)
    block = cells.row // high * across + cells.column // wide
    order = np.lexsort((cells.shape, block))
    row, column, weight, zone, block = (each[order] for each in (cells.row, cells.column, cells.fraction, cells.shape, block))
    begins = np.flatnonzero(np.diff(block, prepend=-1))
    found = []
    for first, last in zip(begins, [*begins[1:], len(block)], strict=True):
        part = slice(first, last)
        # Of a block that polygons meet in a corner, chunks are decoded whole, but values are made of the corner
        y = slice(int(row[part].min()), int(row[part].max()) + 1)
        x = slice(int(column[part].min()), int(column[part].max()) + 1)
        place = (row[part] - y.start) * (x.stop - x.start) + column[part] - x.start
        found.append(_zones(series, y, x, place, zone[part], weight[part], block_bytes))
    return _table(series, found, len(polygons), {"zone": np.arange(len(polygons))})


def h3_statistics(series: Series, resolution: int, *, block_bytes: int = BLOCK_BYTES) -> xr.Dataset:
    """Statistics of H3 cells at every date; a pixel belongs to the cell that its centre lies in.

    Args:
        series: band.
        resolution: of the cells, 0 to 15.
        block_bytes: most that the values of a block take.

    Returns:
        As :func:`polygon_statistics`, with the cells (``uint64``, ascending) as coordinate ``zone``; ``count`` is a number of
        pixels.
    """
    if not 0 <= resolution <= 15:
        raise CubeError(f"H3 has no resolution {resolution}.", remedy="Give 0 to 15.")
    to = pyproj.Transformer.from_crs(series.grid.epsg, 4326, always_xy=True)
    found, known = [], []
    for y, x in _columns(series):
        longitude, latitude = to.transform(*np.meshgrid(series.grid.x[x], series.grid.y[y]))
        cells = np.asarray(h3ronpy.vector.coordinates_to_cells(latitude.ravel(), longitude.ravel(), resolution))
        names, zone = np.unique(cells, return_inverse=True)
        order = np.argsort(zone, kind="stable")
        found.append(_zones(series, y, x, order, zone[order], np.ones(len(order)), block_bytes))
        known.append(names.astype(np.uint64))
    cells = np.unique(np.concatenate(known))
    renamed = [(np.searchsorted(cells, names)[zones], parts) for names, (zones, parts) in zip(known, found, strict=True)]
    return _table(series, renamed, len(cells), {"zone": cells})


def _columns(series: Series) -> Iterator[tuple[slice, slice]]:
    """Columns of chunks: all dates of a chunk's rows and columns."""
    _, high, wide = series.chunk
    rows, columns = series.grid.shape
    for y in _parts(slice(0, rows), high):
        for x in _parts(slice(0, columns), wide):
            yield y, x


def _times(series: Series, y: slice, x: slice, block_bytes: int) -> Iterator[slice]:
    """Dates that are read together: whole chunks, as many as fit."""
    long = series.chunk[0]
    fitting = block_bytes // ((y.stop - y.start) * (x.stop - x.start) * _DOUBLE)
    return _parts(slice(0, series.numbers.sizes["time"]), max(long, fitting // long * long))


def _parts(whole: slice, length: int) -> Iterator[slice]:
    for first in range(whole.start, whole.stop, length):
        yield slice(first, min(first + length, whole.stop))


def _zones(
    series: Series,
    y: slice,
    x: slice,
    place: NDArray[np.int64],
    zone: NDArray[np.int64],
    weight: NDArray[np.float64],
    block_bytes: int,
) -> tuple[NDArray[np.int64], WeightedStatistics]:
    """The zones of a block, and their statistics, shape (zones, time); pixels are given by place, in the order of zones."""
    begins = np.flatnonzero(np.diff(zone, prepend=-1))
    number = np.cumsum(np.diff(zone, prepend=zone[0]) != 0)
    shape = (len(begins), series.numbers.sizes["time"])
    parts = WeightedStatistics(*(np.full(shape, np.nan) for _ in range(4)), np.zeros(shape))

    for times in _times(series, y, x, block_bytes):
        numbers, classes = (None if each is None else each.reshape(len(each), -1) for each in series.read(times, y, x))
        # Pieces that stay in the processor's cache; where polygons overlap, a block has more entries than pixels
        for part in _parts(slice(0, len(numbers)), max(1, PIECE_BYTES // (len(place) * _DOUBLE))):
            time = slice(times.start + part.start, times.start + part.stop)
            taken = (None if each is None else np.take(each[part], place, axis=1) for each in (numbers, classes))
            values = series.seen(*taken, time)
            hidden = np.isnan(values)
            weights = np.broadcast_to(weight, values.shape)
            least = most = values
            if hidden.any():
                weights = np.where(hidden, 0.0, weight)
                least, most = np.where(hidden, np.inf, values), np.where(hidden, -np.inf, values)
                values[hidden] = 0.0
            seen = np.add.reduceat(weights, begins, axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                mean = np.add.reduceat(weights * values, begins, axis=1) / seen
                # About the mean: the difference of squares loses all digits where values are large and alike
                deviation = values - np.take(np.where(seen > 0, mean, 0.0), number, axis=1)
                squares = np.add.reduceat(weights * np.square(deviation), begins, axis=1)
                parts.stdev[:, time] = np.sqrt(squares / seen).T
            parts.mean[:, time], parts.weight[:, time] = mean.T, seen.T
            parts.min[:, time] = np.minimum.reduceat(least, begins, axis=1).T
            parts.max[:, time] = np.maximum.reduceat(most, begins, axis=1).T
    return zone[begins], parts


def _table(
    series: Series,
    found: list[tuple[NDArray[np.int64], WeightedStatistics]],
    zones: int,
    coordinates: dict[str, NDArray[np.generic]],
) -> xr.Dataset:
    """Statistics of zones from those of their parts in several blocks."""
    dates = series.numbers.sizes["time"]
    nothing = WeightedStatistics(*(np.empty((0, dates)) for _ in range(5)))
    every = [parts for _, parts in found] or [nothing]
    joined = WeightedStatistics(
        *(np.concatenate([getattr(parts, name) for parts in every]) for name in ("mean", "stdev", "min", "max", "weight"))
    )
    group = np.concatenate([zone for zone, _ in found]) if found else np.empty(0, np.int64)
    whole = combined(joined, group, zones)
    names = {"mean": whole.mean, "stdev": whole.stdev, "min": whole.min, "max": whole.max, "count": whole.weight}
    return xr.Dataset(
        {name: (("zone", "time"), values) for name, values in names.items()},
        {"zone": coordinates["zone"], "time": series.numbers["time"].values},
    )


def _plane(series: Series, name: str, values: NDArray[np.float64], count: NDArray[np.int32]) -> xr.Dataset:
    return xr.Dataset(
        {name: (("y", "x"), values), "count": (("y", "x"), count)},
        {"y": series.numbers["y"].values, "x": series.numbers["x"].values},
    )
