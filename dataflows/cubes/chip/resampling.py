"""Numbers of a file on another grid, on a chip's: from the nearest pixel, or bilinear as GDAL's warper does it.

GDAL widens the kernel where the chip's pixels are larger than the file's, so that every pixel of the file counts; so do these
weights. Pixels without a value have no weight. Whether a pixel of the chip has a value is decided by the nearest pixel of the
file alone: with both methods, the same pixels have none.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.errors import CubeError

# Of a pixel: what rounding leaves of centres is far less, and would decide to which side a half is rounded
DECIMALS = 6
HALF = 0.5 + 1e-9


class Resampling(StrEnum):
    """How bands that lie on another grid than the chip are brought onto it; classes are always the nearest pixel's.

    ``nearest``: every number was published. ``bilinear``: no shift by up to half a pixel, but numbers that were not published.
    """

    NEAREST = "nearest"
    BILINEAR = "bilinear"

    @classmethod
    def of(cls, name: str) -> Resampling:
        """The method of a name.

        Raises:
            CubeError: there is none.
        """
        try:
            return cls(name)
        except ValueError:
            raise CubeError(f"Chips have no resampling {name!r}.", remedy=f"Known: {', '.join(cls)}.") from None


class Taps(NamedTuple):
    """Along one axis, what some pixels of a chip are made of.

    Attributes:
        begin: the file's first pixel that counts.
        end: the last but one.
        weights: of each, not normalised, shape (pixels of the chip, pixels of the file).
    """

    begin: int
    end: int
    weights: NDArray[np.float64]


def taps(centre: NDArray[np.float64], step: float, length: int) -> Taps:
    """Weights of a triangular kernel.

    Args:
        centre: of the chip's pixels, in pixels of the file from the edge of its first one, rising; all within the file.
        step: pixel of the chip in pixels of the file.
        length: pixels of the file.
    """
    reach = max(1.0, step)
    centre = np.round(centre, DECIMALS)
    begin = max(0, int(np.floor(centre[0] - reach + 0.5)))
    end = min(length, int(np.ceil(centre[-1] + reach - 0.5)))
    distance = np.abs(np.arange(begin, end) + 0.5 - centre[:, None])
    return Taps(begin, end, np.clip(1 - distance / reach, 0, None))


def interpolated(
    numbers: NDArray[Any], empty: NDArray[np.bool_], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted means of the pixels that have a value; 0 where none has.

    Args:
        numbers: shape (y, x) of the file.
        empty: pixels without a value.
        rows: weights, shape (y of the chip, y).
        columns: weights, shape (x of the chip, x).
    """
    weight = rows @ (~empty).astype(np.float64) @ columns.T
    total = rows @ np.where(empty, 0, numbers).astype(np.float64) @ columns.T
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)


def as_numbers(values: NDArray[np.float64], dtype: np.dtype, nodata: float | None) -> NDArray[Any]:
    """Values in a file's type, a half rounded up; one that happens to be the file's nodata becomes its neighbour."""
    if dtype.kind == "f":
        found = values.astype(dtype)
        if nodata is not None and np.isfinite(nodata):
            found[found == nodata] = np.nextafter(dtype.type(nodata), dtype.type(np.inf))
        return found
    found = np.floor(values + HALF).astype(dtype)
    if nodata is not None and nodata == int(nodata):
        found[found == nodata] = int(nodata) + (1 if nodata < np.iinfo(dtype).max else -1)
    return found
