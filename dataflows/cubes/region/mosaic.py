"""From the scenes of a period to one mosaic: each scene calibrated and without clouds, scenes of a day joined, days composed.

Everything happens block by block: a block holds all scenes of a period, and its edge is such that they fit into memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

import bottleneck as bn
import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dataflows.cubes.pixels import quality
from dataflows.cubes.pixels.reflectance import Coefficients, calibrated

BLOCK_BYTES = 64 * 1024 * 1024
MOST_EDGE, LEAST_EDGE = 512, 64

NO_SCENE = -1


class Method(StrEnum):
    """How the days of a period become one value.

    ``median``: the median of a pixel's clear days, band by band. ``least_cloudy``: a pixel's value in the scene that is clear
    over the largest part of the region, among those that are clear at the pixel; all bands of a pixel are of one scene.
    """

    MEDIAN = "median"
    LEAST_CLOUDY = "least_cloudy"


def block_edge(scenes: int, bands: int) -> int:
    """Pixels along an edge of a block, a power of two, so that its scenes take :data:`BLOCK_BYTES` or less."""
    fitting = int(np.sqrt(BLOCK_BYTES / (max(scenes, 1) * bands * 4)))
    return min(MOST_EDGE, max(LEAST_EDGE, 1 << (fitting.bit_length() - 1)))


def clear_values(numbers: da.Array, classes: da.Array | None, key: str | None, calibration: Sequence[Coefficients]) -> da.Array:
    """Values of a scene where it shows the ground.

    Args:
        numbers: digital numbers, shape (band, y, x), NaN where there are none.
        classes: the scene's classification, shape (y, x), if it has one.
        key: its asset key.
        calibration: one a band.

    Returns:
        ``scale × number + offset``, single precision, shape (band, y, x); NaN in all bands where one has no number, or where
        the pixel is neither clear nor unclassified (:mod:`dataflows.cubes.pixels.quality`).
    """
    whole = numbers.rechunk({0: -1})
    scale = np.array([each.scale for each in calibration])
    offset = np.array([each.offset for each in calibration])
    more = () if classes is None else (classes,)
    return da.map_blocks(
        _clear, whole, *more, key=key, scale=scale, offset=offset, dtype=np.float32, meta=np.empty((0, 0, 0), "f4")
    )


def _clear(
    numbers: NDArray[np.floating],
    classes: NDArray[np.integer] | None = None,
    *,
    key: str | None,
    scale: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> NDArray[np.float32]:
    nodata = np.isnan(numbers).any(axis=0)
    found = quality.classify(classes, key, nodata)
    values = calibrated(numbers, scale, offset).astype(np.float32)
    values[:, ~quality.usable(found)] = np.nan
    return values


def solar_day(taken_at: datetime, longitude: float) -> date:
    """The day at a place, by the sun: neighbouring scenes of one pass share it, wherever UTC's midnight is."""
    return (taken_at + timedelta(hours=longitude / 15)).date()


def composed(values: Sequence[da.Array], days: Sequence[date], ranks: Sequence[int], method: Method) -> da.Array:
    """One mosaic of the scenes of a period.

    Args:
        values: of each scene, shape (band, y, x), NaN where it is not clear.
        days: of each scene.
        ranks: of each scene: the lower one comes first, in the mosaic of a day and for :attr:`Method.LEAST_CLOUDY`.
        method: how.

    Returns:
        Shape (band + 2, y, x): the bands, the number of clear days, and the index of the scene that a pixel is of
        (:data:`NO_SCENE` where there is none, and for the median).
    """
    order = np.argsort(np.asarray(ranks), kind="stable")
    stack = da.stack([values[index] for index in order]).rechunk({0: -1, 1: -1})
    _, number = np.unique([days[index].toordinal() for index in order], return_inverse=True)
    bands, *space = stack.chunks[1:]
    return stack.map_blocks(
        _composed,
        day=number,
        scene=order,
        method=method,
        dtype=np.float32,
        drop_axis=0,
        chunks=((sum(bands) + 2,), *space),
        meta=np.empty((0, 0, 0), np.float32),
    )


def _composed(
    values: NDArray[np.float32], *, day: NDArray[np.int64], scene: NDArray[np.int64], method: Method
) -> NDArray[np.float32]:
    """:func:`composed` of one block; scenes in the order of their ranks."""
    clear = ~np.isnan(values[:, 0])
    days = [np.flatnonzero(day == each) for each in np.unique(day)]
    observed = np.sum([clear[members].any(axis=0) for members in days], axis=0, dtype=np.float32)
    if method is Method.LEAST_CLOUDY:
        found, first = _first(values, clear)
        origin = np.where(clear.any(axis=0), scene[first], NO_SCENE)
    else:
        found = bn.nanmedian(np.stack([_first(values[members], clear[members])[0] for members in days]), axis=0)
        origin = np.full(observed.shape, NO_SCENE)
    return np.concatenate([found, observed[None], origin[None].astype(np.float32)])


def _first(values: NDArray[np.float32], clear: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Of each pixel the first scene that is clear, shape (band, y, x), and which it is, shape (y, x)."""
    first = clear.argmax(axis=0)
    return np.take_along_axis(values, first[None, None], axis=0)[0], first
